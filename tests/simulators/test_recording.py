"""The layout of recordings: what a bench hands to the rules, exposure, batches."""

import numpy as np
import pytest

from rules.columns import Columns
from simulators.batch.recording import Device, Log, Recording, TruthEvent, assemble, first_crossings
from wire.alert import Hazard

HOUR = 3_600_000


def recording(events: tuple[TruthEvent, ...] = ()) -> Recording:
    logs = []
    for name in ("a", "b"):
        device = Device(name, "z", "shouwang/water-level", Hazard.WATER_LEVEL, ("level", "battery"), 60.0)
        ts = np.arange(0, 10 * HOUR, 60_000)
        battery = np.full(len(ts), 90.0)
        rarely = np.arange(len(ts)) % 60 != 0
        logs.append(Log(device, ts, {"level": ts / HOUR, "battery": battery}, {"battery": rarely}))
    return assemble(logs, events, 0, 10 * HOUR, np.random.default_rng(1))


def test_readings_are_the_columns_that_rules_take() -> None:
    made = recording()
    readings = made.readings()
    columns = Columns.of(readings.channel, readings.ts, readings.value, readings.arrival, counted=readings.counted)
    assert len({len(column) for column in columns if column is not None}) == 1
    assert columns.channel.dtype == np.int32
    assert len(columns.ts) == 2 * 600 + 2 * 10
    for number, (device, point) in enumerate(made.channels):
        rows = readings.channel == number
        ts, value = made.series(device, point)
        assert np.array_equal(np.sort(readings.ts[rows]), ts)
        assert set(readings.value[rows]) == set(value)


def test_batches_give_every_reading_once_in_order_of_arrival() -> None:
    made = recording()
    parts = list(made.batches(HOUR))
    whole = made.readings()
    assert len(parts) == 10 or len(parts) == 11
    assert np.array_equal(np.concatenate([part.value for part in parts]), whole.value)
    assert np.array_equal(np.concatenate([part.message for part in parts]), whole.message)


def test_exposure_counts_overlapping_dangers_once() -> None:
    def danger(begin: float, end: float) -> TruthEvent:
        return TruthEvent("flood", True, Hazard.WATER_LEVEL, "z", round(begin * HOUR), round(end * HOUR), ("a",))

    made = recording((danger(1, 3), danger(2, 4), danger(9.5, 9.8)))
    hours = made.benign_device_months(tail_ms=HOUR) * 720
    # a loses 1 … 5 and 9.5 … 10, b nothing.
    assert hours == pytest.approx(20 - 4 - 0.5)
    assert made.benign_device_months(point="rain_mm") == 0


def test_first_crossings_leave_out_what_was_not_reached() -> None:
    assert first_crossings(np.array([10, 20, 30]), np.array([0.0, 0.2, 0.1]), (0.15, 0.25)) == {"0.15": 20}
