"""Kind `residual`: gusts and the sun are no damage, what stays is."""

import numpy as np
import pytest
from one_panel import hourly, signal_of

from rules.kinds import residual

LEARN = {"learn_days": 3, "learn_least": 20}


def test_gusts_are_not_damage():
    wind = [2.0 if hour % 24 < 12 else 15.0 for hour in range(200)]
    tilt = [0.01 if speed < 5 else 0.9 for speed in wind]
    signal = signal_of(residual, {"value": hourly(tilt), "wind": hourly(wind)})
    windy = np.array(wind) > 5
    assert np.isnan(signal.value[windy]).all()
    assert np.nanmax(signal.value) == pytest.approx(0.01)


def test_a_panel_that_leans_since_yesterday_is_told():
    tilt = [0.0] * 48 + [0.6] * 48
    signal = signal_of(residual, {"value": hourly(tilt), "wind": hourly([1.0] * 96)})
    first = int(np.flatnonzero(signal.value >= 0.5)[0])
    assert 48 + 12 <= first <= 48 + 13
    assert signal.value[-1] == pytest.approx(0.6)


def test_temperature_is_taken_out_as_learnt_or_as_given():
    hour = np.arange(400)
    celsius = 20 + 12 * np.sin(hour / 24 * 2 * np.pi) + np.where(hour > 200, 15.0, 0.0)
    gap = 0.1 + 0.05 * (celsius - 20)
    readings = {"value": hourly(gap), "surface_temperature": hourly(celsius)}
    learnt = signal_of(residual, readings, window_s=14_400, **LEARN)
    assert (learnt.evidence["compensated"][100:] == 1).all()
    np.testing.assert_allclose(learnt.value[110:], 0.1, atol=0.02)
    given = signal_of(residual, readings, slope_per_k=0.05, window_s=14_400)
    np.testing.assert_allclose(given.value[3:], 0.1, atol=1e-6)
    raw = signal_of(residual, readings, slope_per_k=0.0, window_s=14_400)
    assert np.nanmax(raw.value) > 1.0


def test_damping_is_compared_with_what_it_was():
    damping = [0.02, 0.022, 0.018] * 60 + [0.042, 0.046, 0.05] * 20
    signal = signal_of(
        residual, {"value": hourly(damping)}, against="ratio", calm_m_s=100, learn_range_k=0, quantum=1e-6, **LEARN
    )
    assert np.isnan(signal.value[:70]).all(), "nothing is known yet"
    assert signal.value[170] == pytest.approx(1.0, abs=0.05)
    assert signal.value[-1] == pytest.approx(2.3, abs=0.05)


def test_against_what_was_learnt_the_first_lean_is_no_news():
    tilt = [0.3] * 120 + [-0.1] * 60
    signal = signal_of(residual, {"value": hourly(tilt)}, against="learnt", learn_range_k=0, **LEARN)
    assert signal.value[110] == pytest.approx(0.0, abs=1e-3)
    assert signal.value[-1] == pytest.approx(0.4, abs=1e-3), "the size, whichever way"


def test_a_young_device_is_judged_by_what_it_said_so_far():
    quick = hourly([0.0] * 4 + [0.6] * 60, step_ms=120_000)
    signal = signal_of(residual, {"value": quick}, least=1, cadence_s=120)
    assert signal.value[6] >= 0.29
    assert signal.value[-1] == pytest.approx(0.6)


def test_cuts_change_nothing():
    rng = np.random.default_rng(1)
    hour = np.arange(500)
    readings = {
        "value": hourly(rng.normal(0, 0.1, 500), step_ms=1_200_000),
        "wind": hourly(rng.choice([2.0, 8.0], 500), step_ms=1_200_000),
        "surface_temperature": hourly(20 + 10 * np.sin(hour / 72 * 2 * np.pi), step_ms=1_200_000),
    }
    keys = {**LEARN, "cadence_s": 1200.0, "bad": [10, 11, 300]}
    whole = signal_of(residual, readings, **keys)
    cut = signal_of(residual, readings, cuts=[1, 2, 3, 5, 216, 217, 300, 301, 450], **keys)
    np.testing.assert_array_equal(whole.value, cut.value)


@pytest.mark.parametrize("doubted", [True, False])
def test_a_doubted_reading_speaks_for_itself(doubted):
    tilt = [0.0] * 40 + [2.0] + [0.0] * 10
    signal = signal_of(residual, {"value": hourly(tilt)}, bad=[40] if doubted else [])
    assert signal.value[40] == (2.0 if doubted else 0.0)
    assert (signal.value[41:] == 0).all()
