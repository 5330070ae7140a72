"""Weather of a building over a year, hour by hour: air, sun on the glass, wind with typhoons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.wind import Typhoon

Floats = npt.NDArray[np.floating[Any]]

STEP_S = 600.0


@dataclass(frozen=True, slots=True)
class Climate:
    """Series every `STEP_S` from second 0."""

    times: Floats
    air_c: Floats
    sun: Floats  # 0 … 1, clear noon
    wind_m_s: Floats  # ten-minute mean at 10 m


def wander(count: int, keep: float, rng: np.random.Generator) -> Floats:
    """AR(1) of unit variance."""
    shocks = (np.sqrt(1 - keep**2) * rng.standard_normal(count)).tolist()
    out, state = [], float(rng.standard_normal())
    for shock in shocks:
        state = keep * state + shock
        out.append(state)
    return np.array(out)


def year(days: float, first_day: float, hour: float, rng: np.random.Generator, typhoons_a_year: float = 1.5) -> Climate:
    """Shanghai in outline [K]: 4 °C in January, 29 °C in July, breezes of 3.5 m/s, typhoons from July to September.

    Args:
        days: length.
        first_day: day of the year at second 0.
        hour: local hour at second 0.
        rng: the weather's.
        typhoons_a_year: passages near enough for gale.
    """
    times = np.arange(0, days * 86_400, STEP_S)
    day = first_day + times / 86_400
    clock = (hour + times / 3600) % 24
    season = -np.cos(2 * np.pi * (day - 20) / 365.25)
    slow = wander(len(times), float(np.exp(-STEP_S / 250_000)), rng)
    cloud = np.clip(0.55 + 0.35 * wander(len(times), float(np.exp(-STEP_S / 60_000)), rng), 0, 1)
    high = np.clip(np.sin((clock - 6) / 12 * np.pi), 0, None) * (0.75 + 0.25 * season)
    sun = high * (1 - 0.85 * cloud)
    air = 16.5 + 12.3 * season + 3.0 * slow + (1.5 + 3.0 * (1 - cloud)) * np.sin((clock - 9) / 24 * 2 * np.pi)
    gusty = wander(len(times), float(np.exp(-STEP_S / 40_000)), rng)
    wind = 3.0 * np.exp(0.5 * gusty) * (1 + 0.25 * np.sin((clock - 9) / 24 * 2 * np.pi))
    for at in _passages(days, first_day, typhoons_a_year, rng):
        storm = Typhoon(at, float(rng.uniform(16, 32)), eye_s=2400.0 if rng.random() < 0.2 else 0.0)
        blow = storm.mean_m_s(times)
        near = np.abs(times - at) < storm.rise_s
        # In the eye it is calm whatever the weather was.
        wind = np.where(near, blow, np.maximum(wind, blow * np.exp(-np.abs(times - at) / 86_400)))
    return Climate(times, air, sun, np.maximum(wind, 0.1))


def _passages(days: float, first_day: float, a_year: float, rng: np.random.Generator) -> list[float]:
    """Seconds at which a typhoon's centre is nearest: any day of July to September, with a year's chance spread so."""
    out = []
    for start in range(int(first_day // 365) * 365, int(first_day + days) + 1, 365):
        for _ in range(rng.poisson(a_year)):
            at = (start + rng.uniform(182, 273) - first_day) * 86_400
            if 0 < at < days * 86_400:
                out.append(float(at))
    return out
