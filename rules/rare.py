"""Rules that look at one reading in so many minutes, however often the device speaks: what changes within weeks.

A rule kind with `EVERY_S` takes the first counted reading of each stretch of that length (of event time, from the
epoch); the others pass by before anything is worked out for them. What was looked at last is the newest time of the
rule's state, so nothing more is remembered, and it does not matter how a stream is cut.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.columns import Columns
from rules.condition import NEVER
from rules.pick import Pick
from rules.scan import Bools, Ints, some

_NOBODY = 2**62
_NONE = np.zeros(0, dtype=np.int64)


class Asked(NamedTuple):
    """Readings of a batch that rare rules of one layer may look at."""

    row: Pick
    channel: Pick


class Rare:
    """The rare rules of a table, by channel."""

    def __init__(self, channels: int, targets: Iterable[tuple[int, int, int]]) -> None:
        """Targets are (channel, slot, every so many ms)."""
        self._layers: list[_Layer] = []
        used: dict[int, int] = {}
        for channel, slot, every_ms in targets:
            number = used.get(channel, 0)
            used[channel] = number + 1
            if number == len(self._layers):
                self._layers.append(_Layer(channels))
            self._layers[number].put(channel, slot, every_ms)

    def layers(self, index: Ints, channel: npt.NDArray[np.int32]) -> "list[Asked]":
        """Of a batch, the readings that rare rules may look at.

        Args:
            index: readings of known channels.
            channel: theirs.
        """
        return [each.asked(index, channel) for each in self._layers]

    def due(self, columns: Columns, asked: "list[Asked]", newest: Ints) -> tuple[Ints, Ints]:
        """The readings that are looked at, and the slots that do so.

        Args:
            columns: the batch.
            asked: what `layers` gave for it.
            newest: event time of the newest reading that was looked at, by slot.
        """
        found = [each.due(columns, of, newest) for each, of in zip(self._layers, asked, strict=True)]
        rows, slots = zip(*found, strict=True)
        return (rows[0], slots[0]) if len(rows) == 1 else (np.concatenate(rows), np.concatenate(slots))

    def bytes(self) -> int:
        """Memory of all arrays."""
        return sum(each.nbytes for layer in self._layers for each in vars(layer).values())


class _Layer:
    """One rare rule of each channel."""

    def __init__(self, channels: int) -> None:
        self._slot = np.full(channels, -1, dtype=np.int32)
        self._every = np.ones(channels, dtype=np.int32)
        self._next = np.full(channels, _NOBODY, dtype=np.int64)  # what is older passes by on one comparison

    def put(self, channel: int, slot: int, every_ms: int) -> None:
        self._slot[channel], self._every[channel], self._next[channel] = slot, every_ms, NEVER

    def asked(self, index: Ints, channel: npt.NDArray[np.int32]) -> "Asked":
        has = (self._slot[channel] >= 0).nonzero()[0]
        return Asked(Pick(index[has]), Pick(channel[has].astype(np.int64)))

    def due(self, columns: Columns, asked: "Asked", newest: Ints) -> tuple[Ints, Ints]:
        is_due = asked.row.of(columns.ts) >= asked.channel.of(self._next)
        if not some(is_due):
            return _NONE, _NONE
        row, channel = asked.row.numbers[is_due], asked.channel.numbers[is_due]
        counts = self._counts(columns, row)
        row, channel = row[counts], channel[counts]
        if not len(row):
            return _NONE, _NONE
        slot: Ints = self._slot[channel].astype(np.int64)
        order = np.argsort(slot, kind="stable")
        row, slot, channel = row[order], slot[order], channel[order]
        every, known = self._every[channel].astype(np.int64), newest[slot]
        stretch = columns.ts[row] // every
        first = scan.firsts(slot)
        low = int(stretch.min()) - 1
        carried = np.where(known == NEVER, low, np.maximum(known // every, low))
        before = scan.previous(stretch, first, carried)
        reached = scan.maximum_since(np.where(first, carried, before), first)
        last = scan.lasts(first)
        self._next[channel[last]] = (np.maximum(reached, stretch)[last] + 1) * every[last]
        fresh = stretch > reached
        return row[fresh], slot[fresh]

    @staticmethod
    def _counts(columns: Columns, rows: Ints) -> Bools:
        return np.asarray(columns.counted[rows] & np.isfinite(columns.value[rows]))
