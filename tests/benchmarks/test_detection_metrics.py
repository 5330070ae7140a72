"""The figures of the detection bench against tables and cases worked out by hand."""

import math

import numpy as np
import pytest

from benchmarks.detection import baselines, judged, smoke, water
from benchmarks.detection.baselines import Constant, Gaussian
from benchmarks.detection.judged import Alarm, Told
from benchmarks.detection.metrics import (
    Rate,
    Share,
    brier,
    contingency,
    median_interval,
    nab_raw,
    nab_score,
    poisson_bound,
    poisson_interval,
    reliability,
    spread,
    wilson,
)
from benchmarks.detection.tally import add
from rules.columns import Change
from simulators.batch.dwelling import SmokePlan
from simulators.batch.recording import Device, Log, TruthEvent, assemble
from wire.alert import Hazard, Verb
from wire.level import Level

T0 = 1_780_000_000_000
MINUTE = 60_000


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390), (100, 81.36, 121.63)],
)
def test_poisson_intervals_are_those_of_the_tables(count, low, high):
    found = poisson_interval(count)
    assert found == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_the_upper_bound_of_nothing_seen_is_three_and_large_counts_meet_the_exact_ones():
    assert poisson_bound(0) == pytest.approx(2.996, abs=0.001)
    assert poisson_bound(1) == pytest.approx(4.744, abs=0.001)
    assert poisson_bound(2001) == pytest.approx(poisson_bound(2000) + 1.02, abs=0.1)
    rate = Rate.of(0, 4000.0)
    assert rate.bound == pytest.approx(7.49e-4, rel=0.01)
    assert math.isnan(Rate.of(3, 0.0).rate)


def test_wilson_intervals_are_those_of_the_tables():
    assert wilson(0, 10) == (pytest.approx(0.0), pytest.approx(0.2775, abs=1e-3))
    assert wilson(81, 263) == (pytest.approx(0.2553, abs=1e-3), pytest.approx(0.3662, abs=1e-3))
    assert wilson(10, 10)[1] == pytest.approx(1.0)
    assert wilson(0, 0) == (0.0, 1.0)
    assert Share.of(3, 4).share == 0.75


def test_contingency_by_hand():
    found = contingency(hits=6, misses=2, false=4)
    assert found == {"pod": 0.75, "far": 0.4, "csi": 0.5}
    assert math.isnan(contingency(0, 0, 0)["csi"])


def test_probabilities_by_hand():
    assert brier([1.0, 0.0, 0.5], [True, False, True]) == pytest.approx(0.25 / 3)
    assert reliability([0.05, 0.08, 0.95], [False, True, True]) == [[pytest.approx(0.065), 0.5, 2], [0.95, 1.0, 1]]


def test_spread_and_median():
    assert spread([1, 2, 3, 10]) == {"n": 4, "median": 2.5, "p95": pytest.approx(8.95), "max": 10.0}
    assert spread([])["n"] == 0
    low, high = median_interval(list(range(100)))
    assert low <= 41
    assert high >= 58
    assert math.isnan(median_interval([1, 2])[0])


class TestNab:
    def test_saying_nothing_is_zero_and_the_first_row_of_each_window_is_a_hundred(self):
        windows = [(300, 399), (600, 699)]
        assert nab_score(nab_raw(1000, windows, [], "standard"), 2, "standard") == 0
        assert nab_score(nab_raw(1000, windows, [300, 600], "standard"), 2, "standard") == pytest.approx(100)

    def test_late_detections_earn_less_and_repeats_nothing(self):
        windows = [(300, 399)]
        middle = nab_raw(1000, windows, [350], "standard")
        sigmoid = 2 / (1 + math.exp(-5 * 0.5)) - 1
        assert middle == pytest.approx(sigmoid / 0.98661, abs=1e-4)
        assert nab_raw(1000, windows, [350, 351, 399], "standard") == middle

    def test_false_alarms_cost_by_profile_and_distance(self):
        windows = [(300, 399)]
        far = nab_raw(5000, windows, [300, 4000], "standard") - nab_raw(5000, windows, [300], "standard")
        assert far == pytest.approx(-0.11)
        twice = nab_raw(5000, windows, [300, 4000], "reward_low_fp") - nab_raw(5000, windows, [300], "reward_low_fp")
        assert twice == pytest.approx(-0.22)
        assert nab_raw(1000, windows, [], "reward_low_fn") == -2

    def test_the_first_part_is_not_scored(self):
        assert nab_raw(1000, [], [10, 149], "standard") == 0
        assert nab_raw(1000, [], [150], "standard") == pytest.approx(-0.11)


def told(minute, verb, level, rule="smoke", device="d"):
    at = T0 + minute * MINUTE
    return Told(Change(device, None, rule, Hazard.SMOKE, verb, level, at, at), at)


def test_what_overlaps_on_a_device_is_one_alarm_and_each_level_counts_from_its_first_word():
    changes = [
        told(0, Verb.RAISED, Level.III),
        told(2, Verb.RAISED, Level.II, rule="heat"),
        told(5, Verb.CLEARED, None, rule="heat"),
        told(9, Verb.CLEARED, None),
        told(20, Verb.RAISED, Level.IV),
        told(21, Verb.RAISED, Level.I, device="other"),
    ]
    first, second, other = judged.alarms(changes, T0 + 60 * MINUTE, Hazard.SMOKE)
    assert (first.first(2), first.first(3), first.first(4)) == (T0, T0 + 2 * MINUTE, None)
    assert (first.raised, first.rules, first.end) == (2, ("heat", "smoke"), T0 + 9 * MINUTE)
    assert (second.first(1), second.first(2), second.end) == (T0 + 20 * MINUTE, None, T0 + 60 * MINUTE)
    assert other.device == "other"
    assert judged.alarms(changes, T0, Hazard.WATER_LEVEL) == []


def flood(onset, end, peak, crossing=None):
    crossings = {} if crossing is None else {"0.25": T0 + crossing * MINUTE}
    return TruthEvent("flood", True, Hazard.WATER_LEVEL, "z", T0 + onset * MINUTE, T0 + end * MINUTE, ("w",),
                      {"w": peak}, {"w": crossings})  # fmt: skip


def recording_of(events, minutes=1440):
    device = Device("w", "z", "shouwang/water-level", Hazard.WATER_LEVEL, ("level",), 60.0)
    ts = T0 + MINUTE * np.arange(minutes)
    log = Log(device, ts, {"level": np.zeros(minutes)})
    return assemble([log], events, T0, T0 + minutes * MINUTE, np.random.default_rng(1))


def warning(minute, device="w"):
    at = T0 + minute * MINUTE
    return Alarm(device, (at, at, at, at), at + 15 * MINUTE, 1)


def test_closings_by_hand_a_hit_a_late_one_a_miss_a_near_miss_and_one_in_the_dry():
    events = [
        flood(100, 150, 0.4, crossing=110),
        flood(300, 350, 0.4, crossing=310),
        flood(500, 550, 0.4, crossing=510),
        flood(700, 750, 0.22),
        flood(900, 950, 0.10),
    ]
    warnings = [warning(103), warning(311), warning(705), warning(905), warning(1300)]
    found = water.closings(recording_of(events), warnings, warnings)
    assert (found["hits"], found["misses"], found["told_late"]) == (1, 2, 1)
    assert (found["false"], found["false_near"]) == (3, 2)
    assert sorted(found["leads"]) == [0.0, 0.0, 7.0]
    assert found["dry"]["II"] == 1


def test_street_floods_by_hand_once_twice_and_hidden_by_a_standing_alarm():
    events = [flood(100, 150, 0.1), flood(400, 500, 0.1), flood(800, 850, 0.1)]
    standing = Alarm("w", (T0 + 700 * MINUTE, None, None, None), T0 + 900 * MINUTE, 1)
    found = water.street_events(recording_of(events), [warning(102), warning(410), warning(450), standing], [])
    assert (found["n"], found["found"], found["once"], found["masked"], found["false"]) == (3, 2, 1, 1, 1)


def test_smoke_scores_by_hand():
    fire = TruthEvent("flaming", True, Hazard.SMOKE, "z", T0 + 100 * MINUTE, T0 + 120 * MINUTE, ("w",), {"w": 2.0}, {},
                      {"alpha": 0.0469})  # fmt: skip
    meal = TruthEvent("frying", False, Hazard.SMOKE, "z", T0 + 500 * MINUTE, T0 + 510 * MINUTE, ("w",), {"w": 0.2}, {},
                      {"distance_m": 3.5})  # fmt: skip
    fried = Alarm("w", (None, T0 + 505 * MINUTE, None, None), T0 + 520 * MINUTE, 1)
    found = smoke.score(recording_of([fire, meal]), [warning(101), fried, warning(1000)])
    assert found["false"] == {"IV": 2, "III": 2, "II": 1, "I": 1}
    assert found["causes"] == {"III": {"frying": 1, "none": 1}, "II": {"none": 1}}
    assert found["far_meals_alarmed"] == {"III": 1, "II": 0}
    assert found["events"]["flaming fast"]["delay_II"] == [60.0]


def test_baselines_verify_nothing_and_clear_after_a_quarter_of_an_hour():
    ts = T0 + MINUTE * np.arange(60)
    out = np.zeros(60, dtype=bool)
    out[[5, 10, 40]] = True
    alarms = baselines.alarms_of("w", ts, ts + 150, out)
    assert [each.first(4) for each in alarms] == [T0 + 5 * MINUTE + 150, T0 + 40 * MINUTE + 150]
    assert alarms[0].end == T0 + 25 * MINUTE
    below = Constant(-5.0, below=True, reference="nominal")
    assert below.out(np.array([10.0, 9.6, 9.5]), {"nominal": 10.0}).tolist() == [False, False, True]


def test_the_windowed_gaussian_weighs_by_time_so_that_thinning_changes_little():
    rng = np.random.default_rng(3)
    ts = T0 + 10_000 * np.arange(20_000)
    value = 0.01 + 0.004 * rng.standard_normal(20_000)
    value[15_000:15_010] = 0.2
    kept = (np.arange(20_000) % 30 == 0) | (np.abs(np.arange(20_000) - 15_005) < 12)
    gaussian = Gaussian(window_s=6 * 3600.0, least=0.004, warm_s=3600.0)
    whole, thin = gaussian.out(ts, value), gaussian.out(ts[kept], value[kept])
    assert whole.sum() == thin.sum() == 10
    assert not gaussian.out(ts[:1], value[:1]).any()


def test_parts_add_up_whatever_they_hold():
    assert add({"n": 1, "by": {"a": 1}, "list": [1]}, {"n": 2, "by": {"b": 3}, "list": [2]}) == {
        "n": 3,
        "by": {"a": 1, "b": 3},
        "list": [1, 2],
    }


def test_a_small_run_is_the_same_twice_and_judges_with_the_defaults():
    task = ("harmful", SmokePlan(dwellings=1, days=3, seed=5, quiet_cadence_s=300.0, fires=60.0))
    once, again = smoke.run(task), smoke.run(task)
    assert once == again
    figures = smoke.summary(once)["events"]["rules"]["all fires"]
    assert figures["n"] >= 1
    assert figures["III"]["recall"].hits == figures["n"]
