"""The last few numbers that each slot kept, seen from every row of a batch: what a median needs, without a loop.

A kind keeps `places` numbers of a slot in its memory, oldest first and NaN where there is none. `after` lines up, for
each slot, what was kept before the batch and what the batch keeps; `before` then reads the newest of them as of any
row.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.frame import Frame
from rules.scan import Bools, Floats, Ints, every, some


class Recent(NamedTuple):
    """Kept numbers of all slots in one row, slot after slot."""

    number: Floats
    end: Ints  # by row: place after the newest that was kept before the row
    last: Ints  # by slot: place after the newest of all
    places: int

    def before(self, rows: Ints, count: int) -> Floats:
        """The newest `count` that were kept before some rows, oldest first."""
        return np.asarray(self.number[self.end[rows][:, None] - np.arange(count, 0, -1)])

    def carried(self) -> Floats:
        """What each slot keeps after the batch."""
        return np.asarray(self.number[self.last[:, None] - np.arange(self.places, 0, -1)])


def after(kept: Floats, first: Bools, keep: Bools, number: Floats, forget: Bools | None = None) -> Recent:
    """Line up what is kept.

    Args:
        kept: from the batch before, a line for each slot; empty places are NaN.
        first: a slot begins, by row.
        keep: the row keeps its number.
        number: by row.
        forget: nothing from before this row counts at it or later.
    """
    slots, places = kept.shape
    segment = np.cumsum(first) - 1
    so_far: Ints = np.cumsum(keep) - keep  # before the row, in all slots
    own: Ints = so_far - so_far[first][segment]
    if forget is not None and some(forget):
        return _with_breaks(kept, first, keep, number, forget)
    total = np.add.reduceat(keep.astype(np.int64), first.nonzero()[0]) if slots else np.zeros(0, dtype=np.int64)
    length = places + total
    start = np.cumsum(length) - length
    line = np.empty(int(length.sum()))
    line[(start[:, None] + np.arange(places)).ravel()] = kept.ravel()
    end = start[segment] + places + own
    line[end[keep]] = number[keep]
    return Recent(line, end, start + length, places)


def _with_breaks(kept: Floats, first: Bools, keep: Bools, number: Floats, forget: Bools) -> Recent:
    """As if a new slot, that kept nothing, began at each row that forgets; `last` stays a line for each slot."""
    begins = first | forget
    fresh = np.full((int(begins.sum()), kept.shape[1]), np.nan)
    is_slot = first[begins]
    gone = forget[begins]
    fresh[is_slot & ~gone] = kept[~gone[is_slot]]
    inner = after(fresh, begins, keep, number)
    ends = np.flatnonzero(scan.lasts(is_slot))
    return inner._replace(last=inner.last[ends])


def median(numbers: Floats, least: int | Ints = 1) -> Floats:
    """Median of each line without its NaN; NaN where fewer than `least` are left."""
    ordered = np.sort(numbers, axis=1)  # NaN last
    count = (~np.isnan(numbers)).sum(axis=1)
    line = np.arange(len(numbers))
    low = ordered[line, np.maximum(count - 1, 0) // 2]
    high = ordered[line, np.minimum(count // 2, numbers.shape[1] - 1)]
    return np.where(count >= least, (low + high) / 2, np.nan)


def behind(frame: Frame, newest: Ints) -> tuple[Bools, Ints]:
    """Rows that are no newer than the newest sound one before them: late, or come again.

    Args:
        frame: the rows.
        newest: event time of the newest sound row of each slot before the batch, NEVER where there is none.

    Returns:
        By row whether it is behind; by slot the newest after the batch.
    """
    if not len(frame.ts):
        return np.zeros(0, dtype=np.bool_), newest
    if every(frame.first):
        return (frame.ts <= newest) & ~frame.usable, np.where(frame.usable, np.maximum(frame.ts, newest), newest)
    segment = np.cumsum(frame.first) - 1
    floor = int(frame.ts.min()) - 1
    known = np.maximum(newest, floor)
    times = np.where(frame.usable, frame.ts, floor)
    reached = scan.maximum_since(np.where(frame.first, np.maximum(times, known[segment]), times), frame.first)
    before = scan.previous(reached, frame.first, known[segment])
    end = reached[scan.lasts(frame.first)]
    return (frame.ts <= before) & ~frame.usable, np.where(end > floor, end, newest)


def stale(frame: Frame, memory: npt.NDArray[Any]) -> Bools:
    """As `behind`, of a kind whose memory has a field `newest`, which moves on; a forecast from the past is stale."""
    if every(frame.usable):  # and so each newer than all before
        last = scan.lasts(frame.first)
        memory["newest"][frame.slot[last]] = frame.ts[last]
        return np.zeros(len(frame.ts), dtype=np.bool_)
    heads = frame.slot[frame.first]
    late, memory["newest"][heads] = behind(frame, memory["newest"][heads])
    return late
