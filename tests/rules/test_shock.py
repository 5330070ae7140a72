"""Kind `shock`: how hard, and whether the panel answers afterwards."""

import numpy as np
import pytest
from one_panel import hourly, signal_of

from rules.columns import Columns
from rules.declaration import parse, resolve
from rules.engine import DeviceRules, Engine
from rules.kinds import shock
from wire.alert import Hazard
from wire.level import Level

STEP = 120_000


def test_the_peak_is_told_in_g():
    peaks = [0.2, 2 * 9.80665, -5 * 9.80665, 98.0665]
    assert signal_of(shock, {"peak": hourly(peaks)}).value == pytest.approx([0.0204, 2, 5, 10], abs=1e-4)
    assert signal_of(shock, {"peak": hourly([2.0])}, unit="g").value == pytest.approx([2.0])


def after(peaks, frequency, wind, rms=None):
    readings = {"peak": hourly(peaks, STEP), "wind": hourly(wind, STEP)}
    readings["frequency"] = [each for each in hourly(frequency, STEP) if not np.isnan(each[1])]
    if rms is not None:
        readings["rms"] = hourly(rms, STEP)
    return signal_of(shock, readings, judge="breakage", cadence_s=120.0).value


def test_a_panel_that_is_heard_again_is_whole():
    peaks, found = [0.1] * 10 + [60.0] + [0.1] * 10, [20.0] * 21
    value = after(peaks, found, [5.0] * 21)
    assert value[10] == 1
    assert not value[11:].any()
    assert not value[:10].any()


def test_a_panel_that_is_not_heard_again_is_broken():
    peaks, found = [0.1] * 10 + [60.0] + [0.01] * 10, [20.0] * 10 + [np.nan] * 11
    assert (after(peaks, found, [5.0] * 21)[10:] == 1).all()
    gone = after(peaks, found, [1.0] * 21, rms=[0.02] * 11 + [0.001] * 10)
    assert (gone[10:] == 1).all(), "its movement is gone"


def test_a_calm_says_nothing_and_six_hours_later_it_is_let_go():
    count = 220
    peaks, found = [0.1] * 10 + [60.0] + [0.01] * (count - 11), [20.0] * 10 + [np.nan] * (count - 10)
    value = after(peaks, found, [1.0] * count)
    assert np.isnan(value[11:190]).all()
    assert (value[192:] == 0).all()


def test_missing_peaks_without_a_shock_are_nothing():
    assert not after([0.1] * 20, [np.nan] * 20, [6.0] * 20).any()


def test_cuts_change_nothing():
    rng = np.random.default_rng(3)
    peaks, found = rng.choice([0.1, 60.0], 200, p=[0.95, 0.05]), rng.choice([20.0, np.nan], 200, p=[0.4, 0.6])
    readings = {"peak": hourly(peaks, STEP), "wind": hourly(rng.choice([1.0, 5.0], 200), STEP)}
    readings["frequency"] = [each for each in hourly(found, STEP) if not np.isnan(each[1])]
    readings["rms"] = hourly(rng.choice([0.001, 0.02], 200), STEP)
    whole = signal_of(shock, readings, judge="breakage", cadence_s=120.0)
    cut = signal_of(shock, readings, judge="breakage", cadence_s=120.0, cuts=[1, 2, 40, 41, 100])
    np.testing.assert_array_equal(whole.value, cut.value)


@pytest.mark.parametrize("silent", [True, False])
def test_a_shock_and_then_nothing_is_a_suspected_breakage(silent):
    """Neither the panel nor the device is heard again: the hold that the shock began is cut off and surfaces."""
    points = ("peak", "frequency", "wind", "rms")
    rules = resolve(Hazard.CURTAIN_WALL, points, 120.0, {"silence": None})
    engine = Engine()
    engine.configure([DeviceRules("f", rules, points, cadence_s=120)])
    rows = []
    for number in range(12 if silent else 120):
        ts = 1_780_000_000_000 + number * STEP
        say = {"frequency": 20.0, "wind": 4.0, "rms": 0.02, "peak": 60.0 if number == 11 else 0.1}
        rows += [(engine.channel("f", point), ts, ts + 100, value) for point, value in say.items()]
    channel, ts, arrival, value = zip(*rows, strict=True)
    changes = engine.step(Columns.of(channel, ts, value, arrival))
    assert {each.rule for each in changes} == {"shock"}
    assert changes[0].level == Level.III
    changes = engine.tick({"real": 1_780_000_000_000 + 11 * STEP + 10_900_000})
    told = [(each.rule, each.level, each.suspect) for each in changes]
    assert told == ([("breakage", Level.I, True)] if silent else [])


def test_levels_are_declared():
    rule = parse("shock", {"kind": "shock", "levels": {"III": {"enter": 5}}}, Hazard.CURTAIN_WALL)
    assert rule.point == "peak"
