"""Months of dwellings: everyday smoke at published rates, truth that fits the readings, thinning that loses nothing."""

import time
from dataclasses import replace

import numpy as np
import pytest

from simulators.batch import kitchen, smoke
from simulators.batch.dwelling import SmokePlan
from simulators.batch.recording import IN_EVENT, Recording


@pytest.fixture(scope="module")
def month() -> Recording:
    return next(smoke.months(SmokePlan(dwellings=3, fires=2.0, dry_burns=3.0, seed=5)))


def test_meals_pass_the_threshold_as_often_as_in_the_field_test() -> None:
    rng = np.random.default_rng(1)
    for distance, share in zip(kitchen.CPSC_M, kitchen.CPSC_SHARE, strict=True):
        peaks = kitchen.draw_meal_peak(np.full(200_000, distance), rng)
        assert (peaks > 0.15).mean() == pytest.approx(share, rel=0.08)


def episodes(kind: str) -> kitchen.Episodes:
    dilution, passage = np.tile([1.0, 0.2], (40, 1)), np.tile([30.0, 200.0], (40, 1))
    return kitchen.simulate(kind, dilution, passage, np.random.default_rng(2))


@pytest.mark.parametrize("kind", kitchen.KINDS)
def test_nuisances_are_cool_and_scaled_to_their_peak(kind: str) -> None:
    found = episodes(kind)
    assert found.chamber[:, 0].max(axis=1) == pytest.approx(np.ones(40), rel=1e-5)
    assert found.chamber[:, 1].max() < 0.5
    assert found.rise_k.max() <= 2.0
    assert found.co.max() <= 10.0
    # An episode has died away by the end of its trace.
    assert found.chamber[:, 0, -1].max() < 0.1


def test_a_dry_burn_rises_without_a_break_and_frying_does_not() -> None:
    dry, frying = episodes("dry_burn"), episodes("frying")

    def falls(found: kitchen.Episodes, row: int) -> int:
        length = int(found.duration_s[row] / kitchen.STEP_S)
        return int((np.diff(found.chamber[row, 0, :length]) < -1e-4).sum())

    assert all(falls(dry, row) == 0 for row in range(40))
    assert np.median([falls(frying, row) for row in range(40)]) > 10
    assert ((dry.duration_s >= 600) & (dry.duration_s <= 2400)).all()


def test_steam_comes_with_humidity_and_decays_within_minutes() -> None:
    steam = episodes("steam")
    assert ((steam.humidity[:, 0].max(axis=1) > 14) & (steam.humidity[:, 0].max(axis=1) < 40)).all()
    assert steam.co.max() == 0


def test_readings_come_in_order_of_arrival_and_after_they_were_measured(month: Recording) -> None:
    assert (np.diff(month.arrival) >= 0).all()
    assert (month.arrival >= month.ts).all()
    assert np.median(month.arrival - month.ts) == pytest.approx(150, rel=0.2)


def test_truth_fits_the_readings(month: Recording) -> None:
    dangers = [event for event in month.events if event.dangerous]
    assert {event.kind for event in dangers} >= {"dry_burn"}
    for event in dangers:
        for device in event.devices:
            ts, value = month.series(device, "obscuration")
            near = value[(ts >= event.onset) & (ts <= event.end + 600_000)]
            assert near.max() == pytest.approx(min(event.peak[device], 3.0), rel=0.4, abs=0.05)
            if "0.15" in event.crossings[device]:
                before = value[
                    (ts >= event.crossings[device]["0.15"] - 60_000) & (ts < event.crossings[device]["0.15"])
                ]
                assert before.max() < 0.25
    column = month.points.index("obscuration")
    marked = (month.truth[:, column] & IN_EVENT) > 0
    spans = sum(event.end - event.onset for event in dangers) * 3 / 10_000
    assert marked.sum() == pytest.approx(spans, rel=0.1)


def test_exposure_leaves_out_danger_and_what_follows_it(month: Recording) -> None:
    whole = len(month.devices) * 1.0
    dangers = [event for event in month.events if event.dangerous]
    assert whole - 3 * len(dangers) * 3 / 720 < month.benign_device_months() < whole


def test_the_same_seed_gives_the_same_recording_and_another_another() -> None:
    plan = SmokePlan(dwellings=2, days=2, seed=9)
    first, again, other = (next(smoke.months(each)) for each in (plan, plan, replace(plan, seed=10)))
    assert np.array_equal(first.value, again.value, equal_nan=True)
    assert np.array_equal(first.arrival, again.arrival)
    assert not np.array_equal(first.value[:100], other.value[:100], equal_nan=True)


def test_thinning_keeps_every_reading_of_what_happens() -> None:
    plan = SmokePlan(dwellings=2, days=10, seed=3, dry_burns=3.0)
    full, thin = next(smoke.months(plan)), next(smoke.months(replace(plan, quiet_cadence_s=300.0)))
    assert len(thin) < 0.35 * len(full)
    for event in full.events:
        for device in event.devices:
            if event.peak[device] > 0.05:
                counts = []
                for recording in (full, thin):
                    ts, value = recording.series(device, "obscuration")
                    counts.append(int(((ts > event.onset) & (ts < event.end) & (value > 0.08)).sum()))
                assert counts[1] >= 0.85 * counts[0] - 2  # other noise about the mark


def test_a_stand_alone_alarm_sends_alarms_resets_and_heartbeats() -> None:
    recording = next(smoke.months(SmokePlan(dwellings=2, days=10, dry_burns=6.0, event_only=1.0, seed=2)))
    hall = next(device for device in recording.devices if device.zone.endswith("hall"))
    _, alarm = recording.series(hall.id, "alarm")
    assert set(alarm.tolist()) == {0.0, 1.0}
    assert 20 <= len(alarm) < 100
    assert "obscuration" not in recording.points


def test_a_month_of_dwellings_takes_seconds_and_little_memory() -> None:
    plan = SmokePlan(dwellings=12, days=30, quiet_cadence_s=300.0)
    began = time.perf_counter()
    months = list(smoke.months(plan))
    took = time.perf_counter() - began
    assert plan.seconds / took > 1000 * 10  # one neighbourhood: a month in less than five minutes, generously
    assert max(recording.nbytes() for recording in months) < 300e6
