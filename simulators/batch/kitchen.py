"""Many episodes of everyday smoke and steam at once: what a detector's chamber, cell and hygrometer make of each.

An episode is a source in a room (bursts of frying, a ramp of toast, steam, a cigarette, a pot burnt dry) that fills it,
leaks into the next ones and passes a chamber with its lag: first-order lags all, therefore linear, therefore the
peak at the nearest detector can be drawn and the rest scaled to it. How often a meal reaches 0.15 dB/m comes from the
CPSC's field test by distance (photoelectric: 3.0, 6.0, 0.9 % of cooking events at 5, 10, 20 ft; 469 events, 9 homes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

STEP_S = 5.0
NOMINAL_DB_M = 0.15
SPREAD = 0.7
"""σ of the logarithm of a meal's peak [P]. The field test fixes the share above 0.15 dB/m and says nothing of the tail:
of meals at 3 m 6 % pass 0.15, then 0.5 % pass 0.30; with 0.9 it would be 1 %, with 0.5 it would be 0.2 %."""

CPSC_M = (1.52, 3.05, 6.10)
CPSC_SHARE = (0.030, 0.060, 0.009)


class Shape(NamedTuple):
    """How a kind of episode goes: shortest and longest seconds, peak heat K, CO ppm, humidity % at its peak."""

    shortest_s: float
    longest_s: float
    rise_k: float
    co: float
    humidity: float


SHAPES = {
    "frying": Shape(240, 1200, 1.5, 5.0, 6.0),
    "boiling": Shape(600, 2400, 1.0, 2.0, 12.0),
    "toast": Shape(60, 240, 1.5, 8.0, 2.0),
    "steam": Shape(240, 900, 1.5, 0.0, 32.0),  # a shower beside the detector
    "cigarette": Shape(300, 420, 0.2, 2.0, 0.0),
    "incense": Shape(1800, 7200, 0.2, 1.5, 0.0),
    "dry_burn": Shape(600, 2400, 2.0, 7.0, 3.0),
}
KINDS = tuple(SHAPES)
MEALS = ("frying", "boiling", "toast")
MEAL_SHARES = (0.50, 0.42, 0.08)

LONGEST_S = {kind: shape.longest_s + 1500.0 for kind, shape in SHAPES.items()}
"""How long the trace of an episode is: until it has died away."""


def share_above_nominal(distance_m: Floats) -> Floats:
    """Share of cooking events that bring a detector at a distance to 0.15 dB/m; flat outside 1.5 … 6.1 m."""
    return np.interp(np.log(distance_m), np.log(CPSC_M), CPSC_SHARE)


def draw_meal_peak(distance_m: Floats, rng: np.random.Generator, spread: float = SPREAD) -> Floats:
    """Peak obscuration of meals at their nearest detector: lognormal, so that the CPSC's share passes 0.15 dB/m."""
    median = NOMINAL_DB_M * np.exp(-spread * _normal_quantile(1 - share_above_nominal(distance_m)))
    peak: Floats = median * np.exp(spread * rng.standard_normal(len(distance_m)))
    return np.minimum(peak, 2.5)


def draw_peak(kind: str, distance_m: Floats, rng: np.random.Generator, spread: float = SPREAD) -> Floats:
    """Peak obscuration at the nearest detector by kind, dB/m."""
    n = len(distance_m)
    if kind in MEALS:
        return draw_meal_peak(distance_m, rng, spread)
    low, high = {
        "steam": (0.03, 0.5),
        "cigarette": (0.02, 0.08),
        "incense": (0.005, 0.04),
        "dry_burn": (0.3, 1.5),
    }[kind]
    return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high), n)), dtype=np.float64)


def _normal_quantile(share: Floats) -> Floats:
    """Quantile of the standard normal distribution (Abramowitz and Stegun 26.2.23, |error| < 4.5e-4)."""
    tail = np.minimum(share, 1 - share)
    t = np.sqrt(-2 * np.log(tail))
    upper = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)
    return np.asarray(np.where(share >= 0.5, upper, -upper), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Episodes:
    """Traces of n episodes of one kind, every `STEP_S` from their start: n × d × T.

    `chamber` is scaled to 1 at the reference detector; `co`, `rise_k`, `humidity` are in their units there.
    """

    kind: str
    duration_s: Floats  # n, how long the source went on
    chamber: npt.NDArray[np.float32]
    rise_k: npt.NDArray[np.float32]
    co: npt.NDArray[np.float32]
    humidity: npt.NDArray[np.float32]


def _sources(kind: str, duration: Floats, steps: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Strength of the aerosol's source and of the heat's by step, n × T."""
    n = len(duration)
    age = np.arange(1, steps + 1)[None, :] * STEP_S
    on = age <= duration[:, None]
    progress = np.minimum(age / duration[:, None], 1.0)
    if kind in {"frying", "boiling"}:
        bursts = 7 if kind == "frying" else 4
        aerosol = np.zeros((n, steps)) + (0.05 if kind == "frying" else 0.35) * on
        for _ in range(bursts):
            at = rng.uniform(0.05, 1.0, n) * duration
            strength = np.where(rng.random(n) < 0.7, np.exp(rng.uniform(np.log(0.15), 0.0, n)), 0.0)
            width = rng.uniform(15, 45, n) if kind == "frying" else rng.uniform(40, 150, n)
            aerosol += strength[:, None] * np.exp(-(((age - at[:, None]) / width[:, None]) ** 2))
        return aerosol, on.astype(np.float64)
    if kind == "toast":
        return progress**2 * on, on.astype(np.float64)
    if kind == "dry_burn":
        power = rng.uniform(1.0, 2.2, n)[:, None]
        return progress**power * on, on.astype(np.float64)
    wobble = 1 + 0.3 * np.sin(2 * np.pi * age / rng.uniform(40, 120, n)[:, None]) * (kind == "cigarette")
    return on * wobble, on.astype(np.float64)


def _lag(series: Floats, tau_s: Floats) -> Floats:
    """First-order lag along the last axis; `tau_s` is n."""
    weight = -np.expm1(-STEP_S / tau_s)
    out = np.empty_like(series)
    state = np.zeros(len(series))
    for step in range(series.shape[1]):
        state = state + (series[:, step] - state) * weight
        out[:, step] = state
    return out


def simulate(
    kind: str, dilution: Floats, passage_s: Floats, rng: np.random.Generator, chamber_s: float = 20.0
) -> Episodes:
    """Simulate n episodes of a kind at d detectors.

    Args:
        kind: of `KINDS`.
        dilution: n × d, how much of the source's room reaches each detector, 1 = all; the largest is the reference.
        passage_s: n × d, time constant of the way to each detector (a room filling through a door).
        rng: for durations, bursts and decay.
        chamber_s: lag of the chamber, L/u of 3 m at 0.15 m/s.
    """
    shape = SHAPES[kind]
    n, d = len(dilution), int(dilution.shape[1])
    steps = int(LONGEST_S[kind] / STEP_S)
    duration = np.exp(rng.uniform(np.log(shape.shortest_s), np.log(shape.longest_s), n))
    aerosol, heat = _sources(kind, duration, steps, rng)
    # A room is cleared by its hood and window; a pot burnt dry goes on smoking into a room that hardly clears.
    slow = kind == "dry_burn"
    quickest, longest = (150.0, 400.0) if slow else (60.0, 180.0)
    clears_s = quickest + (longest - quickest) * rng.random(n)
    room = _lag(aerosol, clears_s)
    warm = _lag(heat, np.full(n, 240.0))
    vapour = _lag(heat if kind in {"steam", "boiling"} else aerosol, clears_s)
    gas = _lag(np.maximum(0.3 * heat, aerosol), np.full(n, 300.0))
    out = np.zeros((4, n, d, steps), dtype=np.float32)
    for detector in range(d):
        share = dilution[:, detector, None]
        for index, series in enumerate((room, warm, gas, vapour)):
            there = _lag(series, passage_s[:, detector])
            lagged = _lag(there, np.full(n, chamber_s if index == 0 else 20.0))
            out[index, :, detector] = share * lagged
    reference = np.argmax(dilution, axis=1)
    top = out[:, np.arange(n), reference].max(axis=2)  # 4 × n
    scale = np.array([1.0, shape.rise_k, shape.co, shape.humidity])[:, None] * np.ones(n)
    scale[1:] *= rng.uniform(0.5, 1.0, (3, n))
    out *= (scale / np.maximum(top, 1e-9)).astype(np.float32)[:, :, None, None]
    return Episodes(kind, duration, out[0], out[1], out[2], out[3])


def meal_times(days: int, per_day: float, rng: np.random.Generator) -> Floats:
    """When a household cooks, local hours since the first midnight: breakfast, lunch, supper, and now and then else."""
    times: list[float] = []
    for hour, spread, share in ((7.0, 0.6, 0.75), (11.7, 0.5, 0.7), (18.0, 0.7, 0.95), (21.5, 1.5, 0.1)):
        happens = rng.random(days) < min(1.0, share * per_day / 2.5)
        times += (24 * np.flatnonzero(happens) + hour + spread * rng.standard_normal(int(happens.sum()))).tolist()
    return np.sort(np.asarray(times, dtype=np.float64))


def local_hours(start_ms: int) -> float:
    """Hour of the day in China (UTC+8, no summer time) of an instant."""
    return (start_ms / 3_600_000 + 8) % 24


def pick(kinds: Sequence[str], shares: Sequence[float], n: int, rng: np.random.Generator) -> list[str]:
    """Draw n kinds at random."""
    return [kinds[index] for index in rng.choice(len(kinds), n, p=np.asarray(shares) / sum(shares))]
