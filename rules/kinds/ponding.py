"""Kind `ponding`: water on a street, in an underpass, at a basement door – and not what else a sensor sees there.

The signal is the depth in metres that is believed: d = z - b where it is believed and at least `wet_m`, else 0; levels
compare it as those of kind `level` do. What decides is the physics of water: it rises and drains over several
readings, it stays for minutes, and it cannot come up or vanish between two readings.

- **Drift.** b is the sensor's own zero, learnt once an hour from a reading within `drift_most_m` above it: at most
  1 mm up (0.1 mm while it is wet) and 2 mm down, 0 <= b <= `drift_most_m`. No flood moves it; a month of silt does. [P]
- **Event.** Two readings in a row at or over `wet_m` begin it; it lasts until none came for `join_s`. Its `peak_m` (a
  reading that stands alone counts as the median of three), `wet_s` (first to last wet reading) and `onset_ms` are told
  with the alarm; with `cleared` they are those of the whole event.
- **Shallow water** (under `deep_m`) is believed, for the rest of its event, once it stood at or over `believe_m` for
  `persist_s` with a median of at least 2.5 times the sensor's own noise, and is no box.
  Half of `persist_s` is enough where it rained (`rain_mm`: 2 mm within the hour; `rain_mm_h`: 2 mm/h now) or a
  `neighbour` is wet. A device slower than `persist_s` is believed at once: its next word would come too late.
- **Box.** A level that came in one step of at least `step_m` and three fifths of its height, and has not moved by more
  than 1.5 cm (4 percent when higher) since, is a parked object: not believed until it moves by more, slowly.
- **Deep water** (at or over `deep_m`) is believed at once, whatever its shape; only the level's `hold_s` and
  `min_samples` stand before an alarm, which is *suspect* as long as nothing else speaks for water. What turns
  out to be a box is told as `object_m` from then on: the alarm falls to the mildest level and stays until the object
  goes. It is never dropped.

Inputs: `level` (m above ground); optional `rain_mm` (total), `rain_mm_h`, `neighbour` (level of another device).
Keys, with defaults: `wet_m` 0.01, `believe_m` 0.02, `persist_s` 240, `deep_m` 0.25, `step_m` 0.05, `object_m` 0.05,
`join_s` 900, `drift_most_m` 0.06, `window_s` 1200 or ten cadences.

Sources: an echo of a car or debris lasts one to three samples [K]; ultrasonic noise 3 to 10 mm [K]; the model underpass
rises 3.2 cm/min in a storm of fifty years [X]; objects are higher than 5 cm [P]; the figures of all shapes [P] were
set on `simulators.batch.street`, not on recordings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import parts, scan, water_shape
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal, Window, fresh
from rules.scan import Bools, Floats, Ints

DEFAULTS = {
    "wet_m": 0.01,
    "believe_m": 0.02,
    "persist_s": 180.0,
    "deep_m": 0.25,
    "step_m": 0.05,
    "object_m": 0.05,
    "join_s": 900.0,
    "drift_most_m": 0.06,
}
KEYS = frozenset({*DEFAULTS, "window_s"})

LONGEST_GAP_S = 600.0
"""What two readings of standing water may lie apart and still count for a hold or a clear hold [P]."""
WINDOW_S, PARTS = 1200.0, 20
DRIFT_EVERY_MS = 3_600_000
DRIFT_UP_M, DRIFT_UP_WET_M, DRIFT_DOWN_M = 0.001, 0.0001, 0.002
"""What the zero may move each hour [P]: up from a dry reading, up from a wet one, down."""
STEP_PER_MIN = 0.025
STEP_SHARE = 0.6
STILL_M, STILL_SHARE = 0.015, 0.04
STILL_READINGS = 3
NOISE_TIMES = 2.5
RAIN_MM, RAIN_MM_H = 2.0, 2.0
WITNESS_MS = 1_800_000


@dataclass(frozen=True, slots=True)
class Options:
    """The keys of a declaration."""

    wet_m: float
    believe_m: float
    persist_s: float
    deep_m: float
    step_m: float
    object_m: float
    join_s: float
    drift_most_m: float
    window_s: float


SETTINGS = np.dtype(
    [
        ("wet", "f8"),
        ("believe", "f8"),
        ("persist_min", "f8"),
        ("deep", "f8"),
        ("step", "f8"),
        ("object", "f8"),
        ("join_ms", "i8"),
        ("drift", "f8"),
    ]
)
MEMORY = np.dtype(
    [
        ("hour", "i8"),  # of the newest reading that the zero was learnt from
        ("base", "f4"),
        ("ts", "i8"),  # of the newest reading
        ("depth", "f8"),  # of the newest two
        ("depth_before", "f8"),
        ("since", "i8"),  # since when it has been at or over `believe_m`
        ("onset", "i8"),  # of the event
        ("wet_at", "i8"),  # its newest wet reading
        ("peak", "f8"),
        ("believed", "?"),
        ("believed_at", "i8"),  # what is older came when nobody believed it, and is not believed now
        ("still", "f8"),  # level of a parked object; NaN: none
    ]
)


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys of a declaration; a device slower than `persist_s` does not wait for a second reading."""
    keys = {key: parts.number(f"{where}.{key}", declaration.get(key, usual), 0.0) for key, usual in DEFAULTS.items()}
    if cadence_s > keys["persist_s"]:
        keys["persist_s"] = 0.0
    window_s = parts.number(f"{where}.window_s", declaration.get("window_s", max(WINDOW_S, 10 * cadence_s)), 60.0)
    for key, most in (("believe_m", "deep_m"), ("wet_m", "believe_m")):
        if keys[key] > keys[most]:
            raise parts.DeclarationError(f"{where}.{key}", f"{keys[key]:g} is over {most} {keys[most]:g}")
    if window_s < 2 * keys["persist_s"]:
        raise parts.DeclarationError(f"{where}.window_s", f"{window_s:g} is less than two persist_s")
    return Options(**keys, window_s=window_s)


def inputs(options: Options) -> tuple[Input, ...]:
    """The level is judged; rain and a neighbour only make it believed sooner."""
    window_ms = round(options.window_s * 1000)
    return (
        Input("level", window_ms, PARTS),
        Input("rain_mm", 3_600_000, 4, optional=True),
        Input("rain_mm_h", optional=True),
        Input("neighbour", optional=True),
    )


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row of `SETTINGS`."""
    del parameters
    for name, value in (
        ("wet", options.wet_m),
        ("believe", options.believe_m),
        ("persist_min", options.persist_s / 60),
        ("deep", options.deep_m),
        ("step", options.step_m),
        ("object", options.object_m),
        ("join_ms", round(options.join_s * 1000)),
        ("drift", options.drift_most_m),
    ):
        row[name] = value
    return None


def blank() -> Any:
    """Nothing was heard yet."""
    row = np.zeros(1, dtype=MEMORY)
    for name in ("hour", "ts", "since", "onset", "wet_at", "believed_at"):
        row[name] = NEVER
    row["depth"] = row["depth_before"] = row["still"] = np.nan
    return row[0]


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """Believed depth, m."""
    if not len(frame.ts):
        return Signal(np.zeros(0), {})
    if bool(frame.first.all()) and bool(frame.usable.all()):
        return _mostly_calm(frame, settings, memory)
    return _judged(frame, settings, memory)


def _judged(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    batch = _Batch(frame, settings, memory)
    batch.learn_zero()
    batch.follow_events()
    batch.look_at_shapes()
    batch.believe()
    told = batch.told()
    batch.remember()
    return told


def _mostly_calm(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """One reading a device: those that are dry, were dry and have nothing on are passed by on a few comparisons."""
    slot = frame.slot
    wet = settings["wet"][frame.setting]
    base = memory["base"][slot].astype(np.float64)
    depth = frame.value - base
    before = memory["depth"][slot]
    calm = (depth < wet) & (before < wet) & (memory["hour"][slot] == frame.ts // DRIFT_EVERY_MS)
    calm &= ~memory["believed"][slot] & np.isnan(memory["still"][slot])
    lines = slot[calm]
    memory["ts"][lines], memory["depth"][lines], memory["depth_before"][lines] = (
        frame.ts[calm],
        depth[calm],
        before[calm],
    )
    rows = np.flatnonzero(~calm)
    told = _judged(_Part(frame, rows), settings, memory) if len(rows) else None
    onset, wet_at = memory["onset"][slot], memory["wet_at"][slot]
    eventful = onset != NEVER
    evidence = {
        "depth_m": depth,
        "peak_m": np.where(eventful, memory["peak"][slot], np.nan),
        "wet_s": np.where(eventful, (wet_at - np.where(eventful, onset, 0)) / 1000, np.nan),
        "onset_ms": np.where(eventful, onset, np.nan),
        "zero_m": base,
    }
    value, doubt = np.minimum(depth, 0.0), np.zeros(len(slot), dtype=np.bool_)
    if told is not None:
        value[rows] = told.value
        if told.doubt is not None:
            doubt[rows] = told.doubt
        for name, numbers in told.evidence.items():
            evidence[name][rows] = numbers
    return Signal(value, evidence, doubt)


class _Part(Frame):
    """Some rows of a frame."""

    def __init__(self, frame: Frame, rows: Ints) -> None:
        self._frame, self._rows = frame, rows
        self.slot, self.first, self.setting = frame.slot[rows], frame.first[rows], frame.setting[rows]
        self.ts, self.arrival, self.value = frame.ts[rows], frame.arrival[rows], frame.value[rows]
        self.bad, self.usable = frame.bad[rows], frame.usable[rows]

    def latest(self, name: str) -> tuple[Floats, Ints]:
        value, ts = self._frame.latest(name)
        return value[self._rows], ts[self._rows]

    def window(self, name: str, rows: Ints | None = None) -> Window:
        return self._frame.window(name, self._rows if rows is None else self._rows[rows])


class _Batch:
    """One step. `own` are the usable rows, which move the memory; others see the state as of the own row before."""

    def __init__(self, frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> None:
        self.frame, self.memory, self.slot = frame, memory, frame.slot
        self.chosen = settings[frame.setting[:1]] if _same(frame.setting) else settings[frame.setting]
        self.own = np.flatnonzero(frame.usable)
        self.own_slot = frame.slot[self.own]
        self.first = scan.firsts(self.own_slot)
        self.ts = frame.ts[self.own]
        self.alone = bool(self.first.all())
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

    # the sensor's zero

    def learn_zero(self) -> None:
        frame = self.frame
        base = self.carried("base").astype(np.float64)
        hour = self.ts // DRIFT_EVERY_MS
        known = scan.previous(hour, self.first, self.carried("hour"))
        due = hour > known
        if due.any():
            value = frame.value[self.own]
            drift, wet = (np.broadcast_to(self.of(name), len(self.own)) for name in ("drift", "wet"))
            where = np.flatnonzero(due)
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

    # the event

    def follow_events(self) -> None:
        depth, first = self.depth[self.own], self.first
        before = scan.previous(depth, first, self.carried("depth").astype(np.float64))
        earlier = scan.previous(before, first, self.carried("depth_before").astype(np.float64))
        ts_before = scan.previous(self.ts, first, self.carried("ts"))
        wet, join, believe = self.of("wet"), self.of("join_ms"), self.of("believe")
        starts = (depth >= believe) & ~(before >= believe)
        self.since = self._newest(np.where(starts, self.ts, NEVER), starts, self.carried("since"))
        pair = (depth >= wet) & (before >= wet) & (ts_before != NEVER)
        pair &= self.ts - np.where(ts_before == NEVER, self.ts, ts_before) <= np.maximum(join, 0)
        wet_at = self._newest(np.where(pair, self.ts, NEVER), pair, self.carried("wet_at"))
        known = scan.previous(wet_at, first, self.carried("wet_at"))
        begins = pair & ((known == NEVER) | (self.ts - np.where(known == NEVER, 0, known) > join))
        onset = self._newest(np.where(begins, ts_before, NEVER), begins, self.carried("onset"))
        # a reading that stands alone counts as the median of itself and its neighbours
        low, high = np.fmin(earlier, before), np.fmax(earlier, before)
        middle = np.fmax(low, np.fmin(high, depth))
        lone = np.abs(before - middle) > np.maximum(0.02, 0.15 * np.abs(middle))
        height = np.where(np.isnan(before), -1.0, np.where(lone, middle, before))
        height = np.where(pair, np.fmax(height, np.fmin(before, depth)), np.minimum(height, depth))
        mark = begins | first
        step = np.round(np.clip(height, -1.0, 1000.0) * 1e5).astype(np.int64)
        held = np.round(self.carried("peak").astype(np.float64) * 1e5).astype(np.int64)
        step = np.where(first & ~begins, np.maximum(step, held), step)
        self.peak = (scan.maximum_since(step, mark) if not self.alone else step) / 1e5
        self.wet_at, self.onset, self.begins, self.mark = wet_at, onset, begins, mark
        self.before = before
        live = (wet_at != NEVER) & (self.ts - np.where(wet_at == NEVER, 0, wet_at) <= join)
        self.live = live
        carried_on = first & ~begins & live & self.carried("believed")
        self.believed_before = carried_on

    def _newest(self, values: Ints, marked: Bools, carried: Ints) -> Ints:
        if self.alone:
            return np.where(marked, values, carried)
        there = marked | self.first
        return np.where(marked, values, carried)[scan.marked_before(there)]

    # the shape

    def look_at_shapes(self) -> None:
        """Windows are asked for only where it is wet and not yet believed."""
        frame = self.frame
        known = np.zeros(len(self.slot), dtype=np.bool_)
        if self.alone:
            known[self.own] = self.believed_before
        rows = np.flatnonzero((self.depth >= self.all("believe")) & ~known)
        count = len(self.slot)
        self.shown, self.box = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        self.height = np.full(count, np.nan)  # median of the newest readings, where it was looked at
        if not len(rows):
            return
        readings = water_shape.packed(frame.window("level", rows), frame.ts[rows])
        readings = readings._replace(value=readings.value - self.base[rows, None])
        stretch = water_shape.wet_stretch(readings, self.all("believe")[rows])
        wanted = self.all("persist_min")[rows] * np.where(self._witnessed(rows), 0.5, 1.0)
        wet = self.seen(self.depth[self.own], "depth")[rows] >= self.all("believe")[rows]
        since = np.where(wet, self.seen(self.since, "since")[rows], NEVER)
        minutes = np.where(since == NEVER, 0.0, (frame.ts[rows] - np.where(since == NEVER, 0, since)) / 60_000)
        enough = _enough(readings, wanted)
        calm = stretch.median >= NOISE_TIMES * water_shape.noise(readings)
        self.shown[rows] = (minutes >= wanted) & (stretch.readings >= enough) & (calm | (wanted == 0))
        step = water_shape.newest_step(readings, float(np.min(self.chosen["step"])), STEP_PER_MIN, STEP_SHARE)
        height = _recent(readings)
        tolerance = np.maximum(STILL_M, STILL_SHARE * height)
        self.box[rows] = step.found & (step.readings >= STILL_READINGS) & (step.spread <= tolerance)
        self.height[rows] = height

    def _witnessed(self, rows: Ints) -> Bools:
        frame, now = self.frame, self.frame.ts[rows]
        rate = fresh(*_at(frame.latest("rain_mm_h"), rows), now, WITNESS_MS)
        neighbour = fresh(*_at(frame.latest("neighbour"), rows), now, WITNESS_MS)
        told = (rate >= RAIN_MM_H) | (neighbour >= 2 * self.all("wet")[rows])
        total, at = _at(frame.latest("rain_mm"), rows)
        if np.isfinite(total).any():
            window = frame.window("rain_mm", rows)
            lowest = np.where(np.isfinite(window.value), window.value, np.inf).min(axis=1)
            told |= (fresh(total, at, now, WITNESS_MS) - lowest) >= RAIN_MM
        return np.asarray(told)

    # what is believed

    def believe(self) -> None:
        own = self.own
        box, height = self.box[own], self.height[own]
        # an object stays one until the level moves away from where it stood
        mark = box | self.begins | self.first
        kept = np.where(self.begins, np.nan, self.carried("still"))
        still = np.where(box, height, kept)[scan.marked_before(mark)]
        tolerance = np.maximum(STILL_M, STILL_SHARE * np.nan_to_num(still))
        away = ~box & ~(np.abs(height - still) <= tolerance)
        gone = scan.sums_since(away.astype(np.int64), mark, away.astype(np.int64)) > 0
        self.still = np.where(gone, np.nan, still)
        stands = ~np.isnan(self.still) & self.live
        shown = (self.shown[own] & ~stands & self.live).astype(np.int64)
        start = shown + self.believed_before
        self.believed = (scan.sums_since(shown, self.mark, np.where(self.mark, start, 0)) > 0) & self.live
        before = scan.previous(self.believed, self.first, self.carried("believed"))
        begins = self.believed & ~(before & ~self.begins)
        self.believed_at = self._newest(np.where(begins, self.ts, NEVER), begins, self.carried("believed_at"))
        stands &= ~self.believed
        self.still = np.where(stands, self.still, np.nan)
        believed = self.believed
        if len(own) < len(self.slot):
            at, after = self.seen(self.wet_at, "wet_at"), self.seen(self.believed_at, "believed_at")
            live = (at != NEVER) & (self.frame.ts - np.where(at == NEVER, 0, at) <= self.all("join_ms"))
            others = ~self.frame.usable
            stands = ~np.isnan(self.seen(self.still, "still")) & live | (self.box & others)
            shown = self.shown & ~stands & others
            believed = (self.seen(self.believed, "believed") & live & (self.frame.ts >= after)) | shown
        depth, deep = self.depth, self.depth >= self.all("deep")
        level = np.where(self.box, self.height, self.seen(self.still, "still"))
        stands = stands & (depth <= level + np.maximum(STILL_M, 2 * STILL_SHARE * np.nan_to_num(level)))
        doubted = np.where(stands, np.minimum(depth, self.all("object")), depth)
        wet = believed & (depth >= self.all("wet"))
        self.doubt = deep & ~believed & ~stands
        self.value = np.where(wet, depth, np.where(deep, doubted, np.minimum(depth, 0.0)))

    def told(self) -> Signal:
        onset, wet_at = self.seen(self.onset, "onset"), self.seen(self.wet_at, "wet_at")
        eventful = onset != NEVER
        wet_s = np.where(eventful, (wet_at - np.where(eventful, onset, 0)) / 1000, np.nan)
        peak = np.where(eventful, self.seen(self.peak, "peak"), np.nan)
        onset_ms = np.where(eventful, onset, np.nan).astype(np.float64)
        evidence = {"depth_m": self.depth, "peak_m": peak, "wet_s": wet_s, "onset_ms": onset_ms, "zero_m": self.base}
        return Signal(self.value, evidence, self.doubt)

    def remember(self) -> None:
        if not len(self.own):
            return
        last = scan.lasts(self.first)
        end, memory = self.own_slot[last], self.memory
        for name, state in (
            ("hour", self.hour),
            ("base", self.base_own),
            ("ts", self.ts),
            ("depth", self.depth[self.own]),
            ("depth_before", self.before),
            ("since", self.since),
            ("onset", self.onset),
            ("wet_at", self.wet_at),
            ("peak", self.peak),
            ("believed", self.believed),
            ("believed_at", self.believed_at),
            ("still", self.still),
        ):
            memory[name][end] = state[last]


def _same(numbers: Ints) -> bool:
    return bool((numbers == numbers[0]).all())


def _at(latest: tuple[Floats, Ints], rows: Ints) -> tuple[Floats, Ints]:
    return latest[0][rows], latest[1][rows]


def _number_within(slot: Ints) -> Ints:
    """0, 1, 2 … within each run of equal numbers."""
    first = scan.firsts(slot)
    return np.arange(len(slot)) - scan.marked_before(first)


def _enough(readings: water_shape.Readings, minutes: Floats) -> Ints:
    """How many readings `minutes` should bring at the pace of the newest three, less one that may be dry: 2 … 4."""
    age = readings.age_min[:, -3]
    pace = np.where(np.isfinite(age), np.maximum(age / 2, 1e-3), np.inf)
    wanted = np.clip(np.floor(minutes / pace), 2, 4).astype(np.int64)
    return np.where(minutes == 0, 1, wanted)


def _recent(readings: water_shape.Readings, minutes: float = 5.0, least: int = 3) -> Floats:
    """Median of the readings of the last minutes, or of the newest few."""
    width = readings.value.shape[1]
    near = readings.held & ((readings.age_min <= minutes) | (np.arange(width) >= width - least)[None, :])
    order = np.sort(np.where(near, readings.value, np.inf), axis=1)
    number = near.sum(axis=1)
    low = order[np.arange(len(order)), np.maximum((number - 1) // 2, 0)]
    high = order[np.arange(len(order)), np.maximum(number // 2, 0)]
    return np.asarray((low + high) / 2)
