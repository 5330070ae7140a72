"""Named Python codecs: the way out for a model whose format no frame can say.

A codec turns the bytes of one message into a map of plain data (numbers, texts, booleans, objects, lists); the points
of a profile with `frame: {kind: codec, name: …}` find their values in it by path, as in JSON. Codecs of one's own are
registered by a package, in the entry-point group `shouwang.codecs`:

    [project.entry-points."shouwang.codecs"]
    acme-wl-20 = "acme_codecs:wl_20"

A name of this module goes before one of a package. A profile can never name a file or a module.
"""

import difflib
import importlib.metadata
from collections.abc import Callable, Mapping
from functools import cache

Codec = Callable[[bytes, int | None], Mapping[str, object]]
"""Payload and fPort to a map of values. Whatever it raises becomes a DecodeError (`malformed`); it must be quick."""

GROUP = "shouwang.codecs"


class UnknownCodecError(LookupError):
    """No codec has that name, or it cannot be loaded."""


def cayenne_lpp(payload: bytes, fport: int | None) -> Mapping[str, object]:  # noqa: ARG001
    """Cayenne LPP: channel, type, value, repeated; the answer is `{"<channel>": {"<kind>": value}}`.

    By the table of types of the format's description (IPSO object ids minus 3200). A frame cannot say it because
    any channel may carry any type.
    """
    values: dict[str, dict[str, object]] = {}
    at = 0
    while at < len(payload):
        if at + 2 > len(payload) or payload[at + 1] not in _CAYENNE:
            kind = payload[at + 1 : at + 2].hex() or "missing"
            raise ValueError(f"the type at byte {at + 1} is {kind}")
        name, size, signed, scale = _CAYENNE[payload[at + 1]]
        channel = values.setdefault(str(payload[at]), {})
        at += 2
        parts = 3 if name in ("acceleration", "gyration") else 1
        if at + size * parts > len(payload):
            raise ValueError(f"{name} at byte {at} is cut off")
        numbers = [
            int.from_bytes(payload[at + size * part : at + size * (part + 1)], "big", signed=signed) / scale
            for part in range(parts)
        ]
        channel[name] = numbers if parts > 1 else numbers[0]
        at += size * parts
    return values


_CAYENNE = {
    0x00: ("digital_input", 1, False, 1),
    0x01: ("digital_output", 1, False, 1),
    0x02: ("analog_input", 2, True, 100),
    0x03: ("analog_output", 2, True, 100),
    0x65: ("illuminance", 2, False, 1),
    0x66: ("presence", 1, False, 1),
    0x67: ("temperature", 2, True, 10),
    0x68: ("humidity", 1, False, 2),
    0x71: ("acceleration", 2, True, 1000),
    0x73: ("pressure", 2, False, 10),
    0x86: ("gyration", 2, True, 100),
}

BUILT_IN: dict[str, Codec] = {"cayenne-lpp": cayenne_lpp}


@cache
def codec(name: str) -> Codec:
    """The codec of a name.

    Raises:
        UnknownCodecError: saying what names there are.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    entries = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    entry = entries.get(name)
    if entry is None:
        known = sorted({*BUILT_IN, *entries})
        near = difflib.get_close_matches(name, known, n=1)
        fix = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
        raise UnknownCodecError(f"there is no codec '{name}' – {fix}")
    try:
        found = entry.load()
    except Exception as error:  # noqa: BLE001 - foreign code: whatever goes wrong in it is said of this codec
        raise UnknownCodecError(f"codec '{name}' cannot be loaded: {type(error).__name__}: {error}") from None
    if not callable(found):
        raise UnknownCodecError(f"codec '{name}' is no function")
    return found  # type: ignore[no-any-return]
