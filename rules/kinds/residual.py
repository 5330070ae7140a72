"""Kind `residual`: what remains of a tilt, a gap or a damping ratio when wind and temperature are taken out.

    x' = x − b1·(T − 20)      b1 given (`slope_per_k`) or learnt like the frequency (`rules.calibration`)
    signal = median of x' over the last 24 h, of records with a wind below 5 m/s, the first of each hour

A gust bends a panel and lets it go, the median of calm hours is what stays: excursions are not damage. `against` says
what it is compared with:

- `zero` (default): with the installed position that the device counts from;
- `learnt`: with b0, the mean at 20 °C of the time in which b1 was learnt;
- `ratio`: signal = median/b0, for a damping ratio. Nothing is judged before b0 is known.

Sizes [P]: tilt 0.10, 0.20, 0.50, 1.0 degrees; gap 1, 2, 3, 5 mm; damping 1.5, 2, 3 times. A row in wind, or of which
nothing is known to compare with, is passed over; so is everything until `least` calm hours lie within the window. A
reading in doubt teaches nothing and speaks for itself; a late one is passed over. The median stands until the next
hour's record; until three are kept, each record is taken in with them.

Keys: `window_s` 86400; `calm_m_s` 5 (100: wind does not matter); `least` 3; `slope_per_k` (given: nothing is learnt
about temperature); `against` zero; `both_ways` true (the size counts, not the sign; not with `ratio`); `learn_days` 30,
`learn_range_k` 10 (0 where there is no temperature), `learn_least` 100; `quantum` 0.0001, of the reading.
Parameter: `baseline_since`, Unix seconds: what is older teaches nothing; raising it has the model learnt anew.
Source: DOMAIN C4; expansion of an aluminium mullion, 0.024 mm a metre and kelvin [K], is a linear term.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import calibration, parts, recent, scan
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal, fresh
from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints, some

KEYS = frozenset(
    {
        "window_s", "calm_m_s", "least", "slope_per_k", "against", "both_ways", "learn_days", "learn_range_k",
        "learn_least", "quantum",
    }
)  # fmt: skip
PARAMETERS = frozenset({"baseline_since"})
LONGEST_GAP_S = 43_200.0
"""What is blown about is passed over."""
AGAINST = ("zero", "learnt", "ratio")
PLACES = 24
"""One calm record of each 24th of the window is kept."""
YOUNG = 3
"""With fewer kept, every record is looked at."""

SETTINGS = np.dtype(
    [
        *calibration.SETTINGS,
        ("window_ms", "i8"),
        ("calm", "f8"),
        ("slope", "f8"),
        ("least_kept", "i8"),
        ("age_ms", "i8"),
        ("against", "i1"),
        ("both_ways", "?"),
    ],
    align=True,
)
DEPENDS = ("quantum", "slope", "window_ms")
"""What else is declared judges the baseline, it does not make it."""
MEMORY = np.dtype(
    [
        *calibration.MEMORY,
        ("newest", "i8"),  # event time of the newest sound row
        ("middle", "f8"),
        ("kept", "f4", PLACES),
        ("kept_s", "u4", PLACES),
    ],
    align=True,
)

PRIOR = np.array([0.01, 1e-9, 1e-9, 0.05])
"""Usual sizes in the unit of the reading: b1 a kelvin, no b2 and b3, the scatter [P]."""


@dataclass(frozen=True, slots=True)
class Options:
    """The keys, and the cadence."""

    window_s: float
    calm_m_s: float
    least: int
    slope_per_k: float
    against: str
    both_ways: bool
    learn_days: float
    learn_range_k: float
    learn_least: int
    quantum: float
    cadence_s: float


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys; see the module."""

    def number(key: str, usual: float, low: float = 0.0) -> float:
        return parts.number(f"{where}.{key}", declaration.get(key, usual), low)

    against = parts.choice(f"{where}.against", declaration.get("against", "zero"), AGAINST)
    return Options(
        window_s=number("window_s", 86_400.0, 1.0),
        calm_m_s=number("calm_m_s", 5.0),
        least=parts.whole(f"{where}.least", declaration.get("least", 3), 1, PLACES),
        slope_per_k=number("slope_per_k", 0.0, -math.inf) if "slope_per_k" in declaration else math.nan,
        against=against,
        both_ways=parts.switch(f"{where}.both_ways", declaration.get("both_ways", against != "ratio")),
        learn_days=number("learn_days", 30.0, 0.01),
        learn_range_k=number("learn_range_k", 10.0),
        learn_least=parts.whole(f"{where}.learn_least", declaration.get("learn_least", 100), 10, 1_000_000),
        quantum=number("quantum", 0.0001, 1e-9),
        cadence_s=cadence_s,
    )


def inputs(options: Options) -> tuple[Input, ...]:
    """Tilt, gap or the like, and what moves it."""
    return (Input("value", usual="tilt"), Input("wind", optional=True), Input("surface_temperature", optional=True))


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row."""
    row["since"] = round(parameters.get("baseline_since", 0.0) * 1000)
    row["days_ms"] = round(options.learn_days * 86_400_000)
    row["range_k"], row["least"], row["quantum"] = options.learn_range_k, options.learn_least, options.quantum
    row["window_ms"] = round(options.window_s * 1000)
    row["calm"], row["slope"], row["least_kept"] = options.calm_m_s, options.slope_per_k, options.least
    row["age_ms"] = round(options.cadence_s * 500)
    row["against"], row["both_ways"] = AGAINST.index(options.against), options.both_ways
    return None


def blank() -> Any:
    """Nothing learnt, nothing kept."""
    row = np.zeros(1, dtype=MEMORY)[0]
    calibration.blank(row)
    row["kept"], row["middle"] = np.nan, np.nan
    row["newest"] = NEVER
    return row


def learning(settings: Rowwise, memory: Rowwise) -> Ints:
    """What is compared with a baseline is not judged before it has been learnt."""
    return np.where(settings["against"] > 0, calibration.until(settings, memory), 0)


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """The median of what is calm, compensated and compared; NaN for a row that adds nothing to it."""
    own = Rowwise(settings, frame.setting)
    temperature = fresh(*frame.latest("surface_temperature"), frame.ts, own["age_ms"])
    wind = fresh(*frame.latest("wind"), frame.ts, own["age_ms"])
    calm = np.isfinite(frame.value) & ~(wind >= own["calm"])
    heads = frame.first.nonzero()[0]
    teach = frame.usable & calm & ~(np.isnan(temperature) & (own["range_k"] > 0))
    before = memory["since"][frame.slot[heads]] != own["since"][heads]
    model = calibration.learn(
        frame.slot, frame.first, frame.ts, teach, frame.value, temperature, np.zeros(len(frame.ts)), own.only(heads),
        memory, prior=PRIOR, spread=False,
    )  # fmt: skip
    warm = scan.sure(temperature - calibration.REFERENCE_C)
    learnt = np.where(model.known, scan.sure(model.expected - model.level), 0.0)
    here = frame.value - np.where(np.isnan(own["slope"]), learnt, own["slope"] * warm)
    forget = np.zeros(len(here), dtype=np.bool_)
    forget[heads] = before
    forget |= model.fresh & np.isnan(own["slope"])  # what was kept was not compensated
    slots = frame.slot[heads]
    late, memory["newest"][slots] = recent.behind(frame, memory["newest"][slots])
    middle = _median(frame, own, here, calm, forget, memory)
    middle[late] = np.nan
    level = np.where(model.known, model.level, np.nan)
    compared = np.choose(own["against"], [middle, middle - level, middle / np.where(level > 0, level, np.nan)])
    value = np.where(own["both_ways"] & (own["against"] != 2), np.abs(compared), compared)
    evidence = {
        "median": middle,
        "residual": compared,
        "baseline": level,
        "wind": wind,
        "surface_temperature": temperature,
        "compensated": (model.known | ~np.isnan(own["slope"])).astype(np.float64),
    }
    return Signal(value, evidence)


def _median(frame: Frame, own: Rowwise, here: Floats, calm: Bools, forget: Bools, memory: npt.NDArray[Any]) -> Floats:
    """Median of the window at each calm row; what is kept moves on."""
    slots = frame.slot[frame.first]
    segment: Ints = np.cumsum(frame.first) - 1
    kept_s = memory["kept_s"][:, -YOUNG:][slots].astype(np.int64)  # empty places come first
    part = np.maximum(own["window_ms"] // (1000 * PLACES), 1)
    second = frame.ts // 1000
    sound = frame.usable & calm
    bucket = np.where(sound, second // part, NEVER)
    newest = np.where(kept_s[:, -1] > 0, kept_s[:, -1] // part[frame.first], NEVER)
    begins = frame.first | forget
    opening = np.where(frame.first & ~forget, newest[segment], NEVER)
    reached = _running(np.where(begins, np.maximum(bucket, opening), bucket), begins)
    before = np.where(forget, NEVER, scan.previous(reached, frame.first, newest[segment]))
    keep = sound & (bucket > before)
    amount = keep.astype(np.int64)
    opening = np.where(frame.first & ~forget, (kept_s > 0).sum(axis=1)[segment], 0)
    young = scan.sums_since(amount, begins, opening + amount) - amount < YOUNG
    look = (sound & (keep | young)) | forget
    middle = memory["middle"][slots][segment]
    active = look if len(slots) == len(look) else np.logical_or.reduceat(look, frame.first.nonzero()[0])
    if some(active):
        rows = active[segment].nonzero()[0]
        lines = slots[active]
        then = memory["kept_s"][lines].astype(np.float64)
        held = memory["kept"][lines].astype(np.float64), np.where(then > 0, then, np.nan)
        short = here[rows].astype(np.float32).astype(np.float64)  # as it is kept
        number = recent.after(held[0], frame.first[rows], keep[rows], short, forget[rows])
        at = recent.after(held[1], frame.first[rows], keep[rows], second[rows].astype(np.float64), forget[rows])
        memory["kept"][lines] = number.carried()
        memory["kept_s"][lines] = np.nan_to_num(at.carried()).astype(np.uint32)
        shown = look[rows].nonzero()[0]
        full = rows[shown]
        numbers = number.before(shown, PLACES)
        inside = at.before(shown, PLACES) > (second[full] - own["window_ms"][full] // 1000)[:, None]
        numbers = np.column_stack([np.where(inside, numbers, np.nan), np.where(sound[full], short[shown], np.nan)])
        found = recent.median(numbers, own["least_kept"][full])
        mark = frame.first | look
        now = np.where(frame.first, middle, np.nan)
        now[full] = found
        middle = now[scan.marked_before(mark)]
        memory["middle"][slots] = middle[scan.lasts(frame.first)]
    # a reading in doubt speaks for itself
    return np.where(calm, np.where(frame.usable, middle, here), np.nan)


def _running(bucket: Ints, begins: Bools) -> Ints:
    known = bucket != NEVER
    if not some(known):
        return bucket
    floor = int(bucket[known].min()) - 1
    result = scan.maximum_since(np.where(known, bucket, floor), begins)
    return np.where(result == floor, NEVER, result)
