"""Figures of detection and their uncertainty (definitions: docs/detection.md). Pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054


def wilson(hits: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a proportion; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    share, square = hits / trials, z * z / trials
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / trials + square / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def _poisson_cdf(count: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    logs = np.arange(count + 1) * math.log(mean) - mean
    logs -= np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    return float(min(1.0, np.exp(logs).sum()))


def _solve(falls: Callable[[float], float], target: float, high: float) -> float:
    """Where a falling function reaches `target`, between 0 and `high`."""
    low = 0.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(middle) > target else (low, middle)
    return (low + high) / 2


EXACT_MOST = 2000


def poisson_bound(count: int, confidence: float = 0.95) -> float:
    """Upper one-sided bound of a Poisson mean of which `count` were seen: 0 → 3.00, 1 → 4.74."""
    if count > EXACT_MOST:
        z = {0.95: 1.6448536, 0.975: Z95}[confidence]
        n = count + 1.0
        return n * (1 - 1 / (9 * n) + z / (3 * math.sqrt(n))) ** 3  # Wilson and Hilferty
    return _solve(lambda mean: _poisson_cdf(count, mean), 1 - confidence, count + 12 + 6 * math.sqrt(count + 1))


def poisson_interval(count: int) -> tuple[float, float]:
    """Garwood's exact 95 % interval of a Poisson mean: 0 → (0, 3.69), 10 → (4.80, 18.39)."""
    high = poisson_bound(count, 0.975)
    if count == 0:
        return 0.0, high
    if count > EXACT_MOST:
        n = float(count)
        return n * (1 - 1 / (9 * n) - Z95 / (3 * math.sqrt(n))) ** 3, high
    return _solve(lambda mean: _poisson_cdf(count - 1, mean), 0.975, float(count)), high


@dataclass(frozen=True, slots=True)
class Rate:
    """A count over an exposure, with its exact interval and the one-sided bound."""

    count: int
    exposure: float
    rate: float
    low: float
    high: float
    bound: float

    @classmethod
    def of(cls, count: int, exposure: float) -> Rate:
        """Of `count` in `exposure` (device-months, panel-years)."""
        if exposure <= 0:
            return cls(count, exposure, math.nan, math.nan, math.nan, math.nan)
        low, high = poisson_interval(count)
        return cls(count, exposure, count / exposure, low / exposure, high / exposure, poisson_bound(count) / exposure)


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion with Wilson's interval."""

    hits: int
    trials: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, trials: int) -> Share:
        """Of `hits` in `trials`."""
        low, high = wilson(hits, trials)
        return cls(hits, trials, hits / trials if trials else math.nan, low, high)


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Number, median, 95th percentile and most of some values; NaN without any."""
    if not len(values):
        return {"n": 0, "median": math.nan, "p95": math.nan, "max": math.nan}
    array = np.asarray(values, dtype=np.float64)
    return {
        "n": len(array),
        "median": float(np.median(array)),
        "p95": float(np.percentile(array, 95)),
        "max": float(array.max()),
    }


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a median by order statistics (binomial); NaN below six values."""
    n = len(values)
    if n < 6:
        return math.nan, math.nan
    rank = int(np.floor(n / 2 - Z95 * math.sqrt(n) / 2))
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    return float(ordered[max(rank, 0)]), float(ordered[min(n - 1 - max(rank, 0), n - 1)])


def contingency(hits: int, misses: int, false: int) -> dict[str, float]:
    """POD = H/(H+M), FAR = F/(H+F), CSI = H/(H+M+F); NaN where nothing is in the denominator."""

    def ratio(above: int, below: int) -> float:
        return above / below if below else math.nan

    return {
        "pod": ratio(hits, hits + misses),
        "far": ratio(false, hits + false),
        "csi": ratio(hits, hits + misses + false),
    }


def brier(probability: Sequence[float], happened: Sequence[bool]) -> float:
    """Mean squared error of probabilities; NaN without any."""
    if not len(probability):
        return math.nan
    return float(np.mean((np.asarray(probability, dtype=np.float64) - np.asarray(happened, dtype=np.float64)) ** 2))


def reliability(probability: Sequence[float], happened: Sequence[bool], bins: int = 10) -> list[list[float]]:
    """By bin: mean probability, share that happened, number."""
    said, came = np.asarray(probability, dtype=np.float64), np.asarray(happened, dtype=np.float64)
    index = np.minimum((said * bins).astype(np.int64), bins - 1)
    return [
        [float(said[index == each].mean()), float(came[index == each].mean()), int((index == each).sum())]
        for each in range(bins)
        if (index == each).any()
    ]


# ---- NAB: a sanity column, no more (Wu & Keogh) ----

NAB_PROFILES: Mapping[str, tuple[float, float, float]] = {
    "standard": (1.0, 0.11, 1.0),
    "reward_low_fp": (1.0, 0.22, 1.0),
    "reward_low_fn": (1.0, 0.11, 2.0),
}
"""Weights of true positive, false positive, false negative."""


def _nab_sigmoid(position: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(position >= 3.0, -1.0, 2 / (1 + np.exp(5 * np.minimum(position, 3.0))) - 1)


def nab_raw(count: int, windows: Sequence[tuple[int, int]], detected: Sequence[int], profile: str) -> float:
    """Score of one series as in NAB: each window's earliest detection, every detection outside, every window missed.

    Args:
        count: rows of the series; detections in the first 15 % (at most 750 rows) are not scored.
        windows: first and last row of each, in order.
        detected: rows at which the detector spoke.
        profile: of `NAB_PROFILES`.
    """
    true, false, missed = NAB_PROFILES[profile]
    probation = min(math.floor(0.15 * count), 750)
    rows = np.unique(np.asarray([row for row in detected if row >= probation], dtype=np.int64))
    total, inside = 0.0, np.zeros(len(rows), dtype=np.bool_)
    most = float(_nab_sigmoid(np.array([-1.0]))[0])
    for first, last in windows:
        within = (rows >= first) & (rows <= last)
        inside |= within
        if within.any():
            position = np.array([-(last - float(rows[within][0]) + 1) / (last - first + 1)])
            total += true * float(_nab_sigmoid(position)[0]) / most
        elif last >= probation:
            total -= missed
    outside = rows[~inside]
    if len(outside):
        ends = np.asarray([last for _, last in windows], dtype=np.int64)
        widths = np.asarray([last - first for first, last in windows], dtype=np.float64)
        before = np.searchsorted(ends, outside, side="left") - 1 if len(windows) else np.full(len(outside), -1)
        position = np.full(len(outside), 3.0)
        known = before >= 0
        position[known] = (outside[known] - ends[before[known]]) / np.maximum(widths[before[known]], 1.0)
        total += false * float(_nab_sigmoid(position).sum())
    return total


def nab_score(raw: float, windows: int, profile: str) -> float:
    """0 = says nothing, 100 = perfect; NaN where there is no window."""
    true, _, missed = NAB_PROFILES[profile]
    return 100 * (raw + missed * windows) / ((true + missed) * windows) if windows else math.nan
