"""Waveforms and the edge device's features: the right peak, its scatter, nothing where nothing is to be seen."""

import numpy as np
import pytest

from simulators.panel import Glass, Panel
from simulators.vibration import (
    RATE_HZ,
    Confounders,
    expected_prominence_db,
    expected_rms,
    features,
    record,
    welch,
)
from simulators.wind import Typhoon, spectrum

NIGHT = Confounders(ambient_m_s2=1e-4)
QUIET = Confounders(sway_m_s2=0.0, lines=())


def band(panel: Panel) -> tuple[float, float]:
    return 0.6 * panel.sound_hz, 1.4 * panel.sound_hz


def test_spectra_hold_the_turbulence_of_their_terrain() -> None:
    frequency = np.geomspace(1e-5, 50, 20_000)
    for model, share in (("davenport", 6.0), ("kaimal", 6.0), ("von_karman", 6.0)):
        density = spectrum(frequency, 10.0, 30.0, model)
        variance = float((0.5 * (density[1:] + density[:-1]) * np.diff(frequency)).sum())
        assert variance == pytest.approx(share * 0.010 * 100, rel=0.05)


def test_a_record_has_the_rms_of_its_spectra() -> None:
    panel = Panel()
    found = [record(panel, 12.0, 20.0, np.random.default_rng(seed), confounders=QUIET).std() for seed in range(8)]
    assert np.mean(found) == pytest.approx(expected_rms(panel, 12.0, 20.0), rel=0.03)


@pytest.mark.parametrize("speed", [4.0, 8.0, 15.0, 25.0])
def test_the_frequency_is_found_within_half_a_percent_in_wind(speed: float) -> None:
    panel = Panel()
    rng = np.random.default_rng(3)
    found = np.array([features(record(panel, speed, 20.0, rng), band(panel)).frequency_hz for _ in range(12)])
    assert np.mean(found) == pytest.approx(panel.sound_hz, rel=0.005)
    assert np.std(found) / panel.sound_hz < 0.006


def test_calm_gives_no_frequency_rather_than_a_number() -> None:
    found = features(record(Panel(), 1.0, 20.0, np.random.default_rng(1), confounders=NIGHT), band(Panel()))
    assert np.isnan(found.frequency_hz)
    assert np.isnan(found.damping)
    assert found.rms_m_s2 > 0


@pytest.mark.parametrize("line_hz", [21.0, 24.5, 25.0, 27.0])
def test_a_machine_beside_the_peak_is_not_taken_for_it(line_hz: float) -> None:
    panel = Panel()
    around = Confounders(lines=((line_hz, 0.02),))
    rng = np.random.default_rng(4)
    found = [features(record(panel, 8.0, 20.0, rng, confounders=around), band(panel)).frequency_hz for _ in range(5)]
    assert np.median(found) == pytest.approx(panel.sound_hz, rel=0.015)


@pytest.mark.parametrize("lost", [0.1, 0.3, 0.5])
def test_a_loose_panel_is_found_at_its_lower_frequency(lost: float) -> None:
    panel = Panel(lost=lost)
    rng = np.random.default_rng(5)
    found = [features(record(panel, 12.0, 30.0, rng), band(Panel())) for _ in range(6)]
    assert np.median([one.frequency_hz for one in found]) == pytest.approx(panel.frequency_hz(30.0), rel=0.01)
    assert np.median([one.damping for one in found]) == pytest.approx(0.02 * (1 + 2 * lost), rel=0.35)
    assert (np.median([one.kurtosis for one in found]) > 3.1) == (lost > 0.3)


def test_the_estimate_holds_for_other_panes() -> None:
    for glass in (Glass(1.2, 1.5, 0.006), Glass(1.5, 3.0, 0.012)):
        panel = Panel(glass=glass, fixity=0.5)
        found = features(record(panel, 10.0, 20.0, np.random.default_rng(6)), band(panel))
        assert found.frequency_hz == pytest.approx(panel.sound_hz, rel=0.01)
        assert found.prominence_db == pytest.approx(expected_prominence_db(panel, 10.0, 20.0), abs=4)


def test_welch_keeps_the_power() -> None:
    noise = np.random.default_rng(7).standard_normal(60_000)
    frequency, density = welch(noise)
    assert density.sum() * frequency[1] == pytest.approx(noise.var(), rel=0.03)
    assert frequency[-1] == RATE_HZ / 2


def test_a_typhoon_rises_falls_is_calm_in_its_eye_and_turns() -> None:
    storm = Typhoon(36 * 3600.0)
    times = np.arange(0, 72 * 3600, 600.0)
    wind = storm.mean_m_s(times)
    assert wind.max() == pytest.approx(35, rel=0.02)
    assert wind[times == 36 * 3600] < 1
    assert 10 <= wind[times == 24 * 3600][0] <= 18
    turned = storm.direction_deg(times)
    assert turned[-1] - turned[0] == pytest.approx(150, abs=1)
