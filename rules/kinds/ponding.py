"""Kind `ponding`: water on a street, in an underpass, at a basement door – and not what else a sensor sees there.

The signal is the depth in metres that is believed: d = z - b where it is believed and at least `wet_m`, else 0; levels
compare it as those of kind `level` do. What decides is the physics of water: it rises and drains over several
readings, it stays for minutes, and it cannot come up or vanish between two readings.

- **Drift.** b is the sensor's own zero, learnt once an hour from a reading within `drift_most_m` above it: at most
  1 mm up (0.1 mm while it is wet) and 2 mm down, 0 <= b <= `drift_most_m`. No flood moves it; a month of silt does. [P]
- **Event.** Readings at or over `wet_m` that reached `believe_m` begin it; it lasts until none came for `join_s`, and
  through a gap in the readings of up to six hours. Its `peak_m` (a reading that stands out as no water does counts as
  the median of three), `wet_s` (first to last wet reading) and `onset_ms` are told with the alarm; with `cleared` they
  are those of the whole event. A first reading that a quality test doubted counts when the next bears it out.
- **Shallow water** (under `deep_m`) is believed, for the rest of its event, once it stood at or over `believe_m` for
  `persist_s` with a median of at least 2.5 times the sensor's own noise, and is no box. What fell as no drain makes it
  (5 cm and 5 cm/min) or leaps up and down (10 cm/min, one reading in three) begins anew, for a quarter of an hour.
  Half of `persist_s` is enough where it rained (`rain_mm`: 2 mm within the hour; `rain_mm_h`: 2 mm/h now) or a
  `neighbour` is wet.
- **Box.** A level that came in one step of at least `step_m` and three fifths of its height (or two that took it all at
  5 cm/min), and has not moved by more than 1.5 cm (4 percent when higher, 3.5 times the noise) since, is a parked
  object: not believed until it moves by more, slowly. Another step while it stands is another object.
- **Deep water** (at or over `deep_m`) is believed at once; only the level's `hold_s` and `min_samples` stand before an
  alarm, which is *suspect* as long as nothing else speaks for water. Except: what came in one step of 5 cm/min and
  more, at a sensor that was heard for a quarter of an hour before, without torrents (10 mm within the hour), is no
  water that anybody has seen. For `persist_s` nothing is said of it; then it is a box, which is no alarm, or it moved
  and is one. A box that was told before it was known for one falls to the mildest level (`object_m`) and stays.
  A device slower than five minutes does not wait.

Inputs: `level` (m above ground); optional `rain_mm` (total), `rain_mm_h`, `neighbour` (level of another device).
Told beside: `depth_m`, `zero_m`, and `object_m`, where an object stands (0: none).
Keys, with defaults: `wet_m` 0.01, `believe_m` 0.02, `persist_s` 180, `deep_m` 0.25, `step_m` 0.05, `object_m` 0.05,
`join_s` 900 or two cadences, `drift_most_m` 0.06, `window_s` 1200 or ten cadences.

Sources: an echo of a car or debris lasts one to three samples [K]; ultrasonic noise 3 to 10 mm [K]; the model underpass
rises 3.2 cm/min in a storm of fifty years [X]; objects are higher than 5 cm [P]; the figures of all shapes [P] were
set on `simulators.batch.street`, not on recordings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import parts, pond_belief
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal, Window
from rules.pond_event import DRIFT_EVERY_MS
from rules.scan import Floats, Ints, every

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
NO_HOUR = -(2**31)
SLOW_S = 300.0
"""A device that speaks more seldom is believed at once: its next word would come too late [P]."""


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
        ("window_ms", "i8"),
    ]
)
MEMORY = np.dtype(
    [
        ("hour", "i4"),  # of the newest reading that the zero was learnt from
        ("base", "f4"),
        ("ts", "i8"),  # of the newest reading that was not passed by
        ("depth", "f4"),  # of the newest two; 0 where it was dry
        ("depth_before", "f4"),
        ("since", "i8"),  # since when it has been at or over `believe_m`
        ("two_at", "i8"),  # of the newest of two wet readings in a row
        ("run_at", "i8"),  # when the run of wet readings began
        ("reached", "?"),  # it reached `believe_m`
        ("onset", "i8"),  # of the event
        ("wet_at", "i8"),  # its newest wet reading
        ("peak", "f4"),
        ("believed", "?"),
        ("believed_at", "i8"),  # what is older came when nobody believed it, and is not believed now
        ("still", "f4"),  # level of a parked object; NaN: none
        ("told", "?"),  # something deep was told in this event
        ("hint_at", "i8"),  # of the newest reading in doubt, that came before any later one
        ("hint", "f4"),  # its depth
        ("awake", "?"),  # anything of the above is on: a dry reading is not passed by
    ]
)


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys of a declaration; a slow device does not wait for a second deep reading."""
    usual = DEFAULTS | {"join_s": max(DEFAULTS["join_s"], 2 * cadence_s)}
    keys = {key: parts.number(f"{where}.{key}", declaration.get(key, usual[key]), 0.0) for key in DEFAULTS}
    if cadence_s > max(SLOW_S, keys["persist_s"]):
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
        ("window_ms", round(options.window_s * 1000)),
    ):
        row[name] = value
    return None


def blank() -> Any:
    """Nothing was heard yet."""
    row = np.zeros(1, dtype=MEMORY)
    for name in ("ts", "since", "two_at", "run_at", "onset", "wet_at", "believed_at", "hint_at"):
        row[name] = NEVER
    row["hour"] = NO_HOUR
    row["depth"] = row["depth_before"] = row["still"] = row["hint"] = np.nan
    return row[0]


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """Believed depth, m."""
    if not len(frame.ts):
        return Signal(np.zeros(0), {})
    if every(frame.first) and every(frame.usable):
        return _mostly_calm(frame, settings, memory)
    return pond_belief.judge(frame, settings, memory)


def _mostly_calm(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """One reading a device: those that are dry, were dry and have nothing on are passed by on a few comparisons."""
    slot: Any = _stretch(frame.slot)
    depth = frame.value - memory["base"][slot]
    dry = depth < settings["wet"][frame.setting]
    dry &= memory["hour"][slot] == frame.ts // DRIFT_EVERY_MS
    awake = memory["awake"][slot]
    calm = dry & ~awake
    value = np.minimum(depth, 0.0)
    evidence = _Evidence(memory, frame.slot, depth)
    if every(calm):
        return Signal(value, evidence)
    rows = np.flatnonzero(~calm)
    told = pond_belief.judge(_Part(frame, rows), settings, memory)
    value[rows], depth[rows] = told.value, told.evidence["depth_m"]
    doubt = np.zeros(len(value), dtype=np.bool_)
    doubt[rows] = told.doubt
    return Signal(value, evidence, doubt)


def _stretch(slot: Ints) -> Ints | slice:
    """The slots as a slice where they stand one after the other: nothing is gathered then."""
    begin, count = int(slot[0]), len(slot)
    if int(slot[-1]) - begin == count - 1 and every(slot[1:] > slot[:-1]):
        return slice(begin, begin + count)
    return slot


class _Evidence(Mapping[str, Floats]):
    """What is told of readings that stand alone, read from the memory when somebody asks: as of the same step."""

    def __init__(self, memory: npt.NDArray[Any], slot: Ints, depth: Floats) -> None:
        self._memory, self._slot, self._depth = memory, slot, depth

    def __getitem__(self, name: str) -> Floats:
        return pond_belief.evidence_of(name, self._depth, lambda field: self._memory[field][self._slot])

    def __iter__(self) -> Iterator[str]:
        return iter(pond_belief.EVIDENCE)

    def __len__(self) -> int:
        return len(pond_belief.EVIDENCE)


class _Part(Frame):
    """Some rows of a frame."""

    def __init__(self, frame: Frame, rows: Ints) -> None:
        self._frame, self._rows = frame, rows
        self.slot, self.first, self.setting = frame.slot[rows], frame.first[rows], frame.setting[rows]
        self.ts, self.arrival, self.value = frame.ts[rows], frame.arrival[rows], frame.value[rows]
        self.bad, self.fresh, self.usable = frame.bad[rows], frame.fresh[rows], frame.usable[rows]

    def latest(self, name: str) -> tuple[Floats, Ints]:
        value, ts = self._frame.latest(name)
        return value[self._rows], ts[self._rows]

    def window(self, name: str, rows: Ints | None = None) -> Window:
        return self._frame.window(name, self._rows if rows is None else self._rows[rows])
