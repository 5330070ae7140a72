"""Wind at a façade: mean speed over hours, gusts from a Davenport spectrum, pressure (DOMAIN D3).

Davenport: n·S(n)/u*² = 4x²/(1 + x²)^(4/3), x = 1200·n/V10. Terrain constants of GB 50009-2012, 8.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def davenport(frequency_hz: NDArray[np.float64], v10_m_s: float, drag: float = 0.006) -> NDArray[np.float64]:
    """Power spectrum of the wind speed, m²/s² per Hz; `drag` is the surface drag coefficient of the terrain."""
    x = 1200 * frequency_hz / max(v10_m_s, 0.1)
    friction2 = drag * v10_m_s**2
    spectrum: NDArray[np.float64] = 4 * friction2 * x**2 / (1 + x**2) ** (4 / 3) / np.maximum(frequency_hz, 1e-9)
    return spectrum


def gusts(v10_m_s: float, rng: np.random.Generator, seconds: float = 120.0, step_s: float = 0.1) -> NDArray[np.float64]:
    """A record of the fluctuating speed at 10 m around its mean, by random phases."""
    count = int(seconds / step_s)
    frequency = np.fft.rfftfreq(count, step_s).astype(np.float64)
    amplitude = np.sqrt(2 * davenport(frequency[1:], v10_m_s) * (frequency[1] - frequency[0]))
    phase = rng.uniform(0, 2 * np.pi, amplitude.size)
    spectrum = np.concatenate([[0], amplitude * np.exp(1j * phase) * count / 2])
    record: NDArray[np.float64] = np.fft.irfft(spectrum, count)
    return record


def pressure_kpa(speed_m_s: float) -> float:
    """Velocity pressure w = V²/1600."""
    return speed_m_s**2 / 1600
