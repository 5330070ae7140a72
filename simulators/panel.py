"""Curtain-wall panels: natural frequency between simply supported and clamped, loosening, tilt and gap (DOMAIN C2, D3).

A panel's stiffness is k = k0·(1 + k_T(T − 20))·(1 − d); d is the share that its supports have lost. Frequency goes with
√k; residual tilt and edge gap grow with d. The device sends features of a short record, not the waveform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from simulators.wind import Weather, gusts, mean_at, pressure_kpa

STEP_S = 60.0
"""Panels advance on a fixed grid of scenario seconds."""

_YOUNG_PA, _POISSON, _DENSITY = 72e9, 0.22, 2500.0


@dataclass(frozen=True, slots=True)
class Glass:
    """One pane, metres."""

    width_m: float = 1.5
    height_m: float = 2.4
    thickness_m: float = 0.010

    def _root(self) -> float:
        rigidity = _YOUNG_PA * self.thickness_m**3 / 12 / (1 - _POISSON**2)
        return math.sqrt(rigidity / (_DENSITY * self.thickness_m))

    @property
    def simply_supported_hz(self) -> float:
        """First natural frequency on four simple supports."""
        return math.pi / 2 * (1 / self.width_m**2 + 1 / self.height_m**2) * self._root()

    @property
    def clamped_hz(self) -> float:
        """First natural frequency with four clamped edges (Blevins' form)."""
        a, b = self.width_m, self.height_m
        return math.pi / 2 * self._root() * math.sqrt(1.506**4 / a**4 + 1.506**4 / b**4 + 2 * 1.248**2 / (a * b) ** 2)

    @property
    def modal_mass_kg(self) -> float:
        """ρhab/4."""
        return _DENSITY * self.thickness_m * self.width_m * self.height_m / 4


@dataclass(frozen=True, slots=True)
class Features:
    """What a façade sensor finds in one record."""

    frequency_hz: float
    tilt_deg: float
    gap_mm: float
    rms_m_s2: float
    wind_m_s: float
    surface_c: float


@dataclass(slots=True)
class Panel:
    """One panel at a height; `lost` is d."""

    height_m: float = 60.0
    glass: Glass = field(default_factory=Glass)
    fixity: float = 0.7  # 0 simply supported, 1 clamped
    lost: float = 0.0
    fatigue_per_s: float = 0.0  # dd/dt at 1 kPa of gust pressure, once something is loose
    exponent: float = 3.0
    temperature_k: float = -0.003  # stiffness per kelvin: −0.15 %/K in frequency
    damping: float = 0.02

    @property
    def sound_hz(self) -> float:
        """Frequency when nothing is loose, at 20 °C."""
        return self.glass.simply_supported_hz + self.fixity * (self.glass.clamped_hz - self.glass.simply_supported_hz)

    def loosen(self, share: float) -> None:
        """A bolt or a bracket gives way at once: another share of the stiffness is gone."""
        self.lost = 1 - (1 - self.lost) * (1 - share)

    def secure(self) -> None:
        """Fixed by the crew: supports as new."""
        self.lost = 0.0
        self.fatigue_per_s = 0.0

    def frequency_hz(self, surface_c: float) -> float:
        """True frequency now."""
        return self.sound_hz * math.sqrt(max(0.05, (1 + self.temperature_k * (surface_c - 20)) * (1 - self.lost)))

    def step(self, gust_m_s: float) -> None:
        """One `STEP_S` of fatigue under a gust."""
        if self.fatigue_per_s and self.lost > 0:
            grown = self.fatigue_per_s * pressure_kpa(gust_m_s) ** (self.exponent / 2) * STEP_S
            self.lost = min(0.85, self.lost + grown)

    def record(self, now_s: float, weather: Weather, rng: np.random.Generator, seconds: float = 60.0) -> Features:
        """Features of one record: frequency with the 0.65 % scatter of a 60 s Welch estimate."""
        v10 = weather.mean_m_s(now_s)
        fluctuation = gusts(v10, rng, seconds)
        mean = mean_at(v10, self.height_m)
        surface = weather.surface_c(now_s)
        frequency = self.frequency_hz(surface)
        gust = mean + float(fluctuation.max())
        turbulent_pa = 1.25 * mean * float(fluctuation.std())
        force = turbulent_pa * self.glass.width_m * self.glass.height_m
        resonance = math.sqrt(math.pi * frequency / (4 * self.damping)) * 0.02
        rms = force / (4 * self.glass.modal_mass_kg) * resonance * (1 + 2 * self.lost) + 0.002
        lean = 2.0 * self.lost * (1 + 0.05 * pressure_kpa(gust) * float(rng.standard_normal()))
        return Features(
            frequency_hz=frequency * (1 + 0.0065 * math.sqrt(60 / seconds) * float(rng.standard_normal())),
            tilt_deg=lean + 0.02 * pressure_kpa(mean),
            gap_mm=8.0 * self.lost**1.3,
            rms_m_s2=rms,
            wind_m_s=mean,
            surface_c=surface,
        )
