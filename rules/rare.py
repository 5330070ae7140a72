"""Rules that look at one reading in so many minutes, however often the device speaks: what changes within weeks.

A rule kind with `EVERY_S` takes the first counted reading of each stretch of that length (of event time, from the
epoch); the others pass by before anything is worked out for them. What was looked at last is the newest time of the
rule's state, so nothing more is remembered, and it does not matter how a stream is cut.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.columns import Columns
from rules.condition import NEVER
from rules.scan import Bools, Ints

_NOBODY = 2**62


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

    def due(self, columns: Columns, index: Ints, channel: npt.NDArray[np.int32], newest: Ints) -> tuple[Ints, Ints]:
        """The readings that are looked at, and the slots that do so.

        Args:
            columns: the batch.
            index: readings of known channels.
            channel: theirs.
            newest: event time of the newest reading that was looked at, by slot.
        """
        rows, slots = zip(*(each.due(columns, index, channel, newest) for each in self._layers), strict=True)
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

    def due(self, columns: Columns, index: Ints, channel: npt.NDArray[np.int32], newest: Ints) -> tuple[Ints, Ints]:
        whole = len(index) == len(columns.ts)
        ts = columns.ts if whole else columns.ts[index]
        at = (ts >= self._next[channel]).nonzero()[0]
        if len(at):
            at = at[self._counts(columns, index[at])]
        if not len(at):
            return at, at
        slot: Ints = self._slot[channel[at]].astype(np.int64)
        order = np.argsort(slot, kind="stable")
        at, slot = at[order], slot[order]
        of = channel[at]
        every, known = self._every[of].astype(np.int64), newest[slot]
        stretch = ts[at] // every
        first = scan.firsts(slot)
        low = int(stretch.min()) - 1
        carried = np.where(known == NEVER, low, np.maximum(known // every, low))
        before = scan.previous(stretch, first, carried)
        reached = scan.maximum_since(np.where(first, carried, before), first)
        last = scan.lasts(first)
        self._next[of[last]] = (np.maximum(reached, stretch)[last] + 1) * every[last]
        fresh = stretch > reached
        return index[at[fresh]], slot[fresh]

    @staticmethod
    def _counts(columns: Columns, rows: Ints) -> Bools:
        return np.asarray(columns.counted[rows] & np.isfinite(columns.value[rows]))
