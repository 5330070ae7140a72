"""Shapes of a level in a short window: noise, steps, how long it has been wet. Pure numpy over rows × readings.

Water comes and goes through a hole of finite size: it rises and drains over several readings. A car, a bag or a spider
comes and leaves between two readings, and in between it does not move. Everything here tells these two apart.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules.condition import NEVER
from rules.frame import Window
from rules.scan import Bools, Floats, Ints, every, some

WHITE = 1.37
"""Mean of the smaller four fifths of the absolute second differences of white noise of standard deviation 1."""
LONE, LONE_LEAST = 0.2, 3
"""Share and number of the second differences that one blip or step makes: the largest, not looked at."""


TWO_PER_MIN, TWO_SHARE, TWO_EACH = 0.05, 0.8, 0.1
"""A step of which one reading caught the middle: faster than water, nearly all of the height, in two intervals."""

FALL_M, FALL_PER_MIN, FALL_SHARE = 0.05, 0.05, 0.2
"""Water drains no faster: what falls by so much, so fast and by such a share was none."""
LEAP_M, LEAP_PER_MIN = 0.10, 0.10
"""Three times what the model underpass rises in a minute."""
CHUNK = 2048
"""Rows whose windows are looked at together: keeps them in the cache."""


class Readings(NamedTuple):
    """Readings of a window, pushed to the right: the newest in the last column, the empty places first."""

    age_min: Floats  # before the row; inf where empty
    value: Floats  # NaN where empty
    held: Bools

    def only(self, rows: Bools | Ints | slice) -> "Readings":
        """Those of some rows."""
        return Readings(self.age_min[rows], self.value[rows], self.held[rows])


def with_one_more(window: Window, ts: Ints, value: Floats) -> Window:
    """The window with one reading more in each row, in its place; NEVER: none."""
    column = np.arange(window.ts.shape[1] + 1)[None, :]
    older = (window.ts != NEVER) & (window.ts < ts[:, None])
    place = np.where(older, column[:, 1:], 0).max(axis=1)[:, None]

    def widened(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        ends = new[:, None]
        wide = np.where(column < place, np.concatenate((old, ends), axis=1), np.concatenate((ends, old), axis=1))
        return np.where(column == place, ends, wide)

    return Window(widened(window.ts, ts), widened(window.value, value))


def packed(window: Window, now: Ints) -> Readings:
    """The window with its empty places first."""
    held = (window.ts != NEVER) & np.isfinite(window.value)
    value, ts = window.value, window.ts
    if not every(held[:, 1:] >= held[:, :-1]):
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
    age_min: Floats  # of the first reading after it


class Steps:
    """What a level did between any two readings of its window, after smoothing."""

    def __init__(self, readings: Readings) -> None:
        self.z = z = smoothed(readings)
        self.now = np.abs(z[:, -1:])
        self.age = np.where(readings.held, readings.age_min, 0.0)
        self.known = readings.held[:, :-1] & readings.held[:, 1:]
        self.rise = z[:, 1:] - z[:, :-1]
        self.jump = np.abs(self.rise)
        self.minutes = np.where(self.known, np.maximum(self.age[:, :-1] - self.age[:, 1:], 1e-3), np.inf)
        both = np.abs(z[:, 2:] - z[:, :-2])
        caught = self.known[:, 1:] & self.known[:, :-1] & (both >= TWO_SHARE * self.now)
        self.two = caught & (np.minimum(self.jump[:, 1:], self.jump[:, :-1]) >= TWO_EACH * both)
        self.both, self.both_minutes = both, self.minutes[:, 1:] + self.minutes[:, :-1]

    def newest(self, least: Floats | float, least_per_min: float, share: float) -> Step:
        """Where the level last came to what it is now in one step between two readings, or three.

        Args:
            least: m of a step.
            least_per_min: m/min of a step (readings may have been missed, or doubted, while it came).
            share: of the newest level: a step that made less of it is one of several that water took.
        """
        z, steps = self.z, self._at(least, least_per_min, share)
        found: Bools = np.asarray(steps.any(axis=1))
        count, width = z.shape
        readings, spread, first = np.zeros(count, dtype=np.int64), np.full(count, np.nan), np.zeros(count)
        rows = found.nonzero()[0]
        if len(rows):
            at = width - 1 - np.argmax(steps[rows, ::-1], axis=1)  # the column after the step
            after, since = z[rows], np.arange(width)[None, :] >= at[:, None]
            readings[rows] = width - at
            high = np.where(since, after, -np.inf).max(axis=1)
            low = np.where(since, after, np.inf).min(axis=1)
            spread[rows], first[rows] = high - low, self.age[rows, at]
        return Step(found, readings, spread, first)

    def found(self, least: Floats | float, least_per_min: float, share: float) -> Bools:
        """Whether there is such a step."""
        return np.asarray(self._at(least, least_per_min, share).any(axis=1))

    def _at(self, least: Floats | float, least_per_min: float, share: float) -> Bools:
        least = np.reshape(least, (-1, 1))
        steps = self.jump >= np.maximum(least, share * self.now)
        steps &= self.known & (self.jump >= least_per_min * self.minutes)
        if some(self.two):
            slow = max(least_per_min, TWO_PER_MIN) * self.both_minutes
            steps[:, 1:] |= self.two & (self.both >= least) & (self.both >= slow)
        return steps

    def newest_fall(self) -> Floats:
        """Minutes since the level fell as no water drains; inf: not in the window. One reading alone is no fall."""
        fall = -self.rise
        falls = self.known & (fall >= FALL_M)
        if not some(falls):
            return np.full(len(fall), np.inf)
        falls &= (fall >= FALL_PER_MIN * self.minutes) & (fall >= FALL_SHARE * self.z[:, :-1])
        return np.asarray(np.where(falls, self.age[:, 1:], np.inf).min(axis=1))


class Stretch(NamedTuple):
    """The readings of each row that are wet without a break, as far back as its window goes."""

    readings: Ints
    median: Floats
    leaps: Ints  # how often it came up or fell as no water does, echoes of one reading included


def wet_stretch(readings: Readings, wet: Floats) -> Stretch:
    """The stretch of readings at or over `wet` that ends at the row."""
    dry = readings.held & ~(readings.value >= wet[:, None])
    inside = readings.held & ~np.logical_or.accumulate(dry[:, ::-1], axis=1)[:, ::-1]
    number = inside.sum(axis=1)
    order = np.sort(np.where(inside, readings.value, np.inf), axis=1)
    middle = order[np.arange(len(order)), np.maximum((number - 1) // 2, 0)]
    age = np.where(readings.held, readings.age_min, np.inf)
    with np.errstate(invalid="ignore"):
        jump, minutes = np.abs(np.diff(readings.value, axis=1)), age[:, :-1] - age[:, 1:]
        leaps = inside[:, 1:] & (jump >= LEAP_M) & (jump >= LEAP_PER_MIN * minutes)
    return Stretch(number, np.where(number > 0, middle, np.nan), leaps.sum(axis=1))


def normal(x: Floats) -> Floats:
    """Distribution function of the standard normal, to 1.5e-7 (Abramowitz and Stegun 7.1.26)."""
    t = 1 / (1 + 0.3275911 * np.abs(x) / np.sqrt(2))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    upper = 0.5 * series * np.exp(-np.square(x) / 2)
    return np.asarray(np.where(x >= 0, 1 - upper, upper))
