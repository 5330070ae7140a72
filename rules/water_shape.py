"""Shapes of a level in a short window: noise, steps, how long it has been wet. Pure numpy over rows × readings.

Water comes and goes through a hole of finite size: it rises and drains over several readings. A car, a bag or a spider
comes and leaves between two readings, and in between it does not move. Everything here tells these two apart.
"""

from typing import NamedTuple

import numpy as np

from rules.condition import NEVER
from rules.frame import Window
from rules.scan import Bools, Floats, Ints

WHITE = 1.37
"""Mean of the smaller four fifths of the absolute second differences of white noise of standard deviation 1."""
LONE, LONE_LEAST = 0.2, 3
"""Share and number of the second differences that one blip or step makes: the largest, not looked at."""


class Readings(NamedTuple):
    """Readings of a window, pushed to the right: the newest in the last column, the empty places first."""

    age_min: Floats  # before the row; inf where empty
    value: Floats  # NaN where empty
    held: Bools

    def only(self, rows: Bools | slice) -> "Readings":
        """Those of some rows."""
        return Readings(self.age_min[rows], self.value[rows], self.held[rows])


def packed(window: Window, now: Ints) -> Readings:
    """The window with its empty places first."""
    held = (window.ts != NEVER) & np.isfinite(window.value)
    value, ts = window.value, window.ts
    if not (held[:, 1:] >= held[:, :-1]).all():
        order = np.argsort(held, axis=1, kind="stable")
        held, value, ts = (np.take_along_axis(each, order, axis=1) for each in (held, value, ts))
    age = np.where(held, (now[:, None] - np.where(held, ts, 0)) / 60_000, np.inf)
    return Readings(age, np.where(held, value, np.nan), held)


def noise(readings: Readings) -> Floats:
    """Standard deviation of what is not smooth, from the smaller four fifths of the absolute second differences."""
    z = readings.value
    bend = np.sort(np.abs(z[:, 2:] - 2 * z[:, 1:-1] + z[:, :-2]), axis=1)  # NaN last
    number = np.isfinite(bend).sum(axis=1)
    kept = number - np.minimum(np.maximum(np.floor(LONE * number), LONE_LEAST), number // 2).astype(np.int64)
    inside = np.arange(bend.shape[1])[None, :] < kept[:, None]
    return np.asarray(np.where(inside, bend, 0.0).sum(axis=1) / np.maximum(kept, 1) / WHITE)


def smoothed(readings: Readings) -> Floats:
    """Median of three along each row: one reading that stands alone vanishes, a step stays where it is."""
    z = readings.value
    low, high = np.minimum(z[:, :-1], z[:, 1:]), np.maximum(z[:, :-1], z[:, 1:])
    # the median of a, b, c is max(min(a, b), min(max(a, b), c))
    middle = np.fmax(low[:, :-1], np.fmin(high[:, :-1], z[:, 2:]))
    out = z.copy()
    inner = np.isfinite(middle) & np.isfinite(z[:, :-2])
    out[:, 1:-1] = np.where(inner, middle, z[:, 1:-1])
    out[:, -1] = np.where(inner[:, -1], middle[:, -1], z[:, -1])  # a newest one that stands alone is not believed yet
    return out


class Step(NamedTuple):
    """The newest step of each row, if any."""

    found: Bools
    readings: Ints  # how many came since, itself included
    spread: Floats  # highest less lowest since, after smoothing


def newest_step(readings: Readings, least: float, least_per_min: float, share: float) -> Step:
    """Where the level last came to what it is now in one step between two readings.

    Args:
        readings: of the windows.
        least: m of a step.
        least_per_min: m/min of a step (readings may have been missed, or doubted, while it came).
        share: of the newest level: a step that made less of it is one of several that water took.
    """
    z = smoothed(readings)
    jump = np.abs(z[:, 1:] - z[:, :-1])
    known = readings.held[:, :-1] & readings.held[:, 1:]
    age = np.where(readings.held, readings.age_min, 0.0)
    minutes = np.where(known, np.maximum(age[:, :-1] - age[:, 1:], 1e-3), np.inf)
    steps = known & (jump >= least) & (jump >= least_per_min * minutes) & (jump >= share * np.abs(z[:, -1:]))
    found: Bools = np.asarray(steps.any(axis=1))
    width = z.shape[1]
    at = width - 1 - np.argmax(steps[:, ::-1], axis=1)  # the column after the step
    since = found[:, None] & (np.arange(width)[None, :] >= at[:, None])
    high = np.where(since, z, -np.inf).max(axis=1)
    low = np.where(since, z, np.inf).min(axis=1)
    with np.errstate(invalid="ignore"):
        spread = np.where(found, high - low, np.nan)
    return Step(found, since.sum(axis=1), spread)


class Stretch(NamedTuple):
    """The readings of each row that are wet without a break, as far back as its window goes."""

    readings: Ints
    median: Floats


def wet_stretch(readings: Readings, wet: Floats) -> Stretch:
    """The stretch of readings at or over `wet` that ends at the row."""
    dry = readings.held & ~(readings.value >= wet[:, None])
    inside = readings.held & ~np.logical_or.accumulate(dry[:, ::-1], axis=1)[:, ::-1]
    number = inside.sum(axis=1)
    order = np.sort(np.where(inside, readings.value, np.inf), axis=1)
    middle = order[np.arange(len(order)), np.maximum((number - 1) // 2, 0)]
    return Stretch(number, np.where(number > 0, middle, np.nan))


def normal(x: Floats) -> Floats:
    """Distribution function of the standard normal, to 1.5e-7 (Abramowitz and Stegun 7.1.26)."""
    t = 1 / (1 + 0.3275911 * np.abs(x) / np.sqrt(2))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    upper = 0.5 * series * np.exp(-np.square(x) / 2)
    return np.asarray(np.where(x >= 0, 1 - upper, upper))
