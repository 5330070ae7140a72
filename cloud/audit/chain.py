"""Hash chains: salted digests of single values, and lines that hold the line before. Pure.

A line's hash never covers a value itself but its *digest*, SHA-256 over a salt and the value. The salt of a value is
derived from the line's salt; to forget a value, the value goes, the line's salt goes, its digest and the salts of the
other values stay. So the chain still verifies, and what is gone cannot be guessed: a telephone number has few
possibilities, but nobody has the salt to try them with.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

GENESIS = "0" * 64
SALT_BYTES = 16

Sealed = Mapping[str, Mapping[str, str]]
"""By field: `{"salt": …}` of one that stands, `{"digest": …}` of one that was forgotten."""


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8: the same bytes on every machine."""
    return msgspec.json.encode(value, order="deterministic")


def new_salt() -> str:
    """A random salt for one line."""
    return secrets.token_hex(SALT_BYTES)


def salt_of(line_salt: str, field: str) -> str:
    """The salt of one value of a line."""
    return hmac.new(bytes.fromhex(line_salt), field.encode(), hashlib.sha256).hexdigest()[: 2 * SALT_BYTES]


def digest_of(salt: str, value: Any) -> str:
    """What the chain holds of a value."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical(value)).hexdigest()


def digests(values: Mapping[str, Any], salt: str | None, sealed: Sealed | None) -> dict[str, str]:
    """The digest of every value of a line, those forgotten included.

    Raises:
        KeyError: a value that has neither salt nor digest.
    """
    if sealed is None:
        if salt is None:
            raise KeyError("salt")
        return {field: digest_of(salt_of(salt, field), value) for field, value in values.items()}
    kept = {field: digest_of(sealed[field]["salt"], value) for field, value in values.items()}
    return kept | {field: parts["digest"] for field, parts in sealed.items() if "digest" in parts}


def forget(
    values: Mapping[str, Any], salt: str | None, sealed: Sealed | None, fields: Iterable[str]
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """A line without some of its values.

    Returns:
        The values that stay, and what takes the place of the line's salt.
    """
    gone = set(fields) & values.keys()
    kept = {field: value for field, value in values.items() if field not in gone}
    known = digests(values, salt, sealed)
    after: dict[str, dict[str, str]] = {}
    for field, digest in known.items():
        if field not in kept:
            after[field] = {"digest": digest}
        elif sealed is not None:
            after[field] = {"salt": sealed[field]["salt"]}
        else:
            assert salt is not None  # or `digests` would have refused
            after[field] = {"salt": salt_of(salt, field)}
    return kept, after


def link(content: Mapping[str, Any], before: str) -> str:
    """The hash of a line: its content and the hash of the line before."""
    return hashlib.sha256(canonical({**content, "prev": before})).hexdigest()


class Line(Protocol):
    """What a chain needs of its lines."""

    @property
    def seq(self) -> int:
        """From 1, without a gap."""

    @property
    def prev_hash(self) -> str:
        """Hash of the line before."""

    @property
    def hash(self) -> str:
        """Its own."""

    def computed(self, before: str) -> str:
        """What its hash must be."""


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold, and what is wrong there."""

    seq: int
    why: str  # missing | not_linked | changed


def first_break(lines: Iterable[Line], *, seq: int = 1, before: str = GENESIS) -> tuple[Break | None, int, str]:
    """Walk a chain.

    Args:
        lines: in order; may be a part of the chain.
        seq: number that the first one must have.
        before: hash of the line before the first one.

    Returns:
        The first break or None; the next sequence number; the last good hash.
    """
    for line in lines:
        if line.seq != seq:
            return Break(seq, "missing"), seq, before
        if line.prev_hash != before:
            return Break(seq, "not_linked"), seq, before
        if line.hash != line.computed(before):
            return Break(seq, "changed"), seq, before
        seq, before = seq + 1, line.hash
    return None, seq, before
