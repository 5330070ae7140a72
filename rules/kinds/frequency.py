"""Kind `frequency`: a panel's natural frequency has fallen, temperature taken out.

A façade panel is a plate on supports; stiffness k and frequency f go together as Δf/f ≈ ½·Δk/k, so supports that lose
a tenth of their stiffness lower f by 5 percent [X]. Silicone softens: f falls by 0.1 to 0.3 percent a kelvin [K],
which is more over a year than any damage worth finding. So temperature is taken out first:

    T = temperature of the glass, weighted by exp(−age/1 h) over four hours: the sealant follows the glass
    f̂ = b0 + b1·(T − 20) + b2·(T − 20)² + b3·V      `rules.calibration`: the first 30 days, then frozen
    r = 100·(f − f̂)/f̂                               percent
    z = r/√(σ² + s²), clipped to ±4                  σ: scatter while f̂ was learnt, s: how unsure f̂ is at T
    S = max(0, S − z − 0.75)                         one-sided CUSUM; tripped from S = 12 on
    signal = median of the last three r while S is tripped or the median is positive; else 0

The CUSUM decides that something changed (computed [X]: σ 0.6 percent, a lasting drop of 1 percent is found after 12
hourly estimates, 3 percent after 4, no false alarm in 60 days), the median says how much. S starts anew when the mean
of the last six r is above −0.375·σ: repaired is repaired. Of a median, one s is forgiven: it is small at
temperatures that were learnt. A reading in doubt teaches nothing and speaks for itself: its signal is its own r. A late
one adds nothing to a state that lasts and is passed over.

Until the model is learnt the device's `baseline_frequency_hz` (at 20 °C) stands for it, and what no compensation can
tell is forgiven: 0.3 percent for each kelvin above 20 °C (25 K where no temperature is known) and 1 percent more, with
σ = 1 percent. The evidence says which (`compensated`). A row teaches only if it is sound, has a temperature and is
not older than the parameter `baseline_since`; raising that parameter is how a person has it learnt anew.

Fixity: R_b = (f − f_ss)/(f_cc − f_ss) at 20 °C places the panel between simply supported and clamped by thin plate
theory, without any baseline:

    D = E·h³/12/(1 − ν²);  f_ss = π/2·(1/a² + 1/b²)·√(D/ρh)
    f_cc = π/2·√(D/ρh)·√(1.506⁴/a⁴ + 1.506⁴/b⁴ + 2·1.248²/(a²b²))        (Blevins' form)

with E = 72 GPa, ν = 0.22, ρ = 2500 kg/m³; of panes without composite action h = ∛Σh³ in D and Σh in the mass. Measured
panels lie between 20 percent below f_cc and 20 percent above f_ss [S]. R_b < 0 is a support weaker than a simple one:
the signal is then −100 percent, whatever the baseline says.

No estimate is made of a record whose peak stands out by less than 6 dB or whose RMS is below 3 times the device's
noise [X] (`noise_rms`): it is unknown, not a number. So is what no panel does: more than 10 percent stiffer than
expected (25 while uncompensated) or under 30 percent of it is another line – sway of the building, a machine.

Keys: `lag_s` 3600 (0: the sealant is as warm as the glass) [P]; `learn_days` 30, `learn_range_k` 10, `learn_least` 100
[P]; `drift` 0.75, `trip` 12, `clip` 4 [X]; `estimates` 3 [P]; `least_scatter_percent` 0.3 [X],
`uncompensated_percent_per_k` 0.3 [K], `uncompensated_percent` 1.0 [P]; `prominence_db` 6 [X], `noise_times` 3 [P];
`wind_term` false; `fixity_below` 0 (−10: not judged) [P].
Parameters of the device, all optional: `baseline_frequency_hz`; `baseline_since`, Unix seconds; `noise_rms`, unit of
`rms`; `panel_a_m`, `panel_b_m`, `glass_mm`, `glass_2_mm`, `glass_3_mm`, or `simply_supported_hz`, `clamped_hz`.
Sources: DOMAIN C1, C2, C4 and what stands there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import calibration, parts, recent, scan
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal, fresh
from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints

DIRECTION = "below"
LONGEST_GAP_S = 43_200.0
"""A calm night has no estimates."""
KEYS = frozenset(
    {
        "lag_s", "learn_days", "learn_range_k", "learn_least", "drift", "trip", "clip", "estimates",
        "least_scatter_percent", "uncompensated_percent_per_k", "uncompensated_percent", "prominence_db",
        "noise_times", "wind_term", "fixity_below",
    }
)  # fmt: skip

PARAMETERS = frozenset(
    {
        "baseline_frequency_hz",
        "baseline_since",
        "noise_rms",
        "panel_a_m",
        "panel_b_m",
        "glass_mm",
        "glass_2_mm",
        "glass_3_mm",
        "simply_supported_hz",
        "clamped_hz",
    }
)
YOUNG_PA, POISSON, DENSITY = 72e9, 0.22, 2500.0
PLACES = 8
BACK = 6
"""Estimates whose mean says that a panel is sound again."""
FAR_K = 25.0
NOT_A_PANEL = 0.30
STIFFER, STIFFER_UNCOMPENSATED = 10.0, 25.0
UNCOMPENSATED_SCATTER = 1.0
GONE = -100.0
PRIOR = np.array([0.003, 1.5e-5, 0.001, 0.006])
"""Usual sizes, as shares of f: b1 a kelvin, b2 a kelvin squared, b3 a m/s, and the scatter of an estimate [P]."""
_FINE = 1000.0

SETTINGS = np.dtype(
    [
        *calibration.SETTINGS,
        ("base", "f8"),
        ("noise", "f8"),
        ("f_ss", "f8"),
        ("f_cc", "f8"),
        ("fixity_below", "f8"),
        ("drift", "f8"),
        ("trip", "f8"),
        ("clip", "f8"),
        ("estimates", "i8"),
        ("least_scatter", "f8"),
        ("per_k", "f8"),
        ("margin", "f8"),
        ("prominence", "f8"),
        ("age_ms", "i8"),
        ("lag_ms", "f8"),
        ("wind", "?"),
        ("weakest", "?"),  # nothing but the simply supported plate is known: only what lies below it tells
    ],
    align=True,
)
DEPENDS = ("quantum", "lag_ms", "wind")
"""What else is declared judges the baseline, it does not make it."""
MEMORY = np.dtype([*calibration.MEMORY, ("newest", "i8"), ("s", "i8"), ("kept", "f8", PLACES)], align=True)


@dataclass(frozen=True, slots=True)
class Options:
    """The keys, and the cadence: what stands beside must be of the same record."""

    lag_s: float
    learn_days: float
    learn_range_k: float
    learn_least: int
    drift: float
    trip: float
    clip: float
    estimates: int
    least_scatter_percent: float
    uncompensated_percent_per_k: float
    uncompensated_percent: float
    prominence_db: float
    noise_times: float
    wind_term: bool
    fixity_below: float
    cadence_s: float


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys; see the module."""

    def number(key: str, usual: float, low: float = 0.0) -> float:
        return parts.number(f"{where}.{key}", declaration.get(key, usual), low)

    return Options(
        lag_s=number("lag_s", 3600.0),
        learn_days=number("learn_days", 30.0, 0.01),
        learn_range_k=number("learn_range_k", 10.0),
        learn_least=parts.whole(f"{where}.learn_least", declaration.get("learn_least", 100), 10, 1_000_000),
        drift=number("drift", 0.75),
        trip=number("trip", 12.0),
        clip=number("clip", 4.0, 1.0),
        estimates=parts.whole(f"{where}.estimates", declaration.get("estimates", 3), 1, PLACES),
        least_scatter_percent=number("least_scatter_percent", 0.3, 0.01),
        uncompensated_percent_per_k=number("uncompensated_percent_per_k", 0.3),
        uncompensated_percent=number("uncompensated_percent", 1.0),
        prominence_db=number("prominence_db", 6.0),
        noise_times=number("noise_times", 3.0),
        wind_term=parts.switch(f"{where}.wind_term", declaration.get("wind_term", False)),
        fixity_below=parts.number(f"{where}.fixity_below", declaration.get("fixity_below", 0.0), -10.0, 1.0),
        cadence_s=cadence_s,
    )


def inputs(options: Options) -> tuple[Input, ...]:
    """The frequency, and what its record says beside it."""
    return (
        Input("frequency"),
        Input("surface_temperature", window_ms=round(4000 * options.lag_s), parts=5, optional=True),
        Input("wind", optional=True),
        Input("prominence", optional=True),
        Input("rms", optional=True),
    )


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row; None: a panel without any parameter is judged once it has been learnt."""
    row["since"] = round(parameters.get("baseline_since", 0.0) * 1000)
    row["days_ms"] = round(options.learn_days * 86_400_000)
    row["range_k"], row["least"], row["quantum"] = options.learn_range_k, options.learn_least, 0.001
    base = parameters.get("baseline_frequency_hz", math.nan)
    row["noise"] = options.noise_times * parameters.get("noise_rms", 0.0)
    row["f_ss"], row["f_cc"] = _plate(parameters)
    row["weakest"] = not base > 0
    row["base"] = base if base > 0 else row["f_ss"]
    row["fixity_below"] = options.fixity_below
    row["drift"], row["trip"], row["clip"] = options.drift, options.trip, options.clip
    row["estimates"], row["least_scatter"] = options.estimates, options.least_scatter_percent
    row["per_k"], row["margin"] = options.uncompensated_percent_per_k, options.uncompensated_percent
    row["prominence"] = options.prominence_db
    row["age_ms"] = round(options.cadence_s * 500)
    row["lag_ms"], row["wind"] = 1000 * options.lag_s, options.wind_term
    return None


def _plate(parameters: Mapping[str, float]) -> tuple[float, float]:
    given = parameters.get("simply_supported_hz", math.nan), parameters.get("clamped_hz", math.nan)
    if given[1] > given[0] > 0:
        return given
    a, b = parameters.get("panel_a_m", 0.0), parameters.get("panel_b_m", 0.0)
    panes = [parameters.get(key, 0.0) / 1000 for key in ("glass_mm", "glass_2_mm", "glass_3_mm")]
    panes = [each for each in panes if each > 0]
    if not (a > 0 and b > 0 and panes):
        return math.nan, math.nan
    return plate_hz(a, b, panes)


def plate_hz(a_m: float, b_m: float, panes_m: Sequence[float]) -> tuple[float, float]:
    """First natural frequency of a rectangular pane, simply supported and clamped, Hz.

    Args:
        a_m: one side.
        b_m: the other.
        panes_m: thickness of each pane; several move together without composite action.
    """
    rigidity = YOUNG_PA * sum(each**3 for each in panes_m) / 12 / (1 - POISSON**2)
    root = math.pi / 2 * math.sqrt(rigidity / (DENSITY * sum(panes_m)))
    a, b = a_m**-2, b_m**-2
    return root * (a + b), root * math.sqrt(1.506**4 * (a * a + b * b) + 2 * 1.248**2 * a * b)


def blank() -> Any:
    """Nothing learnt, no estimate kept."""
    row = np.zeros(1, dtype=MEMORY)[0]
    calibration.blank(row)
    row["kept"], row["newest"] = np.nan, NEVER
    return row


def learning(settings: Rowwise, memory: Rowwise) -> Ints:
    """A panel of which nothing is known is not judged before it has been learnt."""
    return np.where(np.isnan(settings["base"]), calibration.until(settings, memory), 0)


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """The drop in percent (negative), 0 while nothing is sure; NaN for what is no estimate."""
    own = Rowwise(settings, frame.setting)
    temperature = _felt(frame, own)
    wind = fresh(*frame.latest("wind"), frame.ts, own["age_ms"])
    wind = np.where(own["wind"], wind, 0.0)
    heads = np.flatnonzero(frame.first)
    clear = _is_clear(frame, own)
    teach = frame.usable & clear & ~np.isnan(temperature)
    bound = np.where(np.isnan(own["f_cc"]), own["base"] * 1.4, own["f_cc"] * 1.2)  # a machine's line teaches nothing
    teach &= ~(frame.value > bound)
    before = memory["since"][frame.slot[heads]] != own["since"][heads]  # learnt anew
    model = calibration.learn(
        frame.slot, frame.first, frame.ts, teach, frame.value, temperature, wind, own.only(heads), memory, prior=PRIOR,
        relative=True,
    )  # fmt: skip
    known = model.known & ~np.isnan(temperature)
    residual, sigma, forgiven = _residual(frame.value, temperature, known, model, own)
    possible = residual <= np.where(known, STIFFER, STIFFER_UNCOMPENSATED)
    possible |= ~known & own["weakest"]
    possible &= residual >= 100 * (NOT_A_PANEL - 1)
    residual[~(clear & possible)] = np.nan  # unknown, not a number
    use = frame.usable & ~np.isnan(residual)
    forget = model.fresh.copy()
    forget[heads] |= before
    slots = frame.slot[heads]
    late, memory["newest"][slots] = recent.behind(frame, memory["newest"][slots])
    residual[late] = np.nan
    line = recent.after(memory["kept"][slots], frame.first, use, residual, forget)
    last = np.column_stack([line.before(np.arange(len(frame.ts)), PLACES - 1), residual])
    tripped, s = _cusum(frame, residual, sigma, use, last, own, forget, memory["s"])
    drop = np.where(frame.usable, _median_of_last(last, own["estimates"]), residual)
    drop = np.where(drop < 0, np.minimum(drop + forgiven, 0.0), drop)
    level = np.where(known, model.level, own["base"])
    fixity = (level * (1 + drop / 100) - own["f_ss"]) / (own["f_cc"] - own["f_ss"])
    value = np.where(tripped | ~frame.usable | ~(drop < 0), drop, 0.0)
    value = np.where(fixity < own["fixity_below"], GONE, value)
    memory["kept"][slots] = line.carried()
    evidence = {
        "percent": drop,
        "forgiven": forgiven,
        "cusum": s / _FINE,
        "expected_hz": np.where(known, model.expected, own["base"]),
        "scatter_percent": sigma,
        "surface_temperature": temperature,
        "fixity": fixity,
        "compensated": known.astype(np.float64),
    }
    return Signal(value, evidence)


def _felt(frame: Frame, own: Rowwise) -> Floats:
    """Temperature of the sealant: that of the glass, straight between records, seen by a kernel of `lag_s`."""
    newest, at = frame.latest("surface_temperature")
    newest = fresh(newest, at, frame.ts, own["age_ms"])
    rows = np.flatnonzero(~np.isnan(newest) & (own["lag_ms"] > 0))
    if not len(rows):
        return newest
    then, value = frame.window("surface_temperature", rows)
    then, value = np.column_stack([then, at[rows]]), np.column_stack([value, newest[rows]])
    # an empty place stands for the one before it: a stretch of no length
    place = np.maximum.accumulate(np.where(np.isnan(value), 0, np.arange(value.shape[1])), axis=1)
    then, value = np.take_along_axis(then, place, axis=1), np.take_along_axis(value, place, axis=1)
    weight = np.diff(np.exp((then - frame.ts[rows][:, None]) / own["lag_ms"][rows][:, None]), axis=1)
    middle = (value[:, 1:] + value[:, :-1]) / 2
    weight[np.isnan(middle)] = 0.0
    total = weight.sum(axis=1)
    felt = (weight * scan.sure(middle)).sum(axis=1) / np.where(total > 0, total, np.nan)
    newest[rows] = np.where(total > 0, felt, newest[rows])
    return newest


def _is_clear(frame: Frame, own: Rowwise) -> Bools:
    """The record has a peak and moved more than the sensor's noise, as far as it says."""
    age = own["age_ms"]
    prominence = fresh(*frame.latest("prominence"), frame.ts, age)
    rms = fresh(*frame.latest("rms"), frame.ts, age)
    return np.isfinite(frame.value) & (frame.value > 0) & ~(prominence < own["prominence"]) & ~(rms < own["noise"])


def _residual(
    value: Floats, temperature: Floats, known: Bools, model: calibration.Model, own: Rowwise
) -> tuple[Floats, Floats, Floats]:
    """Percent from what is expected, its scatter, and how much of a drop is forgiven."""
    expected = np.where(known, model.expected, own["base"])
    residual = 100 * (value / expected - 1)
    spread = np.where(known, 100 * model.spread / expected, 0.0)
    sigma = np.where(known, np.maximum(100 * model.scatter / expected, own["least_scatter"]), UNCOMPENSATED_SCATTER)
    warm = np.where(np.isnan(temperature), FAR_K, np.maximum(temperature - calibration.REFERENCE_C, 0.0))
    forgiven = own["per_k"] * warm + own["margin"]
    bare = np.where(residual < 0, np.minimum(residual + forgiven, 0.0), np.where(own["weakest"], 0.0, residual))
    residual = np.where(known | np.isnan(residual), residual, bare)
    return residual, np.hypot(sigma, spread), spread


def _cusum(
    frame: Frame,
    residual: Floats,
    sigma: Floats,
    use: Bools,
    last: Floats,
    own: Rowwise,
    forget: Bools,
    carried: Ints,
) -> tuple[Bools, Ints]:
    """Whether the sum is tripped at each row, and the sum in thousandths; `carried` moves on.

    S = C − min(0, least C since the start), C the plain running sum. A row that is not used sees what its own estimate
    would make of the sum before it.
    """
    count = len(use)
    z = np.clip(residual / sigma, -own["clip"], own["clip"])
    step = np.rint(scan.sure((-z - own["drift"]) * _FINE)).astype(np.int64)
    ended = last[:, -BACK:].mean(axis=1) >= -own["drift"] / 2 * sigma  # NaN: not yet six
    anew = (use & ended) | forget
    begins = frame.first | anew
    start = np.where(frame.first & ~anew, carried[frame.slot], 0)
    # a sound panel has the sum 0 behind its row, whatever the row's own step is
    moved = np.where(use & ~ended, step, 0)
    running = scan.sums_since(moved, begins, np.where(begins, start, 0) + moved)
    lowest = scan.minimum_since(running, begins)
    s = running - np.minimum(lowest, 0)
    before = scan.previous(s, frame.first, carried[frame.slot])
    before = np.where(forget, 0, before)
    s_here = np.where(use, s, np.maximum(before + step, 0))
    tripped = s_here >= own["trip"] * _FINE
    end = np.flatnonzero(scan.lasts(frame.first)) if count else np.zeros(0, dtype=np.int64)
    carried[frame.slot[end]] = s[end]
    return tripped, s_here


def _median_of_last(last: Floats, estimates: Ints) -> Floats:
    """Median of the newest `estimates` of each line, its own among them; NaN where one of them is missing."""
    most = int(estimates.max()) if len(estimates) else 1
    window = last[:, -most:]
    if most > int(estimates.min(initial=most)):
        window = np.where(np.arange(most) < most - estimates[:, None], np.nan, window)
    return np.where(np.isnan(last[:, -1]), np.nan, recent.median(window, estimates))
