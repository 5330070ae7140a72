"""Addresses of devices that speak another convention than the native one: `<source>:<address>`."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from cloud.problems import ProblemError
from device_profiles.sources.source import LONGEST_ADDRESS, NATIVE, Source, Sources, address_key

MOST_SOURCE, MOST_ADDRESS = 40, LONGEST_ADDRESS
_EXAMPLE = "chirpstack:a84041ffff123456"


class Address(NamedTuple):
    """The two parts; the second as the source normalises it."""

    source: str
    address: str

    def __str__(self) -> str:
        """As the registry keeps it and the edge gets it."""
        return f"{self.source}:{self.address}"


@lru_cache(maxsize=1)
def library() -> Sources:
    """The built-in sources."""
    return Sources.load()


@lru_cache(maxsize=1)
def sources() -> dict[str, Source]:
    """The conventions that an edge can be told to listen to, by name; without the native one."""
    return {name: library()[name] for name in library().names() if name != NATIVE}


def normalised(text: str) -> Address | ProblemError:
    """An address as a person writes it, put in form; or what is wrong with it."""
    name, colon, rest = text.strip().partition(":")
    name, rest = name.strip().lower(), rest.strip()
    known = ", ".join(sources())
    if not colon or not name or not rest:
        what, fix = f"'{text:.80}' is not <source>:<address>", f"write e.g. {_EXAMPLE}; sources: {known}"
        return _fault("address_form", what, fix, value=text[:80], known=known)
    if name not in sources():
        what, fix = f"there is no source '{name:.40}'", f"sources: {known}"
        return _fault("no_source", what, fix, value=name[:40], known=known)
    if len(rest) > MOST_ADDRESS or any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in rest):
        what, fix = f"is longer than {MOST_ADDRESS} characters, or holds a line break", "take it from the label"
        return _fault("address_length", what, fix, most=str(MOST_ADDRESS))
    key = address_key(f"{name}:{rest}", library()).removeprefix(f"{name}:")
    if _only_euis(sources()[name]) and not re.fullmatch(r"[0-9a-f]{16}", key):
        what, fix = f"'{rest:.80}' is no EUI: {name} knows a device by 16 hexadecimal digits", "take it from the label"
        return _fault("address_eui", what, fix, value=rest[:80], source=name)
    return Address(name, key)


def in_form(text: str | None) -> str | None:
    """As the registry keeps it; nothing for nothing, and what is wrong as it stands (its faults are told elsewhere)."""
    if text is None or not text.strip():
        return None
    address = normalised(text)
    return str(address) if isinstance(address, Address) else text.strip()


def own_topics(address: str) -> list[str]:
    """What a device with an account of its own publishes on; nothing where a network server or bridge speaks for it."""
    name, _, rest = address.partition(":")
    return sources()[name].own(rest)[0] if name in sources() else []


def _only_euis(source: Source) -> bool:
    """Whether every message of a source names its device by EUI, and by nothing else."""
    document = source.document
    return document.form == "eui" and not any(event.aliases for event in document.events.values())


def _fault(code: str, what: str, fix: str, **params: str) -> ProblemError:
    return ProblemError(where="address", what=what, fix=fix, code=code, params=dict(params))
