"""What of the wetness that kind `ponding` sees is believed to be water: shapes, and what they make of each row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import scan, water_shape
from rules.condition import NEVER
from rules.frame import Frame, Signal, fresh
from rules.pond_event import Course, minutes_since, narrow
from rules.scan import Bools, Floats, Ints, some
from rules.water_shape import Readings

STEP_PER_MIN, STEP_SHARE = 0.025, 0.6
STILL_M, STILL_SHARE, STILL_NOISE, STILL_MOST = 0.015, 0.04, 3.5, 0.1
STILL_READINGS, STILL_MIN = 3, 4.0
"""A level is still over so many readings since its step, or over two that are so far apart."""
NOISE_TIMES = 2.5
FAST_PER_MIN = 0.05
"""No water comes up deep in one step so fast: the model underpass takes a minute for 3.2 cm [X]."""
CHOPPY_MIN = 15.0
"""So long what falls and comes back as no water does is waited for, and no longer."""
LEAP_TIMES, LEAP_LEAST = 3, 4
"""One leap in three readings is no water; of so few one may be the step by which it came."""
KNOWN_READINGS, KNOWN_MIN = 8, 15.0
"""What must be known of the time before such a step to doubt it."""
RAIN_MM, RAIN_MM_H = 2.0, 2.0
"""Rain that makes shallow water likely, within the hour or now [P]."""
CLOUDBURST = 5.0
"""Five times as much makes a sudden deep one possible [P]."""
WITNESS_MS = 1_800_000


class Batch(Course):
    """One step: what is believed of each row."""

    still: Floats  # level of an object
    told_deep: Bools

    def look_at_shapes(self) -> None:
        """Windows are asked for only where it is wet and not yet believed."""
        known = np.zeros(len(self.slot), dtype=np.bool_)
        if self.alone:
            known[self.own] = self.believed_before
        rows = np.flatnonzero((self.depth >= self.all("believe")) & ~known)
        count = len(self.slot)
        self.shown, self.box, self.withheld, self.looked, self.shifted, self.moved = (
            np.zeros(count, np.bool_) for _ in range(6)
        )
        self.height = np.full(count, np.nan)  # median of the newest readings, where it was looked at
        self.tolerance = np.full(count, STILL_M)
        self.looked[rows] = True
        self.objects = False  # whether any may stand, of those looked at so far
        wetness, since = self.seen(self.wetness, "depth"), self.seen(self.since, "since")
        for begin in range(0, len(rows), water_shape.CHUNK):
            part = rows[begin : begin + water_shape.CHUNK]
            self._look(part, np.where(wetness[part] >= self.all("believe")[part], since[part], NEVER))

    def _look(self, rows: Ints, since: Ints) -> None:
        readings = self._readings(rows)
        stretch = water_shape.wet_stretch(readings, self.all("believe")[rows])
        persist = self.all("persist_min")[rows]
        witnessed, cloudburst = self._witnessed(rows)
        wanted = np.where(witnessed, 0.5, 1.0) * persist
        minutes = minutes_since(since, self.frame.ts[rows])
        steps = water_shape.Steps(readings)
        fallen = np.where(minutes < CHOPPY_MIN, np.minimum(minutes, steps.newest_fall()), minutes)
        leaping = (LEAP_TIMES * stretch.leaps >= stretch.readings) & (minutes < CHOPPY_MIN)
        noise = water_shape.noise(readings)
        calm = (stretch.median >= NOISE_TIMES * noise) & (~leaping | (stretch.readings < LEAP_LEAST))
        least = self.all("step")[rows]
        enough = _enough(readings, wanted, least)
        self.shown[rows] = (fallen >= wanted) & (stretch.readings >= enough) & (calm | (wanted == 0))
        step = steps.newest(least, STEP_PER_MIN, STEP_SHARE)
        height = _recent(readings)
        tolerance = np.maximum(np.minimum(STILL_NOISE * noise, STILL_MOST * height), STILL_SHARE * height)
        tolerance = np.maximum(STILL_M, tolerance)
        seen = (step.readings >= STILL_READINGS) | ((step.readings == STILL_READINGS - 1) & (step.age_min >= STILL_MIN))
        box = step.found & seen & (step.spread <= tolerance)
        self.box[rows], self.height[rows], self.tolerance[rows] = box, height, tolerance
        deep = np.flatnonzero(self.depth[rows] >= self.all("deep")[rows])
        if len(deep):
            fast = leaping | (fallen < np.minimum(minutes, persist)) | _jumps(readings, least, STEP_SHARE)
            fast |= steps.found(least, FAST_PER_MIN, STEP_SHARE)
            unclear = fast & ~cloudburst & ((fallen < persist) | leaping | box)
            self.withheld[rows[deep]] = unclear[deep] & _known_before(readings.only(deep), minutes[deep])
        # where an object stands, any step is another object, or the same one pushed
        self.objects = self.objects or some(box) or some(~np.isnan(self.memory["still"][self.slot[rows]]))
        if self.objects:
            shift = steps.newest(least, FAST_PER_MIN, 0.0)
            still = shift.found & (shift.spread <= tolerance)
            self.moved[rows] = still & (shift.readings >= STILL_READINGS)
            self.shifted[rows] = still | _jumps(readings, least, 0.0)

    def _readings(self, rows: Ints) -> Readings:
        """The depths of the window, the doubted reading that is kept aside in its place among them."""
        window = self.frame.window("level", rows)
        now, base = self.frame.ts[rows], self.base[rows]
        at, hint = self.hint_at[rows], self.hint[rows] + base
        there = (at != NEVER) & (at < now) & (at > now - self.all("window_ms")[rows])
        if some(there):
            window = water_shape.with_one_more(window, np.where(there, at, NEVER), np.where(there, hint, np.nan))
        readings = water_shape.packed(window, now)
        return readings._replace(value=readings.value - base[:, None])

    def _witnessed(self, rows: Ints) -> tuple[Bools, Bools]:
        """Where rain or a neighbour speaks for water, and where it rains in torrents."""
        frame, now = self.frame, self.frame.ts[rows]
        rate = fresh(*_at(frame.latest("rain_mm_h"), rows), now, WITNESS_MS)
        neighbour = fresh(*_at(frame.latest("neighbour"), rows), now, WITNESS_MS)
        told = (rate >= RAIN_MM_H) | (neighbour >= 2 * self.all("wet")[rows])
        torrent = rate >= CLOUDBURST * RAIN_MM_H
        total, at = _at(frame.latest("rain_mm"), rows)
        if some(np.isfinite(total)):
            window = frame.window("rain_mm", rows)
            lowest = np.where(np.isfinite(window.value), window.value, np.inf).min(axis=1)
            fallen = fresh(total, at, now, WITNESS_MS) - lowest
            told |= fallen >= RAIN_MM
            torrent |= fallen >= CLOUDBURST * RAIN_MM
        return np.asarray(told), np.asarray(torrent)

    # what is believed

    def believe(self) -> None:
        """The signal of each row."""
        own = self.own
        self._follow_objects()
        stands = ~np.isnan(self.still) & self.live
        shown = (self.shown[own] & ~stands & self.live).astype(np.int64)
        start = shown + self.believed_before
        self.believed = (scan.sums_since(shown, self.mark, np.where(self.mark, start, 0)) > 0) & self.live
        before = scan.previous(self.believed, self.first, self.carried("believed"))
        begins = self.believed & ~(before & ~self.begins)
        self.believed_at = self.newest(np.where(begins, self.ts, NEVER), begins, self.carried("believed_at"))
        stands &= ~self.believed
        self.still = np.where(stands, self.still, np.nan)
        deep = self.depth >= self.all("deep")
        self._follow_alarms(deep[own], stands)
        told = self.seen(self.told_deep, "told")
        believed = self.believed
        if len(own) < len(self.slot):
            at, after = self.seen(self.wet_at, "wet_at"), self.seen(self.believed_at, "believed_at")
            live = (at != NEVER) & (self.frame.ts - np.where(at == NEVER, 0, at) <= self.all("join_ms"))
            others = ~self.frame.usable
            stands = ~np.isnan(self.seen(self.still, "still")) & live | (self.box & others)
            shown_others = self.shown & ~stands & others
            believed = (self.seen(self.believed, "believed") & live & (self.frame.ts >= after)) | shown_others
        depth = self.depth
        level = np.where(self.box, self.height, self.seen(self.still, "still"))
        near = depth <= level + np.maximum(self.tolerance, 2 * STILL_SHARE * np.nan_to_num(level))
        stands = stands & (near | self.shifted)
        untold = (stands & ~told) | (self.withheld & ~believed)
        doubted = np.where(stands, np.minimum(depth, self.all("object")), depth)
        wet = believed & (depth >= self.all("wet"))
        self.doubt = deep & ~believed & ~stands & ~untold
        self.value = np.where(wet, depth, np.where(deep & ~untold, doubted, np.minimum(depth, 0.0)))

    def _follow_objects(self) -> None:
        """An object stays one until the level moves away from where it stood, slowly, or goes.

        One dry reading alone is no going. Once an hour its level is taken anew: a sensor drifts.
        """
        own, first = self.own, self.first
        box, height = self.box[own], self.height[own]
        mark = box | self.begins | first
        kept = np.where(self.begins, np.nan, self.carried("still").astype(np.float64))
        origin = np.where(box, True, ~np.isnan(kept))[scan.marked_before(mark)]
        hour = scan.previous(self.hour, first, self.carried("hour").astype(np.int64))
        anew = mark | self.moved[own] | (self.looked[own] & (self.hour > hour))
        level = np.where(box | (anew & self.looked[own] & ~first), height, kept)
        level = narrow(level[scan.marked_before(anew)])
        stood = scan.previous(level, first, kept)
        tolerance = np.maximum(self.tolerance[own], STILL_SHARE * np.nan_to_num(stood))
        believe = self.of("believe")
        dry = (self.depth[own] < believe) & (self.before < believe)
        away = np.where(self.looked[own], ~box & ~self.shifted[own] & ~(np.abs(height - stood) <= tolerance), dry)
        gone = scan.sums_since(away.astype(np.int64), mark, away.astype(np.int64)) > 0
        self.still = np.where(gone | ~origin, np.nan, level)

    def _follow_alarms(self, deep: Bools, stands: Bools) -> None:
        """Whether a deep level was told before anybody knew what it was, and has not gone since."""
        says = (deep & ~self.believed & ~stands & ~self.withheld[self.own]) | self.believed
        over = ~self.live & (self.depth[self.own] < self.of("wet"))
        mark = self.first | over
        amount = says.astype(np.int64)
        carried = np.where(self.first & ~over, amount + self.carried("told"), amount)
        self.told_deep = scan.sums_since(amount, mark, carried) > 0

    def told(self) -> Signal:
        """The signal with what is told of it."""
        states = {"onset": self.onset, "wet_at": self.wet_at, "peak": self.peak, "still": self.still}
        kept = {name: self.seen(state, name) for name, state in states.items()} | {"base": self.base}
        evidence = {name: evidence_of(name, self.depth, kept.__getitem__) for name in EVIDENCE}
        return Signal(self.value, evidence, self.doubt)

    def remember(self) -> None:
        """The memory moves on."""
        if not len(self.own):
            self.remember_hints()
            return
        last = scan.lasts(self.first)
        end, memory = self.own_slot[last], self.memory
        for name, state in (
            ("hour", self.hour),
            ("base", self.base_own),
            ("ts", self.ts),
            ("depth", self.wetness),
            ("depth_before", self.before),
            ("since", self.since),
            ("two_at", self.two_at),
            ("run_at", self.run_at),
            ("reached", self.reached),
            ("onset", self.onset),
            ("wet_at", self.wet_at),
            ("peak", self.peak),
            ("believed", self.believed),
            ("believed_at", self.believed_at),
            ("still", self.still),
            ("told", self.told_deep),
            ("awake", (self.wetness > 0) | (self.before > 0) | self.believed | ~np.isnan(self.still) | self.told_deep),
        ):
            memory[name][end] = state[last]
        self.remember_hints()


EVIDENCE = ("depth_m", "peak_m", "wet_s", "onset_ms", "zero_m", "object_m")


def evidence_of(name: str, depth: Floats, state: Callable[[str], npt.NDArray[Any]]) -> Floats:
    """One number of the evidence; of the event nothing before the first."""
    if name == "depth_m":
        return depth
    if name == "zero_m":
        return np.asarray(state("base").astype(np.float64))
    if name == "object_m":
        return np.nan_to_num(state("still").astype(np.float64))
    onset = state("onset")
    eventful = onset != NEVER
    if name == "peak_m":
        return np.where(eventful, np.round(state("peak").astype(np.float64), 5), np.nan)
    if name == "onset_ms":
        return np.where(eventful, onset, np.nan)
    return np.where(eventful, (state("wet_at") - np.where(eventful, onset, 0)) / 1000, np.nan)


def judge(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """Believed depth at each row; the memory moves on."""
    batch = Batch(frame, settings, memory)
    batch.learn_zero()
    batch.follow_events()
    batch.look_at_shapes()
    batch.believe()
    told = batch.told()
    batch.remember()
    return told


def _at(latest: tuple[Floats, Ints], rows: Ints) -> tuple[Floats, Ints]:
    return latest[0][rows], latest[1][rows]


def _known_before(readings: Readings, minutes: Floats) -> Bools:
    """The sensor was heard for a while before it became wet."""
    before = (readings.held & (readings.age_min > minutes[:, None])).sum(axis=1)
    oldest = np.where(readings.held, readings.age_min, 0.0).max(axis=1)
    return np.asarray((before >= KNOWN_READINGS) & (oldest - minutes >= KNOWN_MIN))


def _jumps(readings: Readings, least: Floats, share: float) -> Bools:
    """The newest reading came in one step from the one before it."""
    value, age = readings.value[:, -2:], readings.age_min[:, -2:]
    jump = np.abs(value[:, 1] - value[:, 0])
    minutes = np.where(readings.held[:, -2], age[:, 0] - age[:, 1], np.inf)
    return np.asarray((jump >= least) & (jump >= FAST_PER_MIN * minutes) & (jump >= share * value[:, 1]))


def _enough(readings: Readings, minutes: Floats, least: Floats) -> Ints:
    """How many readings `minutes` should bring at the pace of the newest three, less one that may be dry: 2 … 4.

    Two readings of a slow device that are high and the same have not shown the shape of water yet.
    """
    age = readings.age_min[:, -3]
    pace = np.where(np.isfinite(age), np.maximum(age / 2, 1e-3), np.inf)
    enough = np.clip(np.floor(minutes / pace), 2, 4).astype(np.int64)
    newest, before = readings.value[:, -1], readings.value[:, -2]
    still = (np.abs(newest - before) <= STILL_M) & (newest >= least)
    return np.where((pace > minutes) & (minutes > 0) & still, 3, enough)


def _recent(readings: Readings, minutes: float = 5.0, least: int = 3) -> Floats:
    """Median of the readings of the last minutes, or of the newest few."""
    width = readings.value.shape[1]
    near = readings.held & ((readings.age_min <= minutes) | (np.arange(width) >= width - least)[None, :])
    order = np.sort(np.where(near, readings.value, np.inf), axis=1)
    number = near.sum(axis=1)
    low = order[np.arange(len(order)), np.maximum((number - 1) // 2, 0)]
    high = order[np.arange(len(order)), np.maximum(number // 2, 0)]
    return np.asarray((low + high) / 2)
