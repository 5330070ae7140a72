"""What smoke looks like over the last minutes: rise, growth, warmth, carbon monoxide and vapour (DOMAIN A3.2).

Every number is made from the rings that the frame keeps, at the rows asked for; NaN where nothing can be said.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules.frame import Frame, Window
from rules.scan import Bools, Floats, Ints

QUARTERS = 4
LAG_S = 20.0
"""The chamber lags behind the smoke outside by L/u, 10 … 50 s at 0.2 m/s (Heskestad) [S]; this much is made up for."""
YOUNG_MS, OLD_MS = 15_000, 45_000
"""How old the reading is against which a slope is taken."""


class Sight(NamedTuple):
    """At each row asked for."""

    smoke: Floats  # m_c, dB/m
    outside: Floats  # m_c and what the chamber lags behind, dB/m
    slope: Floats  # dB/m a second
    rise_k: Floats  # over 60 s
    warmer_k: Floats  # than the coolest of the last five minutes
    co_rise: Floats  # ppm over 120 s
    more_co: Floats  # ppm above what it was within the last 43 minutes
    damp_rise: Floats  # % of relative humidity, since the oldest quarter of the window
    damper: Floats  # % above what it was within the last 43 minutes
    vapour: Floats  # as `damper`, of the newest reading alone
    least_step: Floats  # dB/m: smallest step from one quarter of the window to the next
    mean_step: Floats  # dB/m
    lasting: Floats  # share of the window at or above A
    late_low: Bools  # below A within the last four minutes


def look(
    frame: Frame, rows: Ints, clean: Floats, nominal: Floats, cadence_ms: Ints, span_ms: Ints,
    temperature: Floats, co: Floats, humidity: Floats,
) -> Sight:  # fmt: skip
    """The features of some rows; all arrays but the frame are theirs."""
    now = frame.ts[rows]
    own = frame.window("obscuration", rows)
    smoke = np.maximum(frame.value[rows] - clean, 0.0)
    age = now[:, None] - own.ts
    kept = np.maximum(own.value - clean[:, None], 0.0)
    there = np.isfinite(own.value) & (age <= span_ms[:, None])
    young = np.maximum(YOUNG_MS, cadence_ms * 9 // 10)
    then, after = _newest(kept, age, young, np.maximum(OLD_MS, 4 * cadence_ms))
    slope = np.where(np.isnan(then), 0.0, (smoke - then) / np.maximum(after, 1) * 1000)
    outside = smoke + np.minimum(LAG_S * np.maximum(slope, 0.0), smoke)
    least_step, mean_step = _steps(kept, age, there, span_ms)
    with np.errstate(invalid="ignore"):
        high = there & (kept >= nominal[:, None])
        lasting = high.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        lasting[_span(age, there) < 0.9 * span_ms] = 0.0
        late_low = (there & ~high & (age <= 240_000)).any(axis=1) | (_span(age, there) < 240_000)
    warmth = frame.window("temperature", rows)
    before, after = _newest(warmth.value, now[:, None] - warmth.ts, 45_000, 200_000)
    rise_k = (temperature - before) / np.maximum(after, 1) * 60_000
    gas = frame.window("co", rows)
    gas_age = now[:, None] - gas.ts
    before, after = _newest(gas.value, gas_age, 90_000, 400_000)
    co_rise = (co - before) / np.maximum(after, 1) * 120_000
    damp = frame.window("humidity", rows)
    damp_age = now[:, None] - damp.ts
    dry = _low(damp, now, 2_600_000, 5)
    damp_now = _mean(damp, damp_age, np.zeros_like(now), np.maximum(170_000, 4 * cadence_ms))
    return Sight(
        smoke=smoke,
        outside=outside,
        slope=slope,
        rise_k=rise_k,
        warmer_k=temperature - _low(warmth, now, 320_000, 1),
        co_rise=co_rise,
        more_co=co - _low(gas, now, 2_600_000, 2),
        damp_rise=damp_now - _mean(damp, damp_age, span_ms * 3 // 4, span_ms * 5 // 4),
        damper=damp_now - dry,
        vapour=humidity - dry,
        least_step=least_step,
        mean_step=mean_step,
        lasting=lasting,
        late_low=late_low,
    )


def _newest(value: Floats, age: Ints, young: Ints | int, old: Ints | int) -> tuple[Floats, Ints]:
    """The newest value at least so old, and its age."""
    low, high = np.broadcast_to(young, len(age))[:, None], np.broadcast_to(old, len(age))[:, None]
    fits = (age >= low) & (age <= high) & np.isfinite(value)
    sought = np.where(fits, age, 2**62)
    at = np.argmin(sought, axis=1)[:, None]
    found = np.take_along_axis(fits, at, axis=1)[:, 0]
    ages = np.take_along_axis(age, at, axis=1)[:, 0]
    return np.where(found, np.take_along_axis(value, at, axis=1)[:, 0], np.nan), np.where(found, ages, 1)


def _low(kept: Window, now: Ints, span_ms: int, rank: int) -> Floats:
    """The lowest value but `rank` - 1 within a span; the highest there is, where there are fewer."""
    value = np.where((now[:, None] - kept.ts <= span_ms) & np.isfinite(kept.value), kept.value, np.inf)
    ranked = np.sort(value, axis=1)
    count = np.isfinite(ranked).sum(axis=1)
    at = np.clip(np.minimum(rank, count) - 1, 0, ranked.shape[1] - 1)
    low = ranked[np.arange(len(ranked)), at]
    return np.asarray(np.where(count > 0, low, np.nan))


def _mean(kept: Window, age: Ints, young: Ints, old: Ints) -> Floats:
    fits = (age >= young[:, None]) & (age <= old[:, None]) & np.isfinite(kept.value)
    count = fits.sum(axis=1)
    total = np.where(fits, kept.value, 0.0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _span(age: Ints, there: Bools) -> Ints:
    return np.asarray(np.where(there, age, 0).max(axis=1))


def _steps(kept: Floats, age: Ints, there: Bools, span_ms: Ints) -> tuple[Floats, Floats]:
    """Smallest and mean step between the means of the quarters; NaN unless each quarter holds two readings."""
    quarter = np.minimum(age * QUARTERS // span_ms[:, None], QUARTERS - 1)
    means: list[npt.NDArray[Any]] = []
    for number in range(QUARTERS):
        inside = there & (quarter == number)
        count = inside.sum(axis=1)
        total = np.where(inside, kept, 0.0).sum(axis=1)
        means.append(np.where(count >= 2, total / np.maximum(count, 1), np.nan))
    steps = np.array([means[number] - means[number + 1] for number in range(QUARTERS - 1)])
    return np.asarray(steps.min(axis=0)), np.asarray(steps.mean(axis=0))
