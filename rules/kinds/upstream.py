"""Kind `upstream`: what a gauge upstream says that the level here will be.

    z_D(t + tau) = a + b z_U(t) + c (z_U(t) - z_U(t - delta))

z_D, z_U in metres (each on its own datum), tau = `lag_s`, delta = `delta_s` (3600). The signal is the highest of the
levels that the readings of the last tau foretell, in metres: levels compare it as those of kind `level` do, and it
holds on until the crest has come. A gauge that was silent for `fresh_s` (3600) foretells nothing: the row is passed
over.

`fit` finds a, b, c, tau and R² from a recording of both gauges: tau where the changes of the two levels correlate best
between 0 and 6 h, then least squares; R² over the last five high waters. It is run where recordings lie, say monthly,
and its outcome is declared: `fit: {a, b, c, lag_s, delta_s, r2}`. Below `least_r2` (0.8) the rule cannot judge and
says so.

Inputs: `level` (this gauge, drives), `upstream` (the other). Sources: DOMAIN B4: cross-correlation of the changes
over 0 to 6 h, R² >= 0.8 on the last five events [P]; tau is the travel time, K of Muskingum [K]. Limits: a linear
image of one gauge: rain that falls in between, a gate or the tide is not in it; the fit's own range is its range.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import parts, recent, water_shape
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal
from rules.scan import Floats, Ints

KEYS = frozenset({"fit", "least_r2", "fresh_s"})
FIT_KEYS = ("a", "b", "c", "lag_s", "delta_s", "r2")
PARTS = 16
LONGEST_LAG_S = 21_600.0
GRID_S = 300.0
EVENTS = 5
HIGH_SHARE = 0.25
"""High water: in the uppermost quarter of the range between the median and the highest level."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Parameters of the equation."""

    a: float
    b: float
    c: float
    lag_s: float
    delta_s: float
    r2: float


@dataclass(frozen=True, slots=True)
class Options:
    """The keys of a declaration."""

    fit: Fit
    least_r2: float
    fresh_s: float


SETTINGS = np.dtype([(name, "f8") for name in ("a", "b", "c", "lag_min", "delta_min", "fresh_min")])
MEMORY = np.dtype([("newest", "i8")])


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys of a declaration."""
    if "fit" not in declaration:
        raise parts.DeclarationError(f"{where}.fit", "missing: a, b, c, lag_s and r2, as `upstream.fit` finds them")
    text = parts.mapping(f"{where}.fit", declaration["fit"])
    parts.only(f"{where}.fit", text, FIT_KEYS)
    found = {}
    for key in FIT_KEYS:
        if key not in text and key != "delta_s":
            raise parts.DeclarationError(f"{where}.fit.{key}", "missing")
        found[key] = parts.number(f"{where}.fit.{key}", text.get(key, 3600.0))
    for key, low in (("lag_s", 60.0), ("delta_s", 60.0)):
        parts.number(f"{where}.fit.{key}", found[key], low, 86_400.0)
    return Options(
        fit=Fit(**found),
        least_r2=parts.number(f"{where}.least_r2", declaration.get("least_r2", 0.8), 0.0, 1.0),
        fresh_s=parts.number(f"{where}.fresh_s", declaration.get("fresh_s", max(3600.0, 3 * cadence_s)), 1.0),
    )


def inputs(options: Options) -> tuple[Input, ...]:
    """The level here drives; of the gauge upstream the last tau + delta is kept."""
    window_s = options.fit.lag_s + options.fit.delta_s * (1 + 1 / PARTS)
    return (Input("level"), Input("upstream", round(window_s * 1000), PARTS))


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row of `SETTINGS`; a poor fit cannot judge."""
    del parameters
    fit_ = options.fit
    if not fit_.r2 >= options.least_r2:
        return f"the fit has R² {fit_.r2:.2f}, less than {options.least_r2:g}"
    row["a"], row["b"], row["c"] = fit_.a, fit_.b, fit_.c
    row["lag_min"], row["delta_min"], row["fresh_min"] = fit_.lag_s / 60, fit_.delta_s / 60, options.fresh_s / 60
    return None


def blank() -> Any:
    """Nothing was heard."""
    return np.full(1, NEVER, dtype=MEMORY)[0]


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """The highest level that is foretold, m; a late row, or one come again, foretells nothing: NaN."""
    found = _foresee(frame, settings)
    found.value[recent.stale(frame, memory)] = np.nan
    return found


def _foresee(frame: Frame, settings: npt.NDArray[Any]) -> Signal:
    count = len(frame.ts)
    value, minutes = np.full(count, np.nan), np.full(count, np.nan)
    gauge, told_at = frame.latest("upstream")
    ages = (frame.ts - told_at) / 60_000
    rows = np.flatnonzero(np.isfinite(gauge) & (ages <= settings["fresh_min"][frame.setting]))
    if len(rows):
        chosen = settings[frame.setting[rows]]
        value[rows], minutes[rows] = _foretold(frame, rows, chosen, gauge[rows], ages[rows])
    return Signal(value, {"foretold_m": value, "in_min": minutes, "upstream_m": gauge})


def _foretold(
    frame: Frame, rows: Ints, chosen: npt.NDArray[Any], gauge: Floats, gauge_age: Floats
) -> tuple[Floats, Floats]:
    readings = water_shape.packed(frame.window("upstream", rows), frame.ts[rows])
    # the newest word, which the kept readings may lack, stands at the end
    age = np.column_stack([readings.age_min, gauge_age])
    level = np.column_stack([readings.value, gauge])
    lag, delta = chosen["lag_min"], chosen["delta_min"]
    width = age.shape[1]
    before = np.full(level.shape, np.nan)
    for place in range(width):  # the kept reading nearest to delta before each, within a quarter of delta
        there = np.where(np.isfinite(age[:, place]), age[:, place], 0.0)
        away = np.abs(age - (there + delta)[:, None])
        nearest = np.argmin(away, axis=1)
        line = np.arange(len(rows))
        close = away[line, nearest] <= delta / 4
        before[:, place] = np.where(close, level[line, nearest], np.nan)
    foretold = chosen["a"][:, None] + chosen["b"][:, None] * level + chosen["c"][:, None] * (level - before)
    foretold = np.where(np.isfinite(foretold) & (age <= lag[:, None]), foretold, -np.inf)
    best = np.argmax(foretold, axis=1)
    line = np.arange(len(rows))
    value = foretold[line, best]
    known = np.isfinite(value)
    return np.where(known, value, np.nan), np.where(known, lag - age[line, best], np.nan)


def fit(
    up_ts: Ints,
    up_m: Floats,
    down_ts: Ints,
    down_m: Floats,
    delta_s: float = 3600.0,
    longest_lag_s: float = LONGEST_LAG_S,
) -> Fit:
    """Parameters from recordings of both gauges, by event time (ms).

    Gaps longer than `delta_s` are left out. Needs a day of common readings; with fewer, or with levels that never move,
    R² is 0.
    """
    nothing = Fit(0.0, 0.0, 0.0, GRID_S, delta_s, 0.0)
    if len(up_ts) < 2 or len(down_ts) < 2:
        return nothing
    step = GRID_S * 1000
    grid = np.arange(max(up_ts[0], down_ts[0]), min(up_ts[-1], down_ts[-1]) + 1, step)
    back, longest = round(delta_s / GRID_S), round(longest_lag_s / GRID_S)
    if len(grid) < 288 or len(grid) <= back + longest + 8:
        return nothing
    up, down = (_on(grid, *each, delta_s * 1000) for each in ((up_ts, up_m), (down_ts, down_m)))
    lag = _lag(up, down, longest)
    now = np.arange(back, len(grid) - lag)
    target, level, change = down[now + lag], up[now], up[now] - up[now - back]
    known = np.isfinite(target) & np.isfinite(level) & np.isfinite(change)
    if known.sum() < 24 or np.ptp(level[known]) == 0:
        return nothing
    columns = np.column_stack([np.ones(int(known.sum())), level[known], change[known]])
    (a, b, c), *_ = np.linalg.lstsq(columns, target[known], rcond=None)
    r2 = _r2(target[known], columns @ np.array([a, b, c]), longest)
    return Fit(float(a), float(b), float(c), max(lag, 1) * GRID_S, delta_s, r2)


def _on(grid: Floats, ts: Ints, level: Floats, longest_gap: float) -> Floats:
    """Straight lines between readings; NaN in gaps."""
    good = np.isfinite(level)
    ts, level = ts[good], level[good]
    after = np.clip(np.searchsorted(ts, grid), 1, len(ts) - 1)
    value = np.interp(grid, ts, level)
    return np.where(ts[after] - ts[after - 1] <= longest_gap, value, np.nan)


def _lag(up: Floats, down: Floats, longest: int) -> int:
    """Steps at which the changes of both correlate best."""
    rise_up, rise_down = np.diff(up), np.diff(down)
    best, found = -np.inf, 1
    for lag in range(longest + 1):
        x, y = rise_up[: len(rise_up) - lag], rise_down[lag:]
        known = np.isfinite(x) & np.isfinite(y)
        if known.sum() < 24:
            continue
        x, y = x[known] - x[known].mean(), y[known] - y[known].mean()
        power = np.sqrt((x @ x) * (y @ y))
        correlation = (x @ y) / power if power > 0 else -1.0
        if correlation > best:
            best, found = correlation, lag
    return found


def _r2(target: Floats, foretold: Floats, around: int) -> float:
    """Share of the variance that is told, over the last high waters with as much around them as a lag can be."""
    middle = float(np.median(target))
    high = np.flatnonzero(target >= middle + (1 - HIGH_SHARE) * (target.max() - middle))
    events = np.split(high, np.flatnonzero(np.diff(high) > around) + 1)[-EVENTS:]
    inside = np.zeros(len(target), dtype=np.bool_)
    for event in events:
        inside[max(0, int(event[0]) - around) : int(event[-1]) + around + 1] = True
    y, x = target[inside], foretold[inside]
    spread = float(np.square(y - y.mean()).sum())
    return max(0.0, 1 - float(np.square(y - x).sum()) / spread) if spread > 0 else 0.0
