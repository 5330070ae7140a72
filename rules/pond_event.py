"""The sensor's own zero and the events of kind `ponding`: when it was wet, since when, and how deep at most.

`Course` carries both over a batch. `own` are the usable rows, which move the memory; all others see the state as of the
own row before them. One doubted reading that is newer than all before, the *hint*, is kept aside: when the next own
reading bears it out, the event began with it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER
from rules.frame import Frame
from rules.scan import Bools, Floats, Ints, every, some

DRIFT_EVERY_MS = 3_600_000
DRIFT_UP_M, DRIFT_UP_WET_M, DRIFT_DOWN_M = 0.001, 0.0001, 0.002
"""What the zero may move each hour [P]: up from a dry reading, up from a wet one, down."""
BLIND_MS = 6 * 3_600_000
"""Water that stood before a gap in the readings and stands after it is one event, if the gap is no longer [P]."""
BRIDGE_MS = 300_000
"""Wet readings so close together are one run; a run that never reached `believe_m` is the sensor's noise [P]."""
LONE_M, LONE_SHARE, LONE_PER_MIN = 0.02, 0.15, 0.03
"""A reading that stands out by more, and faster than water comes and goes, does not make the peak [P]."""


class Course:
    """One step: zero and event of each row."""

    def __init__(self, frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> None:
        self.frame, self.memory, self.slot = frame, memory, frame.slot
        self.chosen = settings[frame.setting[:1]] if _same(frame.setting) else settings[frame.setting]
        self.own = frame.usable.nonzero()[0]
        self.own_slot = frame.slot[self.own]
        self.first = scan.firsts(self.own_slot)
        self.ts = frame.ts[self.own]
        self.alone = every(self.first)
        before = np.cumsum(frame.usable) - 1
        at = np.maximum(before, 0)
        self.has = (before >= 0) & (self.own_slot[at] == frame.slot) if len(self.own) else np.zeros(len(at), np.bool_)
        self.at = at

    def of(self, name: str) -> npt.NDArray[Any]:
        """A setting at the own rows (or one for all)."""
        column = self.chosen[name]
        return column if len(column) == 1 else column[self.own]

    def all(self, name: str) -> npt.NDArray[Any]:
        """A setting at all rows, broadcast."""
        return np.broadcast_to(self.chosen[name], len(self.slot))

    def carried(self, name: str) -> npt.NDArray[Any]:
        """What memory holds, at the own rows."""
        return self.memory[name][self.own_slot]

    def seen(self, state: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
        """State of the own rows as every row of the frame sees it."""
        if len(self.own) == len(self.slot):
            return state
        kept = self.memory[name][self.slot]
        return np.where(self.has, state[self.at], kept) if len(state) else kept

    def newest(self, values: Ints, marked: Bools, carried: Ints) -> Ints:
        """Of the own rows: the value at the newest marked row, or what is carried."""
        if self.alone:
            return np.where(marked, values, carried)
        there = marked | self.first
        return np.where(marked, values, carried)[scan.marked_before(there)]

    # the sensor's zero

    def learn_zero(self) -> None:
        """Once an hour, from a reading close above it."""
        frame = self.frame
        base = self.carried("base").astype(np.float64)
        hour = self.ts // DRIFT_EVERY_MS
        known = scan.previous(hour, self.first, self.carried("hour").astype(np.int64))
        due = hour > known
        if some(due):
            value = frame.value[self.own]
            drift, wet = (np.broadcast_to(self.of(name), len(self.own)) for name in ("drift", "wet"))
            where = due.nonzero()[0]
            order = _number_within(self.own_slot[where])
            zero = self.memory["base"].astype(np.float64)[self.own_slot[where]]
            for turn in range(int(order.max()) + 1):
                rows = np.flatnonzero(order == turn)
                if turn:
                    zero[rows] = zero[rows - 1]
                off = value[where[rows]] - zero[rows]
                up = np.where(off < wet[where[rows]], DRIFT_UP_M, DRIFT_UP_WET_M)
                move = np.where(off < drift[where[rows]], np.clip(off, -DRIFT_DOWN_M, up), 0.0)
                zero[rows] = np.clip(zero[rows] + move, 0.0, drift[where[rows]])
            zero = zero.astype(np.float32).astype(np.float64)
            learnt = base.copy()
            learnt[where] = zero
            base = learnt[scan.marked_before(due | self.first)]
        self.hour, self.base_own = hour, base
        self.base = self.seen(base, "base").astype(np.float64)
        self.depth = frame.value - self.base
        own = self.depth[self.own]
        self.wetness = narrow(np.where(own < self.of("wet"), 0.0, own))

    # the event

    def follow_events(self) -> None:
        """Onset, newest wet reading and peak of the event that each own row belongs to."""
        self._keep_hints()
        depth, first = self.wetness, self.first
        before = scan.previous(depth, first, self.carried("depth").astype(np.float64))
        earlier = scan.previous(before, first, self.carried("depth_before").astype(np.float64))
        ts_before = scan.previous(self.ts, first, self.carried("ts"))
        wet, join, believe = self.of("wet"), self.of("join_ms"), self.of("believe")
        gap = self.ts - np.where(ts_before == NEVER, self.ts, ts_before)
        hint_at, hint = self.hint_at[self.own], self.hint[self.own]
        minutes = (self.ts - np.where(hint_at == NEVER, self.ts, hint_at)) / 60_000
        hinted = (
            (hint_at > ts_before)
            & (hint_at < self.ts)
            & (minutes * 60_000 <= np.maximum(join, self.of("window_ms") // 3))
        )
        hinted &= np.abs(hint - depth) <= LONE_M + LONE_PER_MIN * minutes
        starts = (depth >= believe) & ~(before >= believe)
        begun = np.where(hinted & (hint >= believe), hint_at, self.ts)
        self.since = self.newest(np.where(starts, begun, NEVER), starts, self.carried("since"))
        hinted &= hint >= wet
        goes_on = (depth >= wet) & (before >= wet) & (ts_before != NEVER) & (gap <= BLIND_MS)
        two = goes_on | ((depth >= wet) & hinted)
        begin = np.where(goes_on, ts_before, hint_at)
        self.two_at = self.newest(np.where(two, self.ts, NEVER), two, self.carried("two_at"))
        last = scan.previous(self.two_at, first, self.carried("two_at"))
        run = two & ((last == NEVER) | (begin - np.where(last == NEVER, 0, last) > BRIDGE_MS))
        self.run_at = self.newest(np.where(run, begin, NEVER), run, self.carried("run_at"))
        high = two & ((depth >= believe) | np.where(goes_on, before >= believe, hint >= believe))
        amount = high.astype(np.int64)
        carried = np.where(first & ~run, amount + self.carried("reached"), amount)
        self.reached = scan.sums_since(amount, run | first, carried) > 0
        pair = two & self.reached
        wet_at = self.newest(np.where(pair, self.ts, NEVER), pair, self.carried("wet_at"))
        known = scan.previous(wet_at, first, self.carried("wet_at"))
        begins = pair & ((known == NEVER) | (self.run_at - np.where(known == NEVER, 0, known) > join))
        onset = self.newest(np.where(begins, self.run_at, NEVER), begins, self.carried("onset"))
        # a reading that stands alone counts as the median of itself and its neighbours
        low, high = np.fmin(earlier, before), np.fmax(earlier, before)
        middle = np.fmax(low, np.fmin(high, depth))
        most = np.maximum(np.maximum(LONE_M, LONE_SHARE * np.abs(middle)), LONE_PER_MIN * gap / 60_000)
        height = np.where(np.isnan(before), -1.0, np.where(np.abs(before - middle) > most, middle, before))
        height = np.where(pair, np.fmax(height, np.fmin(before, depth)), -1.0)
        height = np.where(pair & hinted, np.fmax(height, hint), height)
        mark = begins | first
        step = np.round(np.clip(height, -1.0, 1000.0) * 1e5).astype(np.int64)
        held = np.round(self.carried("peak").astype(np.float64) * 1e5).astype(np.int64)
        step = np.where(first & ~begins, np.maximum(step, held), step)
        self.peak = (scan.maximum_since(step, mark) if not self.alone else step) / 1e5
        self.wet_at, self.onset, self.begins, self.mark = wet_at, onset, begins, mark
        self.before = before
        self.live = (wet_at != NEVER) & (self.ts - np.where(wet_at == NEVER, 0, wet_at) <= join)
        self.believed_before = first & ~begins & self.live & self.carried("believed")

    def _keep_hints(self) -> None:
        """The newest doubted reading that was newer than all before it, as every row sees it."""
        frame, memory = self.frame, self.memory
        kept_at, kept = memory["hint_at"][self.slot], memory["hint"][self.slot].astype(np.float64)
        self.hint_at, self.hint = kept_at, kept
        newer = frame.fresh & ~frame.usable & np.isfinite(self.depth)
        dry = frame.usable & (self.depth < self.all("wet"))
        if not some(newer) and not some((kept_at != NEVER) & dry):
            return
        index = scan.marked_before(newer | dry | frame.first)
        self.hint_at = np.where(newer, frame.ts, np.where(dry, NEVER, kept_at))[index]
        self.hint = np.where(newer, narrow(self.depth), kept)[index]

    def remember_hints(self) -> None:
        """Memory takes the hints."""
        last = scan.lasts(self.frame.first)
        self.memory["hint_at"][self.slot[last]] = self.hint_at[last]
        self.memory["hint"][self.slot[last]] = self.hint[last]
        self.memory["awake"][self.slot[last]] |= self.hint_at[last] != NEVER


def narrow(values: Floats) -> Floats:
    """To the seven digits that the memory keeps, so that it does not matter where a batch ends."""
    return values.astype(np.float32).astype(np.float64)


def _same(numbers: Ints) -> bool:
    return every(numbers == numbers[0])


def _number_within(slot: Ints) -> Ints:
    """0, 1, 2 … within each run of equal numbers."""
    first = scan.firsts(slot)
    return np.arange(len(slot)) - scan.marked_before(first)


def minutes_since(then: Ints, now: Ints) -> Floats:
    """Minutes; 0 where it never was."""
    return np.asarray(np.where(then == NEVER, 0.0, (now - np.where(then == NEVER, 0, then)) / 60_000))
