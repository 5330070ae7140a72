"""Wind at a façade: mean speed over hours, gusts from a Davenport spectrum, pressure (DOMAIN D3).

Davenport: n·S(n)/u*² = 4x²/(1 + x²)^(4/3), x = 1200·n/V10. Kaimal: n·S/u*² = 200f/(1 + 50f)^(5/3), f = nz/V(z). Von
Kármán: n·S/σ² = 4y/(1 + 70.8y²)^(5/6), y = nL/V(z) (it fits what masts saw in typhoon Mangkhut). Terrain constants of
GB 50009-2012, 8.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

ALPHA = {"A": 0.12, "B": 0.15, "C": 0.22, "D": 0.30}
"""Exponent of the mean profile V(z) = V10·(z/10)^α by terrain class."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Mean wind at 10 m: a breeze, with one storm that rises and falls; the temperature of the glass by the hour."""

    breeze_m_s: float = 3.0
    storm_peak_m_s: float = 0.0
    storm_at_s: float = 0.0
    storm_width_s: float = 6 * 3600.0
    mean_c: float = 24.0
    swing_c: float = 6.0
    start_hour: float = 7.0  # local solar hour at scenario second 0

    def mean_m_s(self, now_s: float) -> float:
        """Ten-minute mean at 10 m."""
        return self.breeze_m_s + self.storm_peak_m_s * float(
            np.exp(-(((now_s - self.storm_at_s) / self.storm_width_s) ** 2))
        )

    def surface_c(self, now_s: float) -> float:
        """Temperature of the glass: lowest about 5, highest about 15 o'clock."""
        hour = self.start_hour + now_s / 3600
        return self.mean_c + self.swing_c * float(np.sin((hour - 10) / 24 * 2 * np.pi))


def mean_at(v10_m_s: float, height_m: float, terrain: str = "C") -> float:
    """Mean speed at a height."""
    return float(v10_m_s * (height_m / 10) ** ALPHA[terrain])


def davenport(frequency_hz: Floats, v10_m_s: float, drag: float = 0.006) -> Floats:
    """Power spectrum of the wind speed, m²/s² per Hz; `drag` is the surface drag coefficient of the terrain."""
    x = 1200 * frequency_hz / max(v10_m_s, 0.1)
    friction2 = drag * v10_m_s**2
    spectrum: Floats = 4 * friction2 * x**2 / (1 + x**2) ** (4 / 3) / np.maximum(frequency_hz, 1e-9)
    return spectrum


Spectrum = Literal["davenport", "kaimal", "von_karman"]

DRAG = {"A": 0.003, "B": 0.005, "C": 0.010, "D": 0.018}
"""Surface drag coefficient u*²/V10² by terrain class [K]."""


def spectrum(
    frequency_hz: Floats,
    v10_m_s: float,
    height_m: float,
    model: Spectrum = "davenport",
    terrain: str = "C",
) -> Floats:
    """Power spectrum of the wind speed along the wind, m²/s² per Hz, at a height."""
    frequency = np.maximum(frequency_hz, 1e-9)
    if model == "davenport":
        return davenport(frequency, v10_m_s, DRAG[terrain])
    mean = max(mean_at(v10_m_s, height_m, terrain), 0.1)
    friction2 = DRAG[terrain] * v10_m_s**2
    if model == "kaimal":
        reduced = frequency * height_m / mean
        return np.asarray(200 * friction2 * reduced / (1 + 50 * reduced) ** (5 / 3) / frequency, dtype=np.float64)
    length = 100 * (max(height_m, 10) / 30) ** 0.5
    y = frequency * length / mean
    return np.asarray(6 * friction2 * 4 * y / (1 + 70.8 * y**2) ** (5 / 6) / frequency, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Typhoon:
    """A passage: mean wind rises from 10 to 35 m/s and falls to 12 within a day, with an eye; its direction turns."""

    at_s: float
    peak_m_s: float = 35.0
    rise_s: float = 12 * 3600.0
    eye_s: float = 2400.0  # half width; 0 = the eye passes elsewhere
    turn_deg: float = 150.0

    def mean_m_s(self, now_s: Floats) -> Floats:
        """Ten-minute mean at 10 m; Holland's profile as a storm passes at an even speed, calm in the eye."""
        away = np.abs(now_s - self.at_s)
        radius = np.maximum(away / (self.rise_s / 6), 1e-3)
        profile = np.sqrt(np.maximum(radius**-1.3 * np.exp(1 - radius**-1.3), 0))
        wind = self.peak_m_s * (profile if self.eye_s else np.where(radius < 1, 1.0, profile))
        return np.where(away < 3 * self.rise_s, wind, 0.0)

    def direction_deg(self, now_s: Floats, before_deg: float = 70.0) -> Floats:
        """Where the wind comes from; it turns by `turn_deg` as the centre passes."""
        return np.asarray(before_deg + self.turn_deg / (1 + np.exp(-(now_s - self.at_s) / 3600)), dtype=np.float64)


def gusts(v10_m_s: float, rng: np.random.Generator, seconds: float = 120.0, step_s: float = 0.1) -> Floats:
    """A record of the fluctuating speed at 10 m around its mean, by random phases."""
    count = int(seconds / step_s)
    frequency = np.fft.rfftfreq(count, step_s).astype(np.float64)
    amplitude = np.sqrt(2 * davenport(frequency[1:], v10_m_s) * (frequency[1] - frequency[0]))
    phase = rng.uniform(0, 2 * np.pi, amplitude.size)
    spectrum = np.concatenate([[0], amplitude * np.exp(1j * phase) * count / 2])
    record: Floats = np.fft.irfft(spectrum, count)
    return record


def pressure_kpa(speed_m_s: float) -> float:
    """Velocity pressure w = V²/1600."""
    return speed_m_s**2 / 1600
