"""Which messages were taken already: keys of the newest ones, kept in memory and, batch by batch, in the journal."""

import struct
import zlib
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np

KEPT = 65_536
"""Messages among which a repeat is recognised. A broker's redelivery (after a kill, a lost connection) lies within its
in-flight window (4,096 by default), a device's own resending within minutes."""

_MASK = (1 << 64) - 1


def row_key(device: str, exercise: str | None) -> int:
    """A lasting number for a device (in an exercise)."""
    return int.from_bytes(blake2b(f"{exercise or ''}\0{device}".encode(), digest_size=8).digest(), "big")


def message_key(row: int, boot: str | None, seq: int | None, ts: int | None, payload: bytes) -> int | None:
    """What makes a message the same as another; None: it can't be told.

    With a `boot` id the sequence number is enough. Without one a restarted device counts from the beginning again,
    so the instant counts too, and a number quite alone is to be believed only when the transport says DUP. A `ts`
    alone may be shared by several messages of one device, so their content counts.
    """
    if seq is not None:
        if boot is not None:
            return _hash(row, 1, zlib.crc32(boot.encode()), seq)
        return _hash(row, 2, ts, seq) if ts is not None else _hash(row, 3, zlib.crc32(payload), seq)
    if ts is not None:
        return _hash(row, 4, ts, zlib.crc32(payload))
    return None


_PACK = struct.Struct("<QBQQ").pack


def _hash(row: int, kind: int, first: int, second: int) -> int:
    """64 bits, stable over processes and versions (unlike `hash`)."""
    packed = _PACK(row, kind, first & _MASK, second & _MASK)
    return int.from_bytes(blake2b(packed, digest_size=8).digest(), "big")


class _Sent(Protocol):
    @property
    def payload(self) -> bytes: ...


class _Of(Protocol):
    key: int


class _Said(Protocol):
    ts: int | None
    seq: int | None
    boot: str | None


def message_keys(messages: "Iterable[tuple[_Sent, _Of, _Said]]") -> list[int]:
    """`message_key` of messages that have a `ts`, in one go: payload, row and what was decoded of each."""
    digests = []
    for sent, row, said in messages:
        seq, boot, ts = said.seq, said.boot, said.ts
        if seq is None:
            packed = _PACK(row.key, 4, ts & _MASK, zlib.crc32(sent.payload))  # type: ignore[operator]
        elif boot is None:
            packed = _PACK(row.key, 2, ts & _MASK, seq & _MASK)  # type: ignore[operator]
        else:
            packed = _PACK(row.key, 1, zlib.crc32(boot.encode()), seq & _MASK)
        digests.append(blake2b(packed, digest_size=8).digest())
    return np.frombuffer(b"".join(digests), dtype=">u8").tolist()  # type: ignore[no-any-return]


class Accepted:
    """The keys of the newest messages; the oldest are forgotten beyond `kept`."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._order: deque[int] = deque()
        self._known: set[int] = set()
        self._fresh = array("Q")

    def restore(self, rows: Iterable[bytes]) -> None:
        """Take up what the journal kept, oldest first."""
        for row in rows:
            keys = array("Q")
            keys.frombytes(row)
            for key in keys:
                self._remember(key)

    def add(self, key: int) -> bool:
        """Remember a key; False when it was known."""
        if key in self._known:
            return False
        self._remember(key)
        self._fresh.append(key)
        return True

    def add_all(self, keys: Sequence[int]) -> list[bool] | None:
        """Remember keys, in order; None when all are new, else which were known."""
        fresh = set(keys)
        if len(fresh) < len(keys) or not self._known.isdisjoint(fresh):
            return [not self.add(key) for key in keys]
        self._known |= fresh
        self._order.extend(keys)
        self._fresh.extend(keys)
        over = len(self._order) - self._kept
        if over > 0:
            self._known.difference_update([self._order.popleft() for _ in range(over)])
        return None

    def take(self) -> bytes:
        """Keys added since the last call, for the journal."""
        fresh, self._fresh = self._fresh, array("Q")
        return fresh.tobytes()

    def withdraw(self, taken: bytes) -> None:
        """Forget keys again: `taken`, and those added since; their messages could not be judged and come once more."""
        keys, self._fresh = self._fresh, array("Q")
        keys.frombytes(taken)
        gone = set(keys)
        self._known -= gone
        self._order = deque(key for key in self._order if key not in gone)

    def _remember(self, key: int) -> None:
        self._known.add(key)
        self._order.append(key)
        if len(self._order) > self._kept:
            self._known.discard(self._order.popleft())
