"""Rain over a town: design storms, the plum-rain season, cells that move over a grid of gauges (DOMAIN D2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.rain import design_intensity_mm_h

Floats = npt.NDArray[np.floating[Any]]

_B_MIN, _C = 7.0, 0.656

FEW = 6


def chicago(times_s: Floats, years: Floats, duration_s: Floats, peak_ratio: Floats) -> Floats:
    """Intensity mm/h of n Chicago storms that begin at second 0: n × T (`simulators.rain.Storm`, vectorised)."""
    peak = peak_ratio * duration_s
    t = times_s[None, :]
    share = np.where(t < peak[:, None], peak_ratio[:, None], 1 - peak_ratio[:, None])
    minutes = np.abs(t - peak[:, None]) / 60 / share
    scale = np.array([design_intensity_mm_h(0, float(each)) for each in years])[:, None] * _B_MIN**_C
    rain = scale * ((1 - _C) * minutes + _B_MIN) / (minutes + _B_MIN) ** (1 + _C)
    return np.asarray(np.where((t >= 0) & (t <= duration_s[:, None]), rain, 0.0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Cells:
    """k storm cells: Gaussian in space, a rise and fall in time, carried along by the wind aloft."""

    start_s: Floats
    duration_s: Floats
    intensity_mm_h: Floats  # at the centre, at its height
    radius_m: Floats
    x_m: Floats  # centre at its start
    y_m: Floats
    east_m_s: Floats
    north_m_s: Floats

    def rain(self, times_s: Floats, x_m: Floats, y_m: Floats) -> Floats:
        """Intensity mm/h at p places: T × p."""
        total = np.zeros((len(times_s), len(x_m)))
        for k in range(len(self.start_s)):
            begin, end = np.searchsorted(times_s, (self.start_s[k], self.start_s[k] + self.duration_s[k]))
            if begin == end:
                continue
            age = times_s[begin:end] - self.start_s[k]
            life = np.sin(np.pi * age / self.duration_s[k])
            east = self.x_m[k] + self.east_m_s[k] * age
            north = self.y_m[k] + self.north_m_s[k] * age
            away = (x_m[None, :] - east[:, None]) ** 2 + (y_m[None, :] - north[:, None]) ** 2
            total[begin:end] += self.intensity_mm_h[k] * life[:, None] * np.exp(-away / (2 * self.radius_m[k] ** 2))
        return total

    def __len__(self) -> int:
        """How many cells."""
        return len(self.start_s)


def crossing_cells(rng: np.random.Generator, storm_count: int, seconds: float, extent_m: float) -> Cells:
    """Convective storms that cross a town of `extent_m` at 5…15 m/s.

    Each is a train of one to six cells (radius 1.5…4 km, 30…130 mm/h, 1…2 h) that follow one another a quarter of an
    hour apart, as those that flood streets do.
    """
    cells = rng.integers(1, 7, storm_count)
    storm = np.repeat(np.arange(storm_count), cells)
    turn = np.concatenate([np.arange(each) for each in cells]) if storm_count else np.zeros(0)
    count = len(storm)
    heading = rng.uniform(0, 2 * np.pi, storm_count)[storm]
    speed = rng.uniform(5, 15, storm_count)[storm]
    begin = np.sort(rng.uniform(0, max(seconds - 21_600, 1.0), storm_count))[storm]
    peak = np.exp(rng.uniform(np.log(30), np.log(130), storm_count))[storm]
    duration = rng.uniform(3600, 7200, count)
    east, north = speed * np.cos(heading), speed * np.sin(heading)
    x, y = (rng.uniform(0, extent_m, storm_count)[storm] for _ in range(2))
    # In the middle of its life a cell is somewhere over the town.
    return Cells(
        start_s=begin + 900.0 * turn,
        duration_s=duration,
        intensity_mm_h=peak * rng.uniform(0.5, 1.0, count),
        radius_m=rng.uniform(1500, 4000, count),
        x_m=x - east * duration / 2,
        y_m=y - north * duration / 2,
        east_m_s=east,
        north_m_s=north,
    )


def plum_rain(times_s: Floats, rng: np.random.Generator, season_mm: float = 250.0, days: float = 30.0) -> Floats:
    """Intensity mm/h of a plum-rain season (梅雨): a compound Poisson process of cells of 2…6 h, in spells.

    A cell every 18 h on average; depths are exponential, so that a season brings `season_mm` in `days` on average
    (Shanghai: 190…310 mm). Within a cell the rain flickers (AR(1) in the logarithm, 10 minutes).
    """
    step = float(times_s[1] - times_s[0])
    span_s = float(times_s[-1] - times_s[0])
    count = int(rng.poisson(span_s / 64_800))
    mean_mm = season_mm / (days * 86_400 / 64_800)
    rain = np.zeros(len(times_s))
    for _ in range(count):
        at, duration = rng.uniform(0, span_s), rng.uniform(7200, 21_600)
        begin, end = np.searchsorted(times_s - times_s[0], (at, at + duration))
        if end - begin < 2:
            continue
        share = (np.arange(end - begin) + 0.5) / (end - begin)
        knots = int(duration / 600) + 2
        flicker = np.exp(0.7 * _ar1(knots, 0.6, rng))
        shape = np.sin(np.pi * share) * np.interp(share * (knots - 1), np.arange(knots), flicker)
        depth = rng.exponential(mean_mm)
        rain[begin:end] += depth * shape / (shape.sum() * step / 3600)
    return np.minimum(rain, 150.0)


def _ar1(count: int, keep: float, rng: np.random.Generator) -> Floats:
    out = np.empty(count)
    state = rng.standard_normal()
    for index, shock in enumerate(rng.standard_normal(count)):
        state = keep * state + np.sqrt(1 - keep**2) * shock
        out[index] = state
    return out


def nash(inflow: Floats, reservoir_s: Floats, step_s: float, reservoirs: int = 2) -> Floats:
    """A cascade of linear reservoirs: inflow n × T (any unit of flow) to outflow n × T, explicit steps as live."""
    if len(inflow) < FEW:
        return _nash_of_few(inflow, reservoir_s, step_s, reservoirs)
    stores = np.zeros((reservoirs, len(inflow)))
    out = np.empty_like(inflow)
    for index in range(inflow.shape[1]):
        arriving = inflow[:, index]
        for number in range(reservoirs):
            leaving = stores[number] / reservoir_s
            stores[number] += (arriving - leaving) * step_s
            arriving = leaving
        out[:, index] = arriving
    return out


def _nash_of_few(inflow: Floats, reservoir_s: Floats, step_s: float, reservoirs: int) -> Floats:
    """The same on plain floats: for a few series numpy's calls cost more than the sums."""
    out = []
    for first, constant in zip(inflow.tolist(), reservoir_s.tolist(), strict=True):
        series = first
        for _ in range(reservoirs):
            store, left = 0.0, []
            for arriving in series:
                leaving = store / constant
                store += (arriving - leaving) * step_s
                left.append(leaving)
            series = left
        out.append(series)
    return np.array(out)


def bucket(rain_mm_h: Floats, step_s: float, tip_mm: float = 0.2) -> Floats:
    """What a tipping bucket has counted by the end of each step, mm, for n gauges × T."""
    fallen = np.cumsum(rain_mm_h * step_s / 3600, axis=-1)
    return np.asarray(np.round(np.floor(fallen / tip_mm + 1e-9) * tip_mm, 3), dtype=np.float64)
