"""Kind `rain_nowcast`: a rain gauge says that the underpass will fill before its level does.

Rain on the catchment comes through two linear reservoirs (Nash, n = 2) into a bowl that a drain or pump empties. For
rain i mm/h over catchment A with runoff coefficient C the inflow at its entry is I = C A i. A stretch of steady rain
between u1 and u2 minutes ago now gives, with reservoir constant k,

    q1 = I (exp(-u1/k) - exp(-u2/k))                          out of the first reservoir
    q2 = I ((1 + u1/k) exp(-u1/k) - (1 + u2/k) exp(-u2/k))    into the bowl

and the stretches of the kept hour add up. The bowl holds V(h) = A0 h + s h² / 2 at depth h, which the level sensor
tells. From there on, minute by minute for `horizon_s`: i falls from the mean of the last five minutes as exp(-t /
`persistence_s`), q1 and q2 follow, and V' = q2 - Qd + r, V >= 0. r is what the level itself says is wrong with rain,
catchment or pumps: its own V' over the last ten minutes less q2 - Qd, where it is wet at both ends; it is carried on.
By `measure` the signal is

- `minutes` (direction below): until V(`threshold`) is reached, 1440 if not within the horizon;
- `probability` (above): that it is reached within the horizon, when rain and area are wrong by a lognormal factor of
  `error`: 1 - Phi(x*), where the rain times exp(error x*) would just reach it;
- `capacity` (above): C A i / Qd, i the mean of the last five minutes: 1 is all that drain or pump can take.

Inputs: `level` (m above the lowest point), `rain` (by `rain_is`: `total` mm counted, which may start again at 0, or
`intensity` mm/h), of the device or of another. Older than ten minutes it counts as unknown, and the row is passed over.
Keys: `measure` minutes, `threshold` m (but for `capacity`), `horizon_s` 1800, `persistence_s` 1800, `error` 0.3,
`rain_is` total. Parameters of the device: `catchment_area_ha` 2, `runoff_coefficient` 0.8, `reservoir_k_min` 8,
`bowl_area_m2` 150, `bowl_slope` 2500 (m²/m), `drain_m3_s` 0.25.

Sources: model and figures DOMAIN B4, D2 [X]: a 2 ha underpass, k 5 to 15 min, rain gauge with 20 % error of the area:
median warning 12 min instead of 5. Persistence and its decay [P]. Limits: a gauge stands beside the catchment; a
pump's state is not known but for r; rain that is yet to begin is not forecast.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import parts, recent, scan, water_shape
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal
from rules.scan import Bools, Floats, Ints, every, some

KEYS = frozenset({"measure", "threshold", "horizon_s", "persistence_s", "error", "rain_is"})
MEASURES = ("minutes", "probability", "capacity")
PARAMETERS = {
    "catchment_area_ha": 2.0,
    "runoff_coefficient": 0.8,
    "reservoir_k_min": 8.0,
    "bowl_area_m2": 150.0,
    "bowl_slope": 2500.0,
    "drain_m3_s": 0.25,
}
LONGEST_GAP_S = 600.0
"""What two readings of standing water may lie apart and still count for a hold or a clear hold [P]."""
RAIN_MS, RAIN_PARTS = 3_600_000, 30
LEVEL_MS, LEVEL_PARTS = 600_000, 10
RECENT_MIN = 5.0
LEAST_MM = 0.05
"""A total that falls by less is as it was: kept readings are rounded."""
OLDEST_MS = 600_000
LONGEST_MIN = 1440.0
WET_M = 0.05
"""A residual is believed only where the level is so high at both ends of its window: below lie noise and puddles."""
STEP_MIN = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """The keys of a declaration."""

    measure: str
    threshold: float
    horizon_s: float
    persistence_s: float
    error: float
    rain_is: str


SETTINGS = np.dtype(
    [
        ("measure", "i1"),
        ("total", "?"),  # the gauge counts, else it tells mm/h
        ("threshold", "f8"),  # m
        ("full", "f8"),  # m³ at the threshold
        ("horizon", "f8"),  # min
        ("persistence", "f8"),  # min
        ("error", "f8"),
        ("gain", "f8"),  # m³/min of inflow a mm/h of rain
        ("k", "f8"),  # min
        ("area", "f8"),
        ("slope", "f8"),
        ("drain", "f8"),  # m³/min
    ]
)
MEMORY = np.dtype([("rain", "f8"), ("rained_at", "i8"), ("newest", "i8")])
"""The newest word of the gauge and when it last told rain: what lies dry is not looked at."""


def direction(options: Options) -> str:
    """Minutes are judged below, the others above."""
    return "below" if options.measure == "minutes" else "above"


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys of a declaration."""
    del cadence_s
    measure = parts.choice(f"{where}.measure", declaration.get("measure", "minutes"), MEASURES)
    if measure != "capacity" and "threshold" not in declaration:
        raise parts.DeclarationError(f"{where}.threshold", "missing: the depth that is forecast")

    def number(key: str, usual: float, low: float, high: float = np.inf) -> float:
        return parts.number(f"{where}.{key}", declaration.get(key, usual), low, high)

    return Options(
        measure=measure,
        threshold=number("threshold", 0.25, 0.001),
        horizon_s=number("horizon_s", 1800.0, 60.0, 10_800.0),
        persistence_s=number("persistence_s", 1800.0, 60.0),
        error=number("error", 0.3, 0.01, 2.0),
        rain_is=parts.choice(f"{where}.rain_is", declaration.get("rain_is", "total"), ("total", "intensity")),
    )


def inputs(options: Options) -> tuple[Input, ...]:
    """The level drives, the gauge stands beside it."""
    del options
    return (Input("level", LEVEL_MS, LEVEL_PARTS), Input("rain", RAIN_MS, RAIN_PARTS))


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row of `SETTINGS`; a parameter that is not positive cannot be judged with."""
    device = {name: float(parameters.get(name, usual)) for name, usual in PARAMETERS.items()}
    for name, value in device.items():
        if not value > 0 and not (name == "bowl_slope" and value == 0):
            return f"parameter {name} is {value:g}, not over 0"
    for name, value in (
        ("measure", MEASURES.index(options.measure)),
        ("total", options.rain_is == "total"),
        ("threshold", options.threshold),
        ("full", device["bowl_area_m2"] * options.threshold + device["bowl_slope"] * options.threshold**2 / 2),
        ("horizon", options.horizon_s / 60),
        ("persistence", options.persistence_s / 60),
        ("error", options.error),
        # mm/h · ha = 10 m³/h
        ("gain", device["runoff_coefficient"] * device["catchment_area_ha"] * 10 / 60),
        ("k", device["reservoir_k_min"]),
        ("area", device["bowl_area_m2"]),
        ("slope", device["bowl_slope"]),
        ("drain", device["drain_m3_s"] * 60),
    ):
        row[name] = value
    return None


def blank() -> Any:
    """The gauge has not spoken."""
    row = np.zeros(1, dtype=MEMORY)
    row["rain"], row["rained_at"], row["newest"] = np.nan, NEVER, NEVER
    return row[0]


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """Minutes, probability or share of the drain at each row; a late row, or one come again, foretells nothing: NaN."""
    found = _foresee(frame, settings, memory)
    found.value[recent.stale(frame, memory)] = np.nan
    return found


def _foresee(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    if not len(frame.ts):
        return Signal(np.zeros(0), {})
    gauge, told_at = frame.latest("rain")
    rained_at = _last_rain(frame, gauge, told_at, settings, memory)
    known = np.isfinite(gauge) & (frame.ts - told_at <= OLDEST_MS)
    value = np.where(settings["measure"][frame.setting] == 0, LONGEST_MIN, 0.0)
    value[~known] = np.nan
    intensity, inflow = np.zeros(len(value)), np.zeros(len(value))
    evidence = {"rain_mm_h": intensity, "inflow_m3_s": inflow}
    stirring = known & (rained_at != NEVER)
    stirring &= frame.ts - np.where(rained_at == NEVER, 0, rained_at) <= RAIN_MS
    rows = stirring.nonzero()[0]
    if not len(rows):
        return Signal(value, evidence)
    chosen = settings[frame.setting[rows]]
    rain = Rain.of(frame, rows, chosen)
    intensity[rows], inflow[rows] = rain.now / chosen["gain"], rain.q2 / 60
    measure = chosen["measure"]
    capacity = measure == 2
    value[rows[capacity]] = (rain.now / chosen["drain"])[capacity]
    past = ~capacity & (frame.value[rows] >= chosen["threshold"])
    value[rows[past]] = np.nan
    # no rain could do it: all that is on its way and may still fall, at twice the error, is less than is missing
    volume = held(frame.value[rows], chosen)
    to_come = chosen["k"] * (2 * rain.q1 + rain.q2) + rain.now * np.minimum(chosen["horizon"], chosen["persistence"])
    near = ~capacity & ~past & (volume + to_come * np.exp(2 * chosen["error"]) >= chosen["full"])
    if some(near):
        where = near.nonzero()[0]
        value[rows[where]] = _reached(frame, rows[where], chosen[where], rain.only(where), volume[where])
    return Signal(value, evidence)


class Rain:
    """What is on its way, m³/min: falling now, out of the first reservoir, into the bowl."""

    def __init__(self, now: Floats, q1: Floats, q2: Floats) -> None:
        self.now, self.q1, self.q2 = now, q1, q2

    def only(self, rows: Ints) -> "Rain":
        """That of some rows."""
        return Rain(self.now[rows], self.q1[rows], self.q2[rows])

    @classmethod
    def of(cls, frame: Frame, rows: Ints, chosen: npt.NDArray[Any]) -> "Rain":
        """From the kept readings of the gauge."""
        readings = water_shape.packed(frame.window("rain", rows), frame.ts[rows])
        newest, newest_at = (each[rows] for each in frame.latest("rain"))
        age_now = (frame.ts[rows] - newest_at) / 60_000
        # the newest word, which the kept readings may lack, stands at the end
        age = np.column_stack([readings.age_min, age_now])
        value = np.column_stack([readings.value, newest])
        held_ = np.column_stack([readings.held, np.ones(len(rows), dtype=np.bool_)])
        old, young = age[:, :-1], age[:, 1:]
        known = held_[:, :-1] & (young < old)
        minutes = np.where(known, np.where(np.isfinite(old), old, 0.0) - young, 1.0)
        rise = np.where(known, value[:, 1:] - np.where(known, value[:, :-1], 0.0), 0.0)
        rise = np.where(rise < -LEAST_MM, value[:, 1:], rise)  # the count began again
        mm_h = np.where(chosen["total"][:, None], rise * 60 / minutes, value[:, 1:])
        inflow = np.where(known, np.maximum(mm_h, 0.0), 0.0) * chosen["gain"][:, None]
        k = chosen["k"][:, None]
        first, second = np.where(known, young, 0.0) / k, np.where(known, old, 0.0) / k
        q1 = inflow * (np.exp(-first) - np.exp(-second))
        q2 = inflow * ((1 + first) * np.exp(-first) - (1 + second) * np.exp(-second))
        recent = np.where(known, np.clip(np.minimum(old, age_now[:, None] + RECENT_MIN) - young, 0.0, None), 0.0)
        weight = recent.sum(axis=1)
        now = (inflow * recent).sum(axis=1) / np.where(weight > 0, weight, 1.0)
        # since the gauge's newest word it rained on
        since = age_now / chosen["k"]
        return cls(
            now,
            q1.sum(axis=1) + now * (1 - np.exp(-since)),
            q2.sum(axis=1) + now * (1 - (1 + since) * np.exp(-since)),
        )


def held(depth: Floats, chosen: npt.NDArray[Any]) -> Floats:
    """m³ in the bowl at a depth."""
    h = np.maximum(depth, 0.0)
    return np.asarray(chosen["area"] * h + chosen["slope"] * h**2 / 2)


def _last_rain(
    frame: Frame, gauge: Floats, told_at: Ints, settings: npt.NDArray[Any], memory: npt.NDArray[Any]
) -> Ints:
    """When the gauge last told rain, at each row; moves the memory on."""
    usable = frame.usable.nonzero()[0]
    carried = memory["rained_at"][frame.slot]
    if not len(usable):
        return carried
    slot, said = frame.slot[usable], gauge[usable]
    first = scan.firsts(slot)
    before = scan.previous(said, first, memory["rain"][slot])
    total = settings["total"][frame.setting[usable]]
    rains = np.isfinite(said) & np.where(total, said != before, said > 0)
    at = np.where(rains, told_at[usable], memory["rained_at"][slot])
    mark = rains | first
    if not every(first):
        at = at[scan.marked_before(mark)]
    last = scan.lasts(first)
    memory["rain"][slot[last]], memory["rained_at"][slot[last]] = said[last], at[last]
    if len(usable) == len(frame.slot):
        return at
    place = np.maximum(np.cumsum(frame.usable) - 1, 0)
    same = (slot[place] == frame.slot) & (np.cumsum(frame.usable) > 0)
    return np.where(same, at[place], carried)


def _residual(frame: Frame, rows: Ints, chosen: npt.NDArray[Any], rain: Rain) -> Floats:
    """m³/min by which the bowl fills faster than rain and drain say."""
    readings = water_shape.packed(frame.window("level", rows), frame.ts[rows])
    z = water_shape.smoothed(readings)
    line = np.arange(len(rows))
    oldest = np.argmax(readings.held, axis=1)
    span = readings.age_min[line, oldest]
    wet = (z[line, oldest] >= WET_M) & (z[:, -1] >= WET_M) & (span >= RECENT_MIN / 2)
    rise = held(z[:, -1], chosen) - held(z[line, oldest], chosen)
    return np.where(wet, rise / np.where(wet, span, 1.0) - (rain.q2 - chosen["drain"]), 0.0)


def _reached(frame: Frame, rows: Ints, chosen: npt.NDArray[Any], rain: Rain, volume: Floats) -> Floats:
    residual = _residual(frame, rows, chosen, rain)
    likely = chosen["measure"] == 1
    out = np.full(len(rows), LONGEST_MIN)
    if not every(likely):
        few = np.flatnonzero(~likely)
        out[few] = _minutes(chosen[few], rain.only(few), volume[few], residual[few], np.ones(len(few)))[0]
    if some(likely):
        few = likely.nonzero()[0]
        parts_ = [
            _minutes(chosen[few], rain.only(few), volume[few], residual[few], np.exp(x * chosen["error"][few]))[1]
            for x in (-1.0, 0.0, 1.0)
        ]
        low, middle, high = (each - chosen["full"][few] for each in parts_)
        upper = middle < 0  # the factor that just fills it lies over 1
        near, far = np.where(upper, middle, low), np.where(upper, high, middle)
        slope = np.maximum(far - near, 1e-6)
        x = np.where(upper, 0.0, -1.0) - near / slope
        out[few] = 1 - water_shape.normal(np.clip(x, -8.0, 8.0))
    return out


def _minutes(
    chosen: npt.NDArray[Any], rain: Rain, volume: Floats, residual: Floats, factor: Floats
) -> tuple[Floats, Floats]:
    """Until the bowl holds what the threshold asks for (or 1440), and the most it held within the horizon."""
    q1, q2, falling = rain.q1 * factor, rain.q2 * factor, rain.now * factor
    keep, fade = np.exp(-STEP_MIN / chosen["k"]), np.exp(-STEP_MIN / chosen["persistence"])
    full, drain, horizon = chosen["full"], chosen["drain"] - residual, chosen["horizon"]
    most = volume.copy()
    minutes = np.full(len(volume), LONGEST_MIN)
    for step in range(1, int(np.ceil(horizon.max() / STEP_MIN)) + 1):
        before = volume
        volume = np.maximum(0.0, volume + (q2 - drain) * STEP_MIN)
        # both reservoirs over a minute of steady rain, exactly
        r = STEP_MIN / chosen["k"]
        q1, q2 = falling + (q1 - falling) * keep, falling + (q2 - falling + (q1 - falling) * r) * keep
        falling = falling * fade
        within = step * STEP_MIN <= horizon
        now: Bools = within & (volume >= full) & (minutes == LONGEST_MIN)
        if some(now):
            share = (full - before) / np.maximum(volume - before, 1e-9)
            minutes = np.where(now, (step - 1 + np.clip(share, 0.0, 1.0)) * STEP_MIN, minutes)
        most = np.where(within, np.maximum(most, volume), most)
    return minutes, most
