"""Panel-years by features: drawn as the waveforms have them, truth where a panel loosens, weather that moves all."""

import time

import numpy as np
import pytest

from simulators.batch import facade
from simulators.batch.facade import FacadePlan
from simulators.batch.recording import Recording
from simulators.panel import Panel
from simulators.vibration import features, record


@pytest.fixture(scope="module")
def year() -> Recording:
    return next(facade.months(FacadePlan(buildings=1, panels=16, loosening=0.5, seed=4)))


@pytest.mark.parametrize("speed", [5.0, 9.0, 16.0])
def test_drawn_features_are_those_of_waveforms(speed: float) -> None:
    panel = Panel()
    rng = np.random.default_rng(8)
    n = 400
    drawn, absent = facade._features(
        panel, np.full(n, panel.sound_hz), np.zeros(n), np.full(n, speed), np.full(n, 20.0), np.ones(n, dtype=bool), rng
    )
    band = (0.6 * panel.sound_hz, 1.4 * panel.sound_hz)
    found = [features(record(panel, speed, 20.0, rng), band) for _ in range(24)]
    assert not absent["frequency"].any()
    spread = np.std([one.frequency_hz for one in found]) / panel.sound_hz
    assert 0.5 < np.std(drawn["frequency"]) / panel.sound_hz / spread < 2.0
    assert np.mean(drawn["rms"]) == pytest.approx(np.mean([one.rms_m_s2 for one in found]), rel=0.1)
    assert np.mean(drawn["prominence"]) == pytest.approx(np.mean([one.prominence_db for one in found]), abs=3)
    assert np.mean(drawn["crest"]) == pytest.approx(np.mean([one.crest for one in found]), abs=0.3)
    assert np.mean(drawn["damping"]) == pytest.approx(np.nanmean([one.damping for one in found]), rel=0.35)


def test_calm_records_have_no_frequency_and_windy_ones_come_oftener(year: Recording) -> None:
    frequency, wind = year.points.index("frequency"), year.points.index("wind")
    seen = year.present[:, frequency]
    assert 0.5 < seen.mean() < 0.95
    assert year.value[~seen, wind].mean() < year.value[seen, wind].mean()
    assert len(year) > 1.1 * 365 * 24 * len(year.devices)


def test_most_days_have_enough_records_with_a_frequency(year: Recording) -> None:
    for device in year.devices:
        ts, _ = year.series(device.id, "frequency")
        days = np.bincount((ts - year.start) // 86_400_000, minlength=365)
        assert (days >= 3).mean() > 0.85


def test_temperature_moves_sound_panels_together_and_more_than_a_small_loss(year: Recording) -> None:
    loose = {name for event in year.events for name in event.devices}
    sound = [device for device in year.devices if device.id not in loose]
    assert sound
    for device in sound:
        _, value = year.series(device.id, "frequency")
        base = device.parameters["baseline_frequency_hz"]
        assert 2 < 100 * (np.percentile(value, 99) - np.percentile(value, 1)) / base < 20


def test_a_sudden_loss_is_labelled_and_lasts(year: Recording) -> None:
    sudden = [event for event in year.events if event.kind == "sudden"]
    assert sudden
    for event in sudden:
        (name,) = event.devices
        assert event.crossings[name]["5"] - event.onset <= 600_000
        ts, value = year.series(name, "frequency")
        base = next(device for device in year.devices if device.id == name).parameters["baseline_frequency_hz"]
        week = 7 * 86_400_000
        before = value[(ts > event.onset - week) & (ts < event.onset)]
        after = value[(ts > event.onset) & (ts < event.onset + week)]
        drop = 100 * (np.median(before) - np.median(after)) / base
        assert drop == pytest.approx(event.peak[name], abs=4)


def test_the_kinds_of_loosening_differ_in_speed() -> None:
    plan = FacadePlan(buildings=1, panels=24, days=250, loosening=1.0, typhoons_a_year=2.0, seed=6)
    events = next(facade.months(plan)).events
    assert {event.kind for event in events} == set(facade.MODES)
    slow = [event for event in events if event.kind == "slow"]
    assert max(next(iter(event.peak.values())) for event in slow) < 2
    debond = [event for event in events if event.kind == "debond"]
    assert min(next(iter(event.peak.values())) for event in debond) > 3


def test_a_panel_year_takes_a_fraction_of_a_second() -> None:
    began = time.perf_counter()
    next(facade.months(FacadePlan(buildings=1, panels=10)))
    assert (time.perf_counter() - began) / 10 < 3
