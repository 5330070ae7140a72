"""Kept readings of one input over its window: one, the first, of each part, by line of a rule kind.

Values are kept to seven digits. A reading lies at its part of time modulo what is kept, so that nothing is ever moved;
of its time only what it is past the begin of its part is kept, and parts that nobody spoke in are empty (NaN).
`keep` takes readings in, `as_of_now` and `Course` give them back oldest first: the one where each line is asked once,
the other where a burst asks for what was kept at each of its rows.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER
from rules.frame import Window
from rules.pick import Pick
from rules.scan import Bools, Floats, Ints, every, roomy, some

NO_RING, NO_PART = 2**62, -(2**31)
"""Stand for the newest part where there is no ring (nothing is ever newer), and where nothing is kept yet."""
SHORT_MS = 2**16
"""Longer parts need more bytes for a place in them."""
SPARE = 2
"""A ring keeps so many parts more than its window has."""
COUNT = np.dtype("<i4")


class Rings:
    """Rings by line; a line whose rule does not look back at this input has none."""

    def __init__(self) -> None:
        self.width = 0
        self.window = np.zeros(0, dtype=np.int32)  # ms; 0 = no ring
        self.part = np.ones(0, dtype=np.int32)  # ms
        self.kept = np.zeros(0, dtype=np.int16)  # places of the ring
        self.newest = np.zeros(0, dtype=np.int64)  # number of the newest part
        self.offset: npt.NDArray[np.uint16 | np.int32] = np.zeros(
            (0, 0), dtype=np.uint16
        )  # ms past the begin of its part
        self.value = np.zeros((0, 0), dtype=np.float32)

    def admit(self, line: int | Ints, lines: int, window_ms: int, parts: int) -> None:
        """A ring that keeps nothing yet, for one (or several) of so many lines; `window_ms` 0: none."""
        kept = parts + SPARE if window_ms else 0
        if not kept and not self.width:
            return
        if kept > self.width:
            wide = len(self.window), kept
            offset, value = np.zeros(wide, dtype=self.offset.dtype), np.full(wide, np.nan, dtype=np.float32)
            offset[:, : self.width], value[:, : self.width] = self.offset, self.value
            self.width, self.offset, self.value = kept, offset, value
        self.window, self.part = roomy(self.window, lines, 0), roomy(self.part, lines, 1)
        self.kept, self.newest = roomy(self.kept, lines, 0), roomy(self.newest, lines, NO_RING)
        self.offset, self.value = roomy(self.offset, lines, 0), roomy(self.value, lines, np.nan)
        self.window[line], self.kept[line], self.newest[line] = window_ms, kept, NO_PART if kept else NO_RING
        part = max(window_ms // parts, 1)
        if part > SHORT_MS and self.offset.dtype != np.int32:
            self.offset = self.offset.astype(np.int32)
        self.part[line] = part
        self.value[line] = np.nan

    def firsts(self, line: Ints, ts: Ints, first: Bools | None = None, pick: Pick | None = None) -> Bools:
        """Which readings are the first of a part newer than what is kept; lines without a ring keep nothing.

        Args:
            line: of each reading.
            ts: in order of time in a line.
            first: where a line begins, if lines stand more than once (sorted then).
            pick: the lines, where they are known for long.
        """
        newest, part = (
            (self.newest[line], self.part[line]) if pick is None else (pick.of(self.newest), pick.of(self.part))
        )
        if first is None:
            return np.asarray(ts >= (newest + 1) * part)
        bucket = ts // part
        anew = first.copy()
        anew[1:] |= bucket[1:] != bucket[:-1]
        return np.asarray(anew & (bucket > newest))

    def keep(self, line: Ints, ts: Ints, value: Floats) -> None:
        """Take readings in: of each line in order of time, at most one of a part, together."""
        part = self.part[line]
        bucket = ts // part
        if some(bucket - self.newest[line] > 1):
            stay = self._empty(line, bucket)
            if not every(stay):
                line, ts, value, part, bucket = line[stay], ts[stay], value[stay], part[stay], bucket[stay]
        place = line * self.width + bucket % self.kept[line]
        self.offset.reshape(-1)[place], self.value.reshape(-1)[place] = ts - bucket * part, value
        self.newest[line] = bucket

    def _empty(self, line: Ints, bucket: Ints) -> Bools:
        """Parts that pass without a reading hold nothing; which of the readings that come are kept to the end."""
        first = scan.firsts(line)
        last = np.flatnonzero(scan.lasts(first))
        newest = bucket[last][np.cumsum(first) - 1]
        ends, kept = line[last], self.kept[line[last]].astype(np.int64)
        passed = np.minimum(bucket[last] - self.newest[ends], kept)
        row, age = scan.spread(passed)
        self.value[ends[row], (bucket[last][row] - age) % kept[row]] = np.nan
        return np.asarray(bucket > newest - self.kept[line])

    def held(self, line: Ints) -> tuple[Ints, Floats, Bools]:
        """What rings hold, oldest first and the newest in the last column, and which places hold something."""
        kept, newest = self.kept[line], self.newest[line]
        age = np.arange(self.width - 1, -1, -1)
        place = (newest % np.maximum(kept, 1))[:, None] - age
        place += kept[:, None] * (place < 0)
        there = age < kept[:, None]
        place = np.where(there, place, 0)
        value = np.take_along_axis(self.value[line], place, axis=1).astype(np.float64)
        there &= ~np.isnan(value)
        ts = (newest[:, None] - age) * self.part[line][:, None] + np.take_along_axis(self.offset[line], place, axis=1)
        return np.where(there, ts, NEVER), value, there

    def as_of_now(self, line: Ints, now: Ints, before: Ints) -> Window:
        """What rings hold of each line's window; nothing from `before` on."""
        ts, value, there = self.held(line)
        there &= (ts >= (now - self.window[line])[:, None]) & (ts < before[:, None])
        return Window(np.where(there, ts, NEVER), np.where(there, value, np.nan))

    def pack_many(self, line: Ints) -> list[bytes]:
        """Rings, each for itself, for export: how many readings, their times, their values; oldest first."""
        ts, value, there = self.held(line)
        count = there.sum(axis=1)
        packed = [b""] * len(line)
        for each in sorted(set(count.tolist())):
            where = (count == each).nonzero()[0]
            held = there[where]
            rows = np.zeros(len(where), dtype=_packed(each))
            rows["count"] = each
            rows["ts"], rows["value"] = (
                ts[where][held].reshape(len(where), each),
                value[where][held].reshape(len(where), each),
            )
            for place, row in zip(where.tolist(), scan.cut(rows), strict=True):
                packed[place] = row
        return packed

    def unpack_many(self, line: Ints, raw: npt.NDArray[np.uint8], count: int) -> int:
        """Take what `pack_many` gave of `count` readings, at the beginning of rows of bytes, unless newer is kept.

        Returns:
            How many bytes of each row it was.

        Raises:
            ValueError: the rows are too short.
        """
        dtype = _packed(count)
        rows = raw[:, : dtype.itemsize].copy().view(dtype)[:, 0]
        if count and self.width:
            newer = (self.kept[line] > 0) & (rows["ts"][:, -1] // self.part[line] > self.newest[line])
            line, rows = line[newer], rows[newer]
            self.value[line] = np.nan
            if len(line):
                value = rows["value"].astype(np.float64)
                self.keep(np.repeat(line, count), rows["ts"].ravel(), value.ravel())
        return dtype.itemsize

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """For counting their bytes."""
        return {name: each for name, each in vars(self).items() if isinstance(each, np.ndarray)}


def _packed(count: int) -> "np.dtype[np.void]":
    return np.dtype([("count", COUNT), ("ts", "<i8", (count,)), ("value", "<f4", (count,))])


class Added(NamedTuple):
    """Readings that a batch adds to an input."""

    line: Ints
    place: Ints  # in the batch
    message: Ints  # place of the end of the message it came in
    ts: Ints
    value: Floats
    pick: Pick | None = None  # the lines, where they are known for long

    def only(self, keep: Bools | Ints) -> "Added":
        """Some of them."""
        return Added(self.line[keep], self.place[keep], self.message[keep], self.ts[keep], self.value[keep])


@dataclass(slots=True)
class Course:
    """What rings held at each row of a batch: what they hold before it, then what it adds, a stretch for each line."""

    rings: Rings
    lines: Ints  # the lines asked, sorted
    start: Ints  # of each line's stretch
    key: Ints  # by line and place, sorted
    ts: Ints
    value: Floats
    width: int  # of a line in `key`

    @classmethod
    def of(cls, rings: Rings, lines: Ints, added: Added, most: int) -> "Course":
        """The course of some lines.

        Args:
            rings: not moved on yet.
            lines: sorted, each once.
            added: what will be kept, in order of time, of these lines and others.
            most: places in the batch are below this.
        """
        old_ts, old_value, there = rings.held(lines)
        number = np.minimum(np.searchsorted(lines, added.line), len(lines) - 1)
        mine = lines[number] == added.line
        added, number = added.only(mine), number[mine]
        held = there.sum(axis=1)
        line = np.concatenate((np.repeat(np.arange(len(lines)), held), number))
        key = np.concatenate((np.zeros(int(held.sum()), dtype=np.int64), added.place + 1)) + line * (most + 2)
        order = np.argsort(key, kind="stable")
        return cls(
            rings=rings,
            lines=lines,
            start=np.searchsorted(key[order], np.arange(len(lines)) * (most + 2)),
            key=key[order],
            ts=np.concatenate((old_ts[there], added.ts))[order],
            value=np.concatenate((old_value[there], added.value.astype(np.float32).astype(np.float64)))[order],
            width=most + 2,
        )

    def window(self, line: Ints, place: Ints, now: Ints, before: Ints) -> Window:
        """What was kept of each row's window before its place in the batch; nothing from `before` on."""
        rings, wide = self.rings, self.rings.width
        number = np.searchsorted(self.lines, line)
        end = np.searchsorted(self.key, number * self.width + place + 1)
        start = self.start[number]
        index = end[:, None] + np.arange(-wide, 0)
        there = index >= start[:, None]
        index = np.where(there, index, 0)
        if not len(self.ts):
            return Window(np.full(index.shape, NEVER), np.full(index.shape, np.nan))
        ts, value = self.ts[index], self.value[index]
        newest = np.where(end > start, self.ts[np.maximum(end - 1, 0)] // rings.part[line], 0)
        oldest = np.maximum(now - rings.window[line], (newest - rings.kept[line] + 1) * rings.part[line])
        there &= (ts >= oldest[:, None]) & (ts < before[:, None])
        return Window(np.where(there, ts, NEVER), np.where(there, value, np.nan))


def in_order(ts: Ints, first: Bools, newest: Ints) -> Bools:
    """Which of some readings, sorted by line, are not older than any before; `newest` by line, as carried."""
    floor = np.where(newest == NEVER, int(ts.min()) if len(ts) else 0, newest)
    times = np.where(first, np.maximum(ts, floor), ts)
    return np.asarray(ts >= scan.maximum_since(times, first))
