"""The timeline's hash chain: each entry's hash covers its content and the hash of the entry before. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

GENESIS = "0" * 64


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
    prev_hash: str
    hash: str


def _instant(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if value else None


def entry_hash(entry: Entry, prev_hash: str) -> str:
    """SHA-256 over canonical JSON: sorted keys, no spaces, UTF-8, instants in UTC with microseconds."""
    content: Mapping[str, Any] = {
        "incident": entry.incident_id,
        "seq": entry.seq,
        "kind": entry.kind,
        "at": _instant(entry.at),
        "occurred_at": _instant(entry.occurred_at),
        "actor": entry.actor,
        "params": entry.params,
        "exercise": entry.exercise,
        "prev": prev_hash,
    }
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def first_break(entries: Iterable[Entry]) -> int | None:
    """The first sequence number at which the chain does not hold (a gap, a change, a deletion); None if it holds."""
    previous, expected = GENESIS, 1
    for entry in entries:
        if entry.seq != expected or entry.prev_hash != previous or entry.hash != entry_hash(entry, previous):
            return expected
        previous, expected = entry.hash, expected + 1
    return None


def lag_s(at: datetime, occurred_at: datetime | None) -> float | None:
    """Seconds between what a device says and when the server wrote it down."""
    return round((at - occurred_at).total_seconds(), 3) if occurred_at else None
