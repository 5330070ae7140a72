"""Kind `daily_pattern`: what is unusual at this time of the day."""

import numpy as np
import pytest
from one_panel import DAY, HOUR, hourly, signal_of

from rules.kinds import daily_pattern
from rules.parts import DeclarationError

MONDAY = 1_704_038_400_000  # 2024-01-01 00:00 in China
QUARTER = HOUR // 4


def tide(days, rng=None, every=QUARTER, start=MONDAY):
    """A level that goes up and down twice a day."""
    ts = start + np.arange(0, days * DAY, every)
    level = 1 + 0.5 * np.sin((ts - start) / DAY * 4 * np.pi)
    noise = 0.02 * rng.standard_normal(len(ts)) if rng is not None else 0.0
    return list(zip(ts.tolist(), (level + noise).tolist(), strict=True))


def test_the_usual_is_usual_and_the_unusual_is_told():
    readings = tide(30, np.random.default_rng(1))
    odd = 96 * 25 + 40
    readings[odd : odd + 4] = [(ts, value + 0.5) for ts, value in readings[odd : odd + 4]]
    signal = signal_of(daily_pattern, {"value": readings}, least_sd=0.02, teach_below=4.0)
    assert np.isnan(signal.value[: 96 * 14]).all(), "two weeks are learnt first"
    assert (signal.value[odd : odd + 4] > 4.5).all()
    usual = np.delete(signal.value[96 * 14 :], np.arange(odd, odd + 4) - 96 * 14)
    assert np.mean(usual > 4) < 0.002
    # a constant threshold that tells of this high water tells of every high tide
    assert readings[odd][1] < max(value for _, value in readings) + 0.3


def test_mean_and_variance_are_those_of_the_days_before():
    values = [1.0, 3.0, 2.0, 6.0]
    ts = [MONDAY + day * DAY + 10 * 60_000 for day in range(5)]
    signal = signal_of(daily_pattern, {"value": list(zip(ts, [*values, 0.0], strict=True))}, least_sd=0.001, min_days=2,
                       teach_below=1e6)  # fmt: skip
    assert signal.evidence["days"].tolist() == [0, 1, 2, 3, 4]
    assert signal.evidence["expected"][1:] == pytest.approx([1.0, 2.0, 2.0, 3.0], abs=1e-4)
    assert signal.evidence["sd"][4] == pytest.approx(np.std(values), rel=1e-3)


def test_what_is_in_alarm_never_teaches_until_a_person_says_so():
    readings = tide(60)
    late = [(ts, value + (0.6 if ts >= MONDAY + 30 * DAY else 0.0)) for ts, value in readings]
    signal = signal_of(daily_pattern, {"value": late}, least_sd=0.05, teach_below=4.0)
    assert (signal.value[96 * 30 :] > 4).all()
    anew = signal_of(
        daily_pattern, {"value": late}, {"pattern_since": (MONDAY + 30 * DAY) / 1000}, least_sd=0.05, teach_below=4.0
    )
    assert np.nanmax(anew.value[96 * 46 :]) < 4


def test_what_is_in_doubt_never_teaches():
    readings = tide(20)
    wrong = list(range(96 * 10, 96 * 11))
    spoilt = [(ts, 9.0 if number in wrong else value) for number, (ts, value) in enumerate(readings)]
    keys = {"least_sd": 0.05, "teach_below": 100.0}
    doubted = signal_of(daily_pattern, {"value": spoilt}, bad=wrong, **keys)
    believed = signal_of(daily_pattern, {"value": spoilt}, **keys)
    assert np.nanmax(doubted.evidence["sd"][96 * 15 :]) < 0.1
    assert np.nanmax(believed.evidence["sd"][96 * 15 :]) > 1.0


def test_a_weekend_is_learnt_apart():
    ts = [MONDAY + hour * HOUR for hour in range(24 * 42)]
    busy = [1.0 if ((each - MONDAY) // DAY) % 7 < 5 else 3.0 for each in ts]
    readings = {"value": list(zip(ts, busy, strict=True))}
    apart = signal_of(daily_pattern, readings, least_sd=0.1, weekend=True, min_days=5, teach_below=4.0)
    assert np.nanmax(apart.value) < 1
    together = signal_of(daily_pattern, readings, least_sd=0.1, min_days=4, teach_below=4.0)
    assert np.nanmax(together.value) > 4


def test_below_and_above_are_told_apart_when_asked():
    readings = [(MONDAY + day * DAY, 1.0) for day in range(20)] + [(MONDAY + 20 * DAY, 0.0)]
    low = signal_of(daily_pattern, {"value": readings}, least_sd=0.1, both_ways=False, teach_below=4.0)
    assert low.value[-1] == pytest.approx(-10.0)
    assert signal_of(daily_pattern, {"value": readings}, least_sd=0.1).value[-1] == pytest.approx(10.0)


def test_cuts_change_nothing():
    rng = np.random.default_rng(5)
    readings = tide(24, rng, every=7 * 60_000)
    bad = rng.choice(len(readings), 60, replace=False).tolist()
    keys = {"least_sd": 0.02, "min_days": 3, "teach_below": 3.0, "bad": bad, "weekend": True}
    whole = signal_of(daily_pattern, {"value": readings}, **keys)
    cuts = sorted(rng.choice(len(readings), 40, replace=False).tolist())
    cut = signal_of(daily_pattern, {"value": readings}, cuts=cuts, **keys)
    np.testing.assert_array_equal(whole.value, cut.value)
    np.testing.assert_array_equal(whole.evidence["expected"], cut.evidence["expected"])


def test_errors_name_the_key():
    with pytest.raises(DeclarationError, match=r"tide\.least_sd: missing"):
        daily_pattern.parse("tide", {}, 60)
    options = daily_pattern.parse("tide", {"least_sd": 0.1, "levels": {"IV": {"enter": 3}, "III": {"enter": 5}}}, 60)
    assert options.teach_below == 3
    assert len(hourly([1.0])) == 1
