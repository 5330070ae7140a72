"""Every kind of fault of DOMAIN D4 on every family: what it does, where it says so; the rest stays as it was."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.batch import facade, smoke, street
from simulators.batch.dwelling import SmokePlan
from simulators.batch.faults import SPANS, FaultPlan, inject, spoil
from simulators.batch.recording import BIT, Recording
from simulators.faults import VALUE_FAULTS, FaultKind

PER_MESSAGE = {
    FaultKind.SPIKE,
    FaultKind.NAN,
    FaultKind.MALFORMED,
    FaultKind.UNKNOWN_DEVICE,
    FaultKind.DUPLICATE,
    FaultKind.LATE,
}


@pytest.fixture(scope="module")
def clean() -> Recording:
    return next(smoke.months(SmokePlan(dwellings=2, days=4, seed=6)))


def rate(kind: FaultKind) -> float:
    if kind in PER_MESSAGE:
        return 0.01
    return 0.002 if kind is FaultKind.DROPOUT else 12.0


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_leaves_intervals_and_bits_and_nothing_else(clean: Recording, kind: FaultKind) -> None:
    spoilt = inject(clean, FaultPlan.only(kind, rate(kind)), seed=2)
    also = {FaultKind.REBOOT} if kind is FaultKind.BATTERY else set()
    assert {kind} <= {fault.kind for fault in spoilt.faults} <= {kind} | also
    assert (np.diff(spoilt.arrival) >= 0).all()
    lost = {FaultKind.DROPOUT, FaultKind.MALFORMED, FaultKind.UNKNOWN_DEVICE}
    touched = (spoilt.truth & BIT[kind]) > 0
    assert touched.any() or kind in lost
    untouched = ~touched.any(axis=1)
    # What no bit marks is as it was: same value, time and arrival.
    keys = clean.true_ts * 100 + clean.device
    order = np.argsort(keys)
    rows = np.flatnonzero(untouched)[::7]
    origin = order[np.searchsorted(keys[order], spoilt.true_ts[rows] * 100 + spoilt.device[rows])]
    assert np.array_equal(spoilt.value[rows], clean.value[origin], equal_nan=True)
    assert np.array_equal(spoilt.ts[rows], clean.ts[origin])
    for fault in spoilt.faults:
        assert clean.start <= fault.start <= fault.end <= clean.end


@pytest.mark.parametrize("kind", sorted(VALUE_FAULTS))
def test_value_faults_change_only_the_point_that_they_name(clean: Recording, kind: FaultKind) -> None:
    spoilt = inject(clean, FaultPlan.only(kind, rate(kind)), seed=3)
    assert not (spoilt.truth[:, spoilt.points.index("battery")] & BIT[kind]).any()
    same = (spoilt.truth & BIT[kind]) == 0
    assert np.array_equal(spoilt.value[same], clean.value[same], equal_nan=True)


def test_a_dropout_comes_in_bursts_of_about_ten(clean: Recording) -> None:
    spoilt = inject(clean, FaultPlan.only(FaultKind.DROPOUT, 0.002), seed=4)
    assert len(spoilt) / len(clean) == pytest.approx(1 / (1 + 0.002 / 0.1), abs=0.01)
    lengths = [(fault.end - fault.start) / 10_000 + 1 for fault in spoilt.faults]
    assert np.mean(lengths) == pytest.approx(10, rel=0.25)


def test_duplicates_keep_their_seq_and_come_later(clean: Recording) -> None:
    spoilt = inject(clean, FaultPlan.only(FaultKind.DUPLICATE, 0.01), seed=5)
    assert len(spoilt) - len(clean) == pytest.approx(0.01 * len(clean), rel=0.2)
    pairs = np.stack([spoilt.device, spoilt.seq], axis=1)
    _, counts = np.unique(pairs, axis=0, return_counts=True)
    assert set(counts.tolist()) == {1, 2}


def test_an_outage_sends_a_gateways_devices_in_one_burst(clean: Recording) -> None:
    spoilt = inject(clean, FaultPlan.only(FaultKind.OUTAGE, 6.0), seed=6)
    held = (spoilt.truth[:, 0] & BIT[FaultKind.OUTAGE]) > 0
    delay = spoilt.arrival - spoilt.ts
    assert delay[held].max() > 600_000
    assert delay[~held].max() < 10_000
    assert {fault.device for fault in spoilt.faults} < {device.id for device in clean.devices}


def test_a_flat_battery_ends_in_silence(clean: Recording) -> None:
    spoilt = inject(clean, FaultPlan.only(FaultKind.BATTERY, 30.0), seed=7)
    ended = {fault.device: fault for fault in spoilt.faults if fault.kind is FaultKind.BATTERY}
    assert ended
    for number, device in enumerate(spoilt.devices):
        if device.id in ended:
            rows = spoilt.device == number
            assert spoilt.true_ts[rows].max() < clean.end - 60_000 or ended[device.id].end >= clean.end - 60_000
            _, battery = spoilt.series(device.id, "battery")
            assert battery[-1] < 25


def test_clocks_go_wrong_without_moving_the_measurement(clean: Recording) -> None:
    for kind in (FaultKind.TIMEZONE, FaultKind.EPOCH, FaultKind.CLOCK_SKEW):
        spoilt = inject(clean, FaultPlan.only(kind, 6.0), seed=8)
        wrong = (spoilt.truth[:, 0] & BIT[kind]) > 0
        off = np.abs(spoilt.ts - spoilt.true_ts)
        assert (off[~wrong] == 0).all()
        least = {FaultKind.TIMEZONE: 8 * 3_600_000, FaultKind.EPOCH: 10**12, FaultKind.CLOCK_SKEW: 0}[kind]
        assert off[wrong].max() >= least
        assert np.array_equal(spoilt.arrival, clean.arrival)


@pytest.mark.parametrize("kind", sorted(VALUE_FAULTS))
@pytest.mark.parametrize("point", sorted(SPANS))
def test_any_series_can_be_spoilt(kind: FaultKind, point: str) -> None:
    rng = np.random.default_rng(1)
    span = SPANS[point]
    value = 0.3 * span.scale + span.noise * rng.standard_normal(500)
    spoilt, _ = spoil(kind, np.arange(500) * 600_000, value, span, rng)
    assert spoilt.shape == value.shape
    assert not np.array_equal(spoilt[1:], value[1:])


@given(seed=st.integers(0, 2**31), kinds=st.sets(st.sampled_from(sorted(FaultKind)), min_size=2, max_size=6))
@settings(max_examples=8, deadline=None)
def test_faults_compose_and_the_same_seed_gives_the_same(seed: int, kinds: set[FaultKind]) -> None:
    first = second = next(smoke.months(SmokePlan(dwellings=1, days=1, seed=6)))
    for number, kind in enumerate(sorted(kinds)):
        first = inject(first, FaultPlan.only(kind, rate(kind)), seed + number)
        second = inject(second, FaultPlan.only(kind, rate(kind)), seed + number)
    assert np.array_equal(first.value, second.value, equal_nan=True)
    assert np.array_equal(first.arrival, second.arrival)
    assert first.faults == second.faults
    assert (np.diff(first.arrival) >= 0).all()
    assert {fault.kind for fault in first.faults} <= kinds | {FaultKind.REBOOT}


def test_the_usual_rates_work_on_streets_and_facades() -> None:
    for recording in (
        next(street.months(street.StreetPlan(clusters=1, days=10))),
        next(facade.months(facade.FacadePlan(buildings=1, panels=2, days=60))),
    ):
        spoilt = inject(recording, FaultPlan(), seed=9)
        assert 0.9 < len(spoilt) / len(recording) < 1.03
        assert len({fault.kind for fault in spoilt.faults}) >= 7
