"""Kind `forecast`: when will a rising level reach a threshold, and how likely within a time.

The kept readings of the last `window_s` (sixteen parts, so 10 to 18 readings) are looked at, only where the level is
at or over `at_least`, has risen since the oldest of them and is still short of `threshold` z*. By `measure` the
signal is

- `minutes` (direction below): TTT = (z* - z) / v, at most 1440; 1440 where nothing rises;
- `probability` (above): that z* comes within `horizon_s`, see below; 0 where nothing rises;
- `rate` (above): v in unit per minute, whatever z* is; 0 where nothing rises;
- `rank` (above): of the worst level of `ahead` whose threshold the trend z + v t reaches within its time (1 = IV … 4
  = I), half less where it reaches four fifths of it; 0 where nothing rises. Several forecasts in one alarm, with one
  window: levels enter at their rank and exit half below.

v and z by `estimator`:

- `theil_sen`: v = median over all pairs of (z_j - z_i) / (t_j - t_i), z = the line's value now, through the median of
  z_i - v t_i. Up to 29 % of the readings may be wild. Rising means v > 2 `resolution` / window and the lower end of
  the 90 % interval of Kendall's order statistics over 0: with C = 1.645 sqrt(n (n-1) (2n+5) / 18) and N pairs, the
  (N-C)/2-th slope. s_z = `sigma_m`, s_v = (v_high - v_low) / 3.29.
- `kalman`: state [z, v], F = [[1, dt], [0, 1]], Q = q [[dt³/3, dt²/2], [dt²/2, dt]], R = `sigma_m`², run over the
  window from its first reading (no memory beyond it). An innovation over four sigma is passed over once, then taken
  with R times 25. Rising means v > 1.645 s_v; s_z and s_v from its covariance.

No line says how long it rains. A rise is taken to go on for T = 3 windows as it was, uncertain by a factor:

    P = Phi(ln(v T (1 - e^(-h/T)) / (z* - z)) / s),   s² = 1.2² + (s_v / v)² + (s_z / (z* - z))²

3 and 1.2 were set on simulated underpasses (seeds 700 to 703), so that of what is said to come with P about P comes.
`rank` follows the straight line, which is early on purpose: it says III at P of about 0.3, II at about 0.4.

A step between two readings that makes three fifths of the level is no trend (an object, an echo): as long as one is
in the window and the level stands still since, nothing rises; nor where v times the window is less than six times
the noise (mean second difference, `rules.water_shape`), nor within a window of a fall that no drain makes. Past the
threshold there is nothing to forecast and the row is passed over: what is on stays on until the level has fallen below
it.

Keys: `ahead` by level `{threshold, within_s}` (for `rank`), `threshold` (in the point's unit; for `minutes` and
`probability`), `measure` minutes, `estimator` theil_sen, `horizon_s` 1800, `window_s` 300 or sixteen cadences,
`at_least` 0.03, `resolution` 0.001, `sigma_m` 0.004, `q_m_min` 0.002: what the rate changes in a minute (q = q_m_min²
per minute).

Sources: n = 10 to 20 and at least 5 min, 29 % breakdown, q = (0.2 cm/min)² per min, 4 mm ultrasonic, 4 sigma: DOMAIN
B4 [X, K]; Sen 1968, Kendall [K]. Limit: from the level alone the median warning of an underpass is about 5 min [X]; a
rain gauge (`rain_nowcast`) sees more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import parts, recent, water_shape
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal
from rules.scan import Bools, Floats, Ints, every, some
from rules.water_shape import CHUNK, Readings
from wire.level import Level

KEYS = frozenset(
    {
        "ahead",
        "threshold",
        "measure",
        "estimator",
        "horizon_s",
        "window_s",
        "at_least",
        "resolution",
        "sigma_m",
        "q_m_min",
    }
)
MEASURES = ("minutes", "probability", "rate", "rank")
ESTIMATORS = ("theil_sen", "kalman")
LONGEST_GAP_S = 600.0
"""What two readings of standing water may lie apart and still count for a hold or a clear hold [P]."""
PARTS = 16
RANKS = 4
NEAR = 0.8
"""Share of a threshold that a level holds on to once it was foreseen."""
LONGEST_MIN = 1440.0
Z90 = 1.645
GATE = 4.0
LASTS, UNCERTAIN = 3.0, 1.2
"""A rise goes on for three times as long as it was watched, give or take a factor of e^1.2: set on simulated storms."""
FEWEST = 4
NOISE_TIMES = 6
STEP_M, STEP_PER_MIN, STEP_SHARE, STILL = 0.05, 0.025, 0.6, 0.2


@dataclass(frozen=True, slots=True)
class Options:
    """The keys of a declaration."""

    measure: str
    estimator: str
    threshold: float
    horizon_s: float
    window_s: float
    at_least: float
    resolution: float
    sigma_m: float
    q_m_min: float
    ahead: tuple[tuple[int, float, float], ...] = ()  # rank: level's rank, threshold, minutes


SETTINGS = np.dtype(
    [
        ("measure", "i1"),
        ("kalman", "?"),
        ("threshold", "f8"),
        ("horizon_min", "f8"),
        ("lasts_min", "f8"),
        ("at_least", "f8"),
        ("slowest", "f8"),  # m/min: slower is no rise
        ("resolution", "f8"),
        ("sigma", "f8"),
        ("q", "f8"),
        ("ahead", "f8", (RANKS, 2)),  # by rank: threshold (inf: none), minutes
    ]
)
MEMORY = np.dtype([("newest", "i8")])


def direction(options: Options) -> str:
    """Minutes are judged below, the others above."""
    return "below" if options.measure == "minutes" else "above"


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys of a declaration."""
    measure = parts.choice(f"{where}.measure", declaration.get("measure", "minutes"), MEASURES)
    if measure in ("minutes", "probability") and "threshold" not in declaration:
        raise parts.DeclarationError(f"{where}.threshold", "missing: the level that is forecast")
    if (measure == "rank") != ("ahead" in declaration):
        raise parts.DeclarationError(f"{where}.ahead", "goes with measure rank, and that with it")

    def number(key: str, usual: float, low: float) -> float:
        return parts.number(f"{where}.{key}", declaration.get(key, usual), low)

    return Options(
        measure=measure,
        estimator=parts.choice(f"{where}.estimator", declaration.get("estimator", "theil_sen"), ESTIMATORS),
        threshold=number("threshold", np.finfo(float).max, -np.finfo(float).max),
        horizon_s=number("horizon_s", 1800.0, 60.0),
        window_s=number("window_s", max(300.0, PARTS * cadence_s), 60.0),
        at_least=number("at_least", 0.03, -np.finfo(float).max),
        resolution=number("resolution", 0.001, 0.0),
        sigma_m=number("sigma_m", 0.004, 1e-6),
        q_m_min=number("q_m_min", 0.002, 0.0),
        ahead=_ahead(f"{where}.ahead", declaration["ahead"]) if measure == "rank" else (),
    )


def _ahead(where: str, text: Any) -> tuple[tuple[int, float, float], ...]:
    found = []
    for name, written in parts.mapping(where, text).items():
        here = f"{where}.{name}"
        rank = Level(parts.choice(here, name, Level)).rank
        target = parts.mapping(here, written)
        parts.only(here, target, ("threshold", "within_s"))
        for key in ("threshold", "within_s"):
            if key not in target:
                raise parts.DeclarationError(f"{here}.{key}", "missing")
        threshold = parts.number(f"{here}.threshold", target["threshold"], 1e-6)
        found.append((rank, threshold, parts.number(f"{here}.within_s", target["within_s"], 1.0) / 60))
    if not found:
        raise parts.DeclarationError(where, "missing: at least one of I, II, III, IV")
    return tuple(sorted(found))


def inputs(options: Options) -> tuple[Input, ...]:
    """One level."""
    return (Input("level", round(options.window_s * 1000), PARTS),)


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row of `SETTINGS`."""
    del parameters
    for name, value in (
        ("measure", MEASURES.index(options.measure)),
        ("kalman", options.estimator == "kalman"),
        ("threshold", options.threshold),
        ("horizon_min", options.horizon_s / 60),
        ("lasts_min", LASTS * options.window_s / 60),
        ("at_least", options.at_least),
        ("slowest", 2 * options.resolution / (options.window_s / 60)),
        ("resolution", options.resolution),
        ("sigma", options.sigma_m),
        ("q", options.q_m_min**2),
    ):
        row[name] = value
    row["ahead"] = (np.inf, 0.0)
    for rank, threshold, minutes in options.ahead:
        row["ahead"][rank - 1] = threshold, minutes
    if options.ahead:
        row["threshold"] = min(threshold for _, threshold, _ in options.ahead)
    return None


def blank() -> Any:
    """Nothing was heard."""
    return np.full(1, NEVER, dtype=MEMORY)[0]


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """Minutes, probability or rate at each row; a late row, or one come again, foretells nothing: NaN."""
    found = _foresee(frame, settings)
    found.value[recent.stale(frame, memory)] = np.nan
    return found


def _foresee(frame: Frame, settings: npt.NDArray[Any]) -> Signal:
    value = np.where(settings["measure"] == 0, LONGEST_MIN, 0.0)[frame.setting]
    rate = np.zeros(len(value))
    if not len(value) or not some(frame.value >= settings["at_least"].min()):
        return Signal(value, {"rate_per_min": rate})
    measure = settings["measure"][frame.setting]
    wet = frame.value >= settings["at_least"][frame.setting]
    past = wet & (measure != 2) & (frame.value >= settings["threshold"][frame.setting])
    value[past] = np.nan
    rows = np.flatnonzero(wet & ~(past & (measure != 3)))
    for begin in range(0, len(rows), CHUNK):
        _follow(frame, settings, rows[begin : begin + CHUNK], value, rate)
    return Signal(value, {"rate_per_min": rate})


def _follow(frame: Frame, settings: npt.NDArray[Any], rows: Ints, value: Floats, rate: Floats) -> None:
    """Signal and rate of the rows that rise; the cheap reasons why one does not come first."""
    readings = water_shape.packed(frame.window("level", rows), frame.ts[rows])
    chosen = settings[frame.setting[rows]]
    oldest = readings.value[np.arange(len(rows)), np.argmax(readings.held, axis=1)]
    able = (readings.held.sum(axis=1) >= FEWEST) & (readings.value[:, -1] > oldest + chosen["resolution"])
    rows, chosen, readings = rows[able], chosen[able], readings.only(able)
    if not len(rows):
        return
    steps, noise = water_shape.Steps(readings), water_shape.noise(readings)
    step = steps.newest(STEP_M, STEP_PER_MIN, STEP_SHARE)
    able = ~(step.found & ~(step.spread > STILL * np.abs(readings.value[:, -1])))
    able &= ~np.isfinite(steps.newest_fall())
    rows, chosen, readings, noise = rows[able], chosen[able], readings.only(able), noise[able]
    if not len(rows):
        return
    trend = _of(chosen, readings, chosen["kalman"])
    span = readings.age_min[np.arange(len(rows)), np.argmax(readings.held, axis=1)]
    trend.rising[trend.rate * span < NOISE_TIMES * noise] = False
    rows = rows[trend.rising]
    chosen, z, v = chosen[trend.rising], trend.level[trend.rising], trend.rate[trend.rising]
    left = chosen["threshold"] - z
    minutes = np.clip(left / np.maximum(v, left / LONGEST_MIN), 0.0, LONGEST_MIN)
    likely = _likely(chosen, left, v, trend, trend.rising)
    value[rows] = np.choose(chosen["measure"], [minutes, likely, v, _rank(chosen["ahead"], z, v)])
    rate[rows] = v


def _likely(chosen: npt.NDArray[Any], left: Floats, v: Floats, trend: "Trend", rows: Bools) -> Floats:
    """Probability of the threshold within the horizon; how far a rise goes is uncertain by a factor."""
    level, _, rate = (each[rows] for each in trend.variance)
    lasts = chosen["lasts_min"]
    rise = np.maximum(v, 1e-9) * lasts * (1 - np.exp(-chosen["horizon_min"] / lasts))
    left = np.clip(left, 1e-3, 1e6)
    spread = np.sqrt(UNCERTAIN**2 + rate / np.maximum(v, 1e-9) ** 2 + level / left**2)
    return water_shape.normal(np.log(rise / left) / spread)


def _rank(ahead: Floats, z: Floats, v: Floats) -> Floats:
    """Rank of the worst level that is foreseen; half less where it is nearly."""
    reached = (z[:, None] + v[:, None] * ahead[:, :, 1]) / ahead[:, :, 0]
    rank = np.arange(1, RANKS + 1) - np.where(reached >= 1, 0.0, 0.5)
    return np.asarray(np.where(reached >= NEAR, rank, 0.0).max(axis=1))


class Trend:
    """Level, rate and their covariance now, by row."""

    def __init__(self, level: Floats, rate: Floats, rising: Bools, variance: tuple[Floats, Floats, Floats]) -> None:
        self.level, self.rate, self.rising = level, rate, rising
        self.variance = variance  # of the level, of both, of the rate


def _of(chosen: npt.NDArray[Any], readings: Readings, kalman: Bools) -> Trend:
    if not some(kalman):
        return theil_sen(readings, chosen["slowest"], chosen["sigma"])
    if every(kalman):
        return kalman_filter(readings, chosen["sigma"], chosen["q"])
    one, other = (
        theil_sen(readings, chosen["slowest"], chosen["sigma"]),
        kalman_filter(readings, chosen["sigma"], chosen["q"]),
    )
    pick = [(other.level, one.level), (other.rate, one.rate), (other.rising, one.rising)]
    variance = [np.where(kalman, b, a) for a, b in zip(one.variance, other.variance, strict=True)]
    level, rate, rising = (np.where(kalman, a, b) for a, b in pick)
    return Trend(level, rate, rising.astype(np.bool_), (variance[0], variance[1], variance[2]))


def theil_sen(readings: Readings, slowest: Floats, sigma: Floats) -> Trend:
    """Median of the slopes of all pairs, per minute, with Kendall's 90 % interval."""
    width = readings.value.shape[1]
    i, j = np.triu_indices(width, 1)
    age = np.where(readings.held, readings.age_min, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = ((readings.value[:, j] - readings.value[:, i]) / (age[:, i] - age[:, j])).astype(np.float32)
    slopes.sort(axis=1)  # NaN last
    n = readings.held.sum(axis=1)
    number = n * (n - 1) // 2
    line = np.arange(len(slopes))
    rate = (slopes[line, (number - 1) // 2].astype(np.float64) + slopes[line, number // 2]) / 2
    wide = Z90 * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = slopes[line, np.clip(np.floor((number - wide) / 2), 0, number - 1).astype(np.int64)].astype(np.float64)
    high = slopes[line, np.clip(np.ceil((number + wide) / 2), 0, number - 1).astype(np.int64)].astype(np.float64)
    offsets = np.sort(readings.value + rate[:, None] * age, axis=1)  # z_i + v · age = what the line says is now
    level = (offsets[line, (n - 1) // 2] + offsets[line, n // 2]) / 2
    rising = (rate > slowest) & (low > 0)
    rate_variance = ((high - low) / (2 * Z90)) ** 2
    return Trend(level, rate, rising, (sigma**2, np.zeros(len(rate)), rate_variance))


def kalman_filter(readings: Readings, sigma: Floats, q: Floats) -> Trend:
    """Level and rate (per minute) after the window's readings; q in unit² per min³."""
    count, width = readings.value.shape
    r = sigma**2
    z, v = np.full(count, np.nan), np.zeros(count)
    a, b, c = r.copy(), np.zeros(count), np.full(count, 0.05**2)  # of level, both, rate: at first up to 5 cm/min
    skipped = np.zeros(count, dtype=np.bool_)
    before = np.full(count, np.nan)
    for place in range(width):
        held, value, age = readings.held[:, place], readings.value[:, place], readings.age_min[:, place]
        begins = held & np.isnan(z)
        z = np.where(begins, value, z)
        goes_on = held & ~begins
        dt = np.where(goes_on, before - age, 0.0)
        before = np.where(held, age, before)
        z = np.where(goes_on, z + v * dt, z)
        a = a + 2 * dt * b + dt**2 * c + q * dt**3 / 3
        b = b + dt * c + q * dt**2 / 2
        c = c + q * dt
        off = np.where(goes_on, value - z, 0.0)
        wild = goes_on & (np.abs(off) > GATE * np.sqrt(a + r))
        taken = goes_on & (~wild | skipped)
        noise = np.where(wild, 25 * r, r)
        skipped = np.where(goes_on, wild & ~skipped, skipped)
        gain_z, gain_v = (np.where(taken, each / (a + noise), 0.0) for each in (a, b))
        z, v = z + gain_z * off, v + gain_v * off
        a, b, c = (1 - gain_z) * a, (1 - gain_z) * b, c - gain_v * b
    return Trend(z, v, v > Z90 * np.sqrt(np.maximum(c, 0.0)), (a, b, c))
