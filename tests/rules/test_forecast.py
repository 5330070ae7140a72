"""Kind `forecast`: minutes, probability, rate and rank of lines whose answer is known."""

import numpy as np
import pytest
from plain_frame import PlainFrame

from benchmarks.detection.probability import outlook, summary
from rules import parts
from rules.kinds import forecast
from simulators.batch import underpass
from simulators.batch.underpass import UnderpassPlan

START = 1_780_000_000_000


def judged(levels, cadence_s=20.0, **keys):
    options = forecast.parse("ahead", keys, 10.0)
    chosen = np.zeros(1, dtype=forecast.SETTINGS)
    forecast.settings(options, {}, chosen[0])
    at = [START + round(number * cadence_s * 1000) for number in range(len(levels))]
    frame = PlainFrame(forecast.inputs(options), {"level": list(zip(at, levels, strict=True))})
    return forecast.signal(frame, chosen, np.zeros(1, dtype=forecast.MEMORY)).value


def line(per_min, count=31, cadence_s=20.0, start=0.05):
    return start + per_min * cadence_s / 60 * np.arange(count)


@pytest.mark.parametrize("estimator", ["theil_sen", "kalman"])
def test_a_straight_rise_reaches_the_threshold_when_the_line_does(estimator):
    levels = line(0.01)
    minutes = judged(levels, threshold=0.25, estimator=estimator)
    assert minutes[-1] == pytest.approx((0.25 - levels[-1]) / 0.01, rel=0.03)
    assert judged(levels, measure="rate", estimator=estimator)[-1] == pytest.approx(0.01, rel=0.03)


@pytest.mark.parametrize("estimator", ["theil_sen", "kalman"])
def test_what_stands_still_falls_or_is_dry_reaches_nothing(estimator):
    for levels in (np.full(30, 0.1), line(-0.01, start=0.4), line(0.01, count=5, start=0.0)):
        assert judged(levels, threshold=0.6, estimator=estimator)[-1] == forecast.LONGEST_MIN


def test_a_third_of_wild_readings_hardly_moves_theil_sen():
    levels = line(0.01)
    wild = levels.copy()
    wild[4::5] += 0.3
    wild[-1] = levels[-1]
    rate = judged(wild, measure="rate", at_least=0.0)[-1]
    assert rate == 0.0 or rate == pytest.approx(0.01, rel=0.3)  # refused as noise, or right
    few = levels.copy()
    few[25] += 0.3
    assert judged(few, measure="rate")[-1] == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("estimator", ["theil_sen", "kalman"])
@pytest.mark.parametrize("horizon_s", [600, 1800])
def test_the_probability_is_one_half_where_a_rise_of_three_windows_just_arrives(estimator, horizon_s):
    levels = line(0.005, start=0.05)
    lasts = 3 * 5.0
    there = levels[-1] + 0.005 * lasts * (1 - np.exp(-horizon_s / 60 / lasts))
    keys = {"measure": "probability", "estimator": estimator, "horizon_s": horizon_s}
    assert judged(levels, threshold=there, **keys)[-1] == pytest.approx(0.5, abs=0.03)
    likely = [judged(levels, threshold=there * factor, **keys)[-1] for factor in (0.8, 0.9, 1.0, 1.4, 2.0)]
    assert likely == sorted(likely, reverse=True)
    assert likely[-1] > 0.02  # a rise may well steepen


def test_the_probability_is_never_worse_than_saying_the_mean_on_storms_it_was_not_set_on():
    """Reliability on held-out storms: what is said to come about comes, within a tenth, and Brier's score shows it."""
    recording = next(iter(underpass.design_storms(UnderpassPlan(sites=12, seed=801))))
    found = summary(outlook(recording))
    assert found["n"] > 300
    assert found["brier"] < 0.8 * found["brier_of_the_mean"]
    bins = np.array(found["reliability"])
    said, came = (np.average(bins[:, column], weights=bins[:, 2]) for column in (0, 1))
    assert abs(said - came) < 0.1


def test_an_object_that_was_put_there_is_no_rise():
    levels = np.array([0.04] * 12 + [0.2] * 12)
    assert judged(levels, threshold=0.25).tolist() == [forecast.LONGEST_MIN] * 24


def test_past_the_threshold_the_row_is_passed_over():
    assert np.isnan(judged(line(0.02, start=0.2), threshold=0.25)[-1])


def test_the_rank_is_that_of_the_worst_level_foreseen():
    ahead = {"IV": {"threshold": 0.15, "within_s": 1800}, "II": {"threshold": 0.4, "within_s": 600}}
    keys = {"measure": "rank", "ahead": ahead}
    assert judged(line(0.0045, start=0.03), **keys)[-1] == 1
    assert judged(line(0.03, start=0.03), **keys)[-1] == 3
    assert judged(np.full(30, 0.1), **keys)[-1] == 0
    assert np.isnan(judged(np.full(30, 0.2), **keys)[-1])  # stands past the mildest: what is on stays


def test_directions_and_declarations():
    assert forecast.direction(forecast.parse("a", {"threshold": 1.0}, 10.0)) == "below"
    assert forecast.direction(forecast.parse("a", {"measure": "rate"}, 10.0)) == "above"
    for text, key in (
        ({}, "threshold"),
        ({"measure": "rank"}, "ahead"),
        ({"threshold": 1, "ahead": {}}, "ahead"),
        ({"measure": "rank", "ahead": {"V": {}}}, "ahead.V"),
        ({"measure": "rank", "ahead": {"IV": {"threshold": 0.1}}}, "ahead.IV.within_s"),
        ({"threshold": 1, "estimator": "arima"}, "estimator"),
    ):
        with pytest.raises(parts.DeclarationError, match=rf"a\.{key}"):
            forecast.parse("a", text, 10.0)
