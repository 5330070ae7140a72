"""Panels and wind: DOMAIN C2's frequencies, the square-root law of loosening, the spectrum's variance."""

import numpy as np
import pytest

from simulators.panel import Glass, Panel
from simulators.sensor import generator
from simulators.wind import Weather, davenport, gusts, mean_at


@pytest.mark.parametrize(
    ("glass", "supported", "clamped"),
    [
        (Glass(1.2, 1.5, 0.006), 17.1, 31.6),
        (Glass(1.2, 2.0, 0.008), 18.9, 36.5),
        (Glass(1.5, 2.4, 0.010), 15.4, 29.6),
        (Glass(1.5, 3.0, 0.012), 16.6, 33.3),
    ],
)
def test_plate_frequencies(glass: Glass, supported: float, clamped: float) -> None:
    assert glass.simply_supported_hz == pytest.approx(supported, rel=0.01)
    assert glass.clamped_hz == pytest.approx(clamped, rel=0.01)


@pytest.mark.parametrize(("lost", "drop_percent"), [(0.05, 2.5), (0.10, 5.1), (0.20, 10.6), (0.36, 20), (0.50, 29)])
def test_frequency_falls_with_the_root_of_stiffness(lost: float, drop_percent: float) -> None:
    panel = Panel()
    panel.loosen(lost)
    assert 100 * (1 - panel.frequency_hz(20) / panel.sound_hz) == pytest.approx(drop_percent, abs=0.3)


def test_a_loose_panel_leans_gaps_and_lowers_its_frequency() -> None:
    sound, loose = Panel(), Panel(lost=0.3)
    weather = Weather(breeze_m_s=8)
    records = [panel.record(0, weather, generator(1, "panel")) for panel in (sound, loose)]
    assert records[1].frequency_hz < 0.9 * records[0].frequency_hz
    assert records[1].tilt_deg > records[0].tilt_deg + 0.3
    assert records[1].gap_mm > 1
    assert records[1].rms_m_s2 > records[0].rms_m_s2


def test_fatigue_grows_with_wind_and_only_when_something_is_loose() -> None:
    calm, storm, sound = (Panel(lost=d, fatigue_per_s=1e-4) for d in (0.1, 0.1, 0.0))
    for _ in range(60):
        calm.step(5)
        storm.step(30)
        sound.step(30)
    assert 0.1 < calm.lost < storm.lost
    assert sound.lost == 0
    storm.secure()
    assert storm.frequency_hz(20) == storm.sound_hz


def test_gusts_have_the_spectrums_variance() -> None:
    record = gusts(15.0, generator(2, "gusts"), seconds=1200)
    frequency = np.fft.rfftfreq(record.size, 0.1)[1:]
    variance = float(np.sum(davenport(frequency, 15.0)) * frequency[0])
    assert float(np.var(record)) == pytest.approx(variance, rel=0.01)
    assert abs(float(np.mean(record))) < 1e-9
    assert mean_at(10, 100) > mean_at(10, 10) == 10


def test_storm_peaks_and_glass_warms_in_the_afternoon() -> None:
    weather = Weather(storm_peak_m_s=20, storm_at_s=12 * 3600)
    assert weather.mean_m_s(12 * 3600) == pytest.approx(23)
    assert weather.mean_m_s(0) < 6
    assert weather.surface_c(9 * 3600) > weather.surface_c(0)
