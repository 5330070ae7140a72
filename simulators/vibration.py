"""Waveforms of a panel in the wind and what an edge device makes of them (DOMAIN C2, D3).

A record is computed in the frequency domain: gusts of a chosen spectrum press on the panel, a single degree of freedom
answers; with stiffness constant during a record that is exact and takes milliseconds. What confounds is added: building
sway, lines of machines, rattle of a loose panel, the sensor's noise. `features` is the device's own analysis: it sees
the waveform and nothing else, and gives no frequency when no clear peak is there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.panel import Panel
from simulators.wind import Spectrum, mean_at, spectrum

Floats = NDArray[np.floating[Any]]

RATE_HZ = 200.0
RECORD_S = 300.0
AIR_KG_M3 = 1.25
NOISE_M_S2_RTHZ = 50e-6 * 9.81
"""Noise of a MEMS accelerometer."""

AMBIENT_M_S2 = 4e-4
"""What traffic and people shake a building with by day, RMS between 1 and 51 Hz [K]; at night a quarter."""

SEGMENT = 2048
PROMINENCE_DB = 6.0
LINE_GAIN = 2.0
"""How much higher a line stands in the longer window; in theory 4, less where it lies on a peak."""

LOWEST_HZ = 4.0
"""Below lie sway and wind itself; no pane of a façade is so slow."""


@dataclass(frozen=True, slots=True)
class Confounders:
    """What moves a façade besides the panel: sway of the building, lines of machines (Hz, m/s² amplitude)."""

    sway_hz: float = 0.2
    sway_m_s2: float = 0.004
    lines: tuple[tuple[float, float], ...] = ((24.5, 0.002), (49.0, 0.001))
    ambient_m_s2: float = AMBIENT_M_S2
    rattle: bool = True  # a panel with d > 0.3 knocks in gusts


@dataclass(frozen=True, slots=True)
class Found:
    """What the device sends of one record; NaN where it cannot tell."""

    frequency_hz: float
    prominence_db: float
    damping: float
    rms_m_s2: float
    peak_m_s2: float
    crest: float
    kurtosis: float


def force_spectrum(
    panel: Panel,
    frequency: Floats,
    v10_m_s: float,
    model: Spectrum = "davenport",
    ambient_m_s2: float = AMBIENT_M_S2,
) -> Floats:
    """Spectrum of the modal force, N²/Hz: ρ·V·v on the pane with its admittance, and the shaking of its edges."""
    mean = max(mean_at(v10_m_s, panel.height_m), 0.3)
    area = panel.glass.width_m * panel.glass.height_m
    wind = spectrum(frequency, v10_m_s, panel.height_m, model)
    admittance = 1 / (1 + (2 * frequency * math.sqrt(area) / mean) ** (4 / 3))
    # Both half-sines of the mode average to (2/π)².
    modal = (2 / math.pi) ** 2 * area * AIR_KG_M3 * mean * admittance
    # A shaken edge acts as a force on the modal mass; 16/π² is the first mode's participation at the middle.
    shaken = 16 / math.pi**2 * panel.glass.modal_mass_kg * ambient_m_s2
    return np.asarray(modal**2 * wind + shaken**2 / 50 * (frequency < 51), dtype=np.float64)


def response(panel: Panel, frequency: Floats, surface_c: float) -> NDArray[np.complex128]:
    """Acceleration at the middle of the pane by modal force, (m/s²)/N, of one degree of freedom."""
    natural = panel.frequency_hz(surface_c)
    damping = panel.damping * (1 + 2 * panel.lost)
    ratio = frequency / natural
    stiffness = (2 * math.pi * natural) ** 2 * panel.glass.modal_mass_kg
    compliance = 1 / stiffness / (1 - ratio**2 + 2j * damping * ratio)
    return np.asarray(-((2 * math.pi * frequency) ** 2) * compliance, dtype=np.complex128)


def expected_rms(
    panel: Panel,
    v10_m_s: float,
    surface_c: float,
    model: Spectrum = "davenport",
    ambient_m_s2: float = AMBIENT_M_S2,
) -> float:
    """RMS of the panel's acceleration from the spectra alone, without machines, sway and rattle."""
    frequency = np.arange(1, 2000) * 0.05
    force = force_spectrum(panel, frequency, v10_m_s, model, ambient_m_s2)
    answer = np.abs(response(panel, frequency, surface_c)) ** 2 * force
    return math.sqrt(float(answer.sum()) * 0.05 + NOISE_M_S2_RTHZ**2 * RATE_HZ / 2)


def expected_prominence_db(panel: Panel, v10_m_s: float, surface_c: float, ambient_m_s2: float = AMBIENT_M_S2) -> float:
    """How far the panel's peak stands above the median of the octave to either side, machines' lines left out."""
    natural = panel.frequency_hz(surface_c)
    frequency = np.linspace(0.5 * natural, 2 * natural, 400)
    force = force_spectrum(panel, frequency, v10_m_s, ambient_m_s2=ambient_m_s2)
    power = np.abs(response(panel, frequency, surface_c)) ** 2 * force
    power += NOISE_M_S2_RTHZ**2
    return 10 * math.log10(float(power.max()) / float(np.median(power)))


def record(
    panel: Panel,
    v10_m_s: float,
    surface_c: float,
    rng: np.random.Generator,
    *,
    seconds: float = RECORD_S,
    model: Spectrum = "davenport",
    confounders: Confounders | None = None,
) -> Floats:
    """Acceleration out of the plane, m/s², at `RATE_HZ`."""
    around = confounders or Confounders()
    count = int(seconds * RATE_HZ)
    frequency = np.fft.rfftfreq(count, 1 / RATE_HZ)
    step = frequency[1]
    amplitude = np.zeros(len(frequency), dtype=np.complex128)
    # A line of the spectrum has the variance S·Δn: a cosine of amplitude √(2SΔn), here with a Gaussian size and phase.
    spread = np.sqrt(2 * force_spectrum(panel, frequency[1:], v10_m_s, model, around.ambient_m_s2) * step)
    gaussian = (rng.standard_normal(len(spread)) + 1j * rng.standard_normal(len(spread))) / math.sqrt(2)
    amplitude[1:] = spread * gaussian * response(panel, frequency[1:], surface_c) * count / 2
    signal = np.fft.irfft(amplitude, count)
    time = np.arange(count) / RATE_HZ
    sway = around.sway_m_s2 * min(v10_m_s / 10, 3.0) ** 2
    signal += sway * np.sin(2 * math.pi * around.sway_hz * time + rng.uniform(0, 6.28))
    for line, size in around.lines:
        signal += size * np.sin(2 * math.pi * line * time + rng.uniform(0, 6.28))
    signal += NOISE_M_S2_RTHZ * math.sqrt(RATE_HZ / 2) * rng.standard_normal(count)
    if around.rattle and panel.lost > 0.3:
        signal += _rattle(signal, panel.lost, rng)
    return np.asarray(signal, dtype=np.float64)


def _rattle(signal: Floats, lost: float, rng: np.random.Generator) -> Floats:
    """Knocks when the movement is largest: short ringing bursts at 60…90 Hz, the harder the looser."""
    knocks = np.zeros_like(signal)
    above = np.flatnonzero(np.abs(signal) > 2.5 * signal.std())
    tail = np.arange(int(0.1 * RATE_HZ)) / RATE_HZ
    for at in above[rng.random(len(above)) < 0.2]:
        ring = np.exp(-tail / 0.02) * np.sin(2 * math.pi * rng.uniform(60, 90) * tail)
        end = min(len(signal), at + len(tail))
        knocks[at:end] += 8 * lost * signal.std() * ring[: end - at]
    return knocks


def welch(signal: Floats, segment: int = SEGMENT) -> tuple[Floats, Floats]:
    """Frequency and power spectral density: Hann windows, half overlapping."""
    window = np.hanning(segment + 1)[:-1]
    starts = np.arange(0, len(signal) - segment + 1, segment // 2)
    pieces = signal[starts[:, None] + np.arange(segment)[None, :]]
    spectra = np.abs(np.fft.rfft((pieces - pieces.mean(axis=1, keepdims=True)) * window, axis=1)) ** 2
    density = 2 * spectra.mean(axis=0) / (RATE_HZ * (window**2).sum())
    return np.fft.rfftfreq(segment, 1 / RATE_HZ), np.asarray(density, dtype=np.float64)


def features(signal: Floats, band_hz: tuple[float, float] = (LOWEST_HZ, 90.0)) -> Found:
    """The device's analysis of one record; `band_hz` is where its panel's frequency may lie (0.6 … 1.4 of a baseline).

    The frequency is the parabola's top through the logarithms of the highest bin and its neighbours, after lines were
    taken out: a machine's line is as narrow as the window, a panel's peak is several bins wide.
    """
    frequency, density = welch(signal)
    inside = (frequency >= band_hz[0]) & (frequency <= band_hz[1])
    smooth = _without_lines(signal, density)
    peak = int(np.flatnonzero(inside)[np.argmax(smooth[inside])])
    level = np.log(smooth)
    # Around a peak the floor is what lies an octave about, not the sensor's noise alone.
    about = (frequency > 0.5 * frequency[peak]) & (frequency < 2 * frequency[peak])
    prominence = 10 * (level[peak] - float(np.median(level[about]))) / math.log(10)
    rms, top = float(signal.std()), float(np.abs(signal - signal.mean()).max())
    centred = (signal - signal.mean()) / rms
    found = Found(math.nan, prominence, math.nan, rms, top, top / rms, float((centred**4).mean()))
    if prominence < PROMINENCE_DB or not 2 < peak < len(level) - 3:
        return found
    # A peak is wider than a bin and its bins scatter: the parabola runs through a smoothed logarithm.
    soft = np.convolve(level, np.array([1, 2, 3, 2, 1]) / 9, mode="same")
    peak = peak + int(np.argmax(soft[peak - 2 : peak + 3])) - 2
    left, middle, right = soft[peak - 1 : peak + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    natural = float((peak + shift) * (frequency[1] - frequency[0]))
    return Found(
        natural, prominence, _half_power(frequency, soft, peak), rms, top, top / rms, float((centred**4).mean())
    )


def _without_lines(signal: Floats, density: Floats) -> Floats:
    """The density with machines' lines cut down to what lies about them.

    In a window four times as long a line stands four times as high, a panel's peak no higher: that tells them apart,
    wherever the line lies and however sharp the peak is.
    """
    longer = welch(signal, 4 * SEGMENT)[1] if len(signal) >= 8 * SEGMENT else np.repeat(density, 4)[: 2 * SEGMENT + 1]
    padded = np.concatenate([longer[:1].repeat(2), longer, longer[-1:].repeat(2)])
    highest = np.max([padded[shift : shift + len(longer)] for shift in range(5)], axis=0)[::4]
    level = np.log(density)
    edges = np.pad(level, 6, mode="edge")
    around = np.stack([edges[6 + shift : 6 + shift + len(level)] for shift in (-6, -5, -4, 4, 5, 6)])
    base = np.maximum(np.median(around[:3], axis=0), np.median(around[3:], axis=0))
    line = highest[: len(density)] > LINE_GAIN * density
    wide = np.convolve(line, np.ones(5), mode="same") > 0
    return np.asarray(np.exp(np.where(wide, np.minimum(level, base), level)), dtype=np.float64)


def _half_power(frequency: Floats, level: Floats, peak: int) -> float:
    """Damping ratio by the half-power width, less the width of the window itself."""
    half = level[peak] - math.log(2)
    low, high = peak, peak
    while low > 0 and level[low] > half:
        low -= 1
    while high < len(level) - 1 and level[high] > half:
        high += 1
    lower = low + (half - level[low]) / max(level[low + 1] - level[low], 1e-9)
    upper = high - (half - level[high]) / max(level[high - 1] - level[high], 1e-9)
    width = (upper - lower) * frequency[1]
    window = 2.6 * frequency[1]  # Hann, and the smoothing of the logarithm
    if width <= window:
        return math.nan
    return float(math.sqrt(width**2 - window**2) / (2 * frequency[peak]))
