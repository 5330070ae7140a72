"""The timeline's hash chain: each entry's hash covers its content and the hash of the entry before. Pure.

What was said and who said it are covered by salted digests (`cloud/audit/chain.py`): a personal value can be
forgotten later, and the chain still verifies. Entries from before that (no salt) are covered as they stand.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from cloud.audit import chain

GENESIS = chain.GENESIS


class Entry(Protocol):
    """What the chain covers."""

    incident_id: str
    seq: int
    kind: str
    at: datetime
    occurred_at: datetime | None
    actor: dict[str, Any]
    params: dict[str, Any]
    exercise: str | None
    salt: str | None
    sealed: dict[str, Any] | None
    prev_hash: str
    hash: str


def _instant(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if value else None


def values_of(entry: Entry) -> dict[str, Any]:
    """The values of an entry that can be forgotten, by field (`actor.name`, `params.text`)."""
    said = {f"params.{key}": value for key, value in entry.params.items()}
    return said | {f"actor.{key}": value for key, value in entry.actor.items()}


def entry_hash(entry: Entry, prev_hash: str) -> str:
    """SHA-256 over canonical JSON: sorted keys, no spaces, UTF-8, instants in UTC with microseconds.

    Raises:
        KeyError: a value lost its salt.
    """
    content: dict[str, Any] = {
        "incident": entry.incident_id,
        "seq": entry.seq,
        "kind": entry.kind,
        "at": _instant(entry.at),
        "occurred_at": _instant(entry.occurred_at),
        "exercise": entry.exercise,
        "prev": prev_hash,
    }
    if entry.salt is None and entry.sealed is None:
        content |= {"actor": entry.actor, "params": entry.params}
    else:
        content["values"] = chain.digests(values_of(entry), entry.salt, entry.sealed)
    return hashlib.sha256(chain.canonical(content)).hexdigest()


def forget(entry: Entry, fields: Iterable[str]) -> list[str]:
    """Forget values of an entry, their salts with them; the fields that went.

    Raises:
        ValueError: an entry from before values had salts.
    """
    before = values_of(entry)
    gone = sorted(set(fields) & before.keys())
    if not gone:
        return []
    if entry.salt is None and entry.sealed is None:
        raise ValueError("this line was written before values had salts: without its values its chain breaks")
    kept, entry.sealed = chain.forget(before, entry.salt, entry.sealed, gone)
    entry.salt = None
    entry.actor = {key: value for key, value in entry.actor.items() if f"actor.{key}" in kept}
    entry.params = {key: value for key, value in entry.params.items() if f"params.{key}" in kept}
    return gone


def forgotten(sealed: Mapping[str, Any] | None) -> list[str]:
    """The fields of an entry that were forgotten."""
    return sorted(field for field, parts in (sealed or {}).items() if "digest" in parts)


def first_break(entries: Iterable[Entry]) -> int | None:
    """The first sequence number at which the chain does not hold (a gap, a change, a deletion); None if it holds."""
    previous, expected = GENESIS, 1
    for entry in entries:
        if entry.seq != expected or entry.prev_hash != previous or not _holds(entry, previous):
            return expected
        previous, expected = entry.hash, expected + 1
    return None


def _holds(entry: Entry, previous: str) -> bool:
    try:
        return entry.hash == entry_hash(entry, previous)
    except (KeyError, ValueError):  # a salt is missing or is none
        return False


def lag_s(at: datetime, occurred_at: datetime | None) -> float | None:
    """Seconds between what a device says and when the server wrote it down."""
    return round((at - occurred_at).total_seconds(), 3) if occurred_at else None
