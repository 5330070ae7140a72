"""Whistles without a database: causes, clocks, and the weight of the street's word."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.whistles import clock
from cloud.whistles.assessment import Turn, assess
from cloud.whistles.cause import area_of_tier, common_area, in_own_words, proposed
from cloud.whistles.clock import Clock, State, Step, due, rung, wanted
from cloud.whistles.words import LINES, line
from wire.alert import Hazard
from wire.level import Level

AT = datetime(2026, 7, 1, 8, tzinfo=UTC)
GRID = "/city/district/street/hood/grid"
PLACE = {
    "grid_path": GRID,
    "site_id": "s1",
    "site": "望湖苑",
    "building_id": "b7",
    "building": "7幢",
    "section": "b7-s1",
}


def test_a_stream_is_one_cause_wherever_its_gauges_stand():
    one = proposed(Hazard.WATER_LEVEL, PLACE | {"section": "stream:qingshi"})
    other = proposed(Hazard.WATER_LEVEL, PLACE | {"section": "stream:qingshi", "grid_path": "/city/district/b/c/d"})
    assert one[0].key == other[0].key == "water_level:stream:qingshi"
    assert proposed(Hazard.WATER_LEVEL, PLACE, parent_area="/city/district")[0].why == "parent"


def test_an_outage_is_one_cause_of_the_district_and_a_fire_of_its_building():
    streets = [GRID, "/city/district/other/hood/grid"]
    keys = {proposed(hazard, PLACE | {"grid_path": path})[0].key
            for path in streets for hazard in (Hazard.DEVICE, Hazard.GATEWAY)}  # fmt: skip
    assert keys == {"outage:area:/city/district"}
    assert [one.key for one in proposed(Hazard.SMOKE, PLACE)] == [
        "smoke:building:b7", "smoke:site:s1", "smoke:area:/city/district/street",
    ]  # fmt: skip
    everywhere = {"grid_path": GRID}
    assert all(proposed(hazard, everywhere) for hazard in Hazard), "a place in words has a cause, too"


def test_own_words_are_one_cause_however_they_are_typed():
    assert in_own_words("10kV 望湖线 故障").key == in_own_words("１０ＫＶ望湖线故障。").key
    assert in_own_words("10kV 望湖线").key != in_own_words("10kV 水南线").key
    with pytest.raises(ValueError, match="nothing"):
        in_own_words(" … ")


def test_areas():
    assert area_of_tier(GRID, "street") == "/city/district/street"
    assert area_of_tier("/city", "street") == "/city"
    assert common_area([GRID, "/city/district/other/x"]) == "/city/district"


@given(st.sampled_from(State), st.booleans())
def test_while_it_has_not_ended_a_clock_runs_and_a_return_stops_none(state, returned):
    clocks = wanted("whi_1", state, "wrt_1" if returned else None)
    if state is State.ENDED:
        assert not clocks
        return
    assert clocks >= wanted("whi_1", state, None), "首接负责: the first receiver's clock runs on"
    assert wanted("whi_1", state, None)
    assert (Clock(Step.RULE, "wrt_1") in clocks) is returned


@given(st.sampled_from(Step), st.sampled_from(Level), st.integers(0, 20))
def test_a_clock_rings_again_for_ever_and_never_earlier(step, level, rounds):
    first, later = due(step, level, AT, rounds), due(step, level, AT, rounds + 1)
    assert later > first
    assert later - first <= max(clock.LONGEST_PAUSE, clock.limit(step, level))


def test_a_department_is_reminded_then_told_above_at_the_limit():
    assert due(Step.REPORT_IN, Level.II, AT, 0) == AT + timedelta(seconds=400)
    assert due(Step.REPORT_IN, Level.II, AT, 1) == AT + timedelta(minutes=10)
    assert [rung(Step.REPORT_IN, n).act for n in range(3)] == ["remind", "escalate", "escalate"]
    assert [rung(Step.REPORT_IN, n).tier for n in (1, 2, 3)] == [0, 1, 2]
    assert rung(Step.REPORT_IN, 1).first
    assert not rung(Step.REPORT_IN, 2).first
    assert due(Step.RULE, Level.I, AT, 0) == AT + timedelta(minutes=5), "SCENARIOS 7: ruled within five minutes"
    assert rung(Step.RULE, 0).act == "escalate"


def test_worse_levels_have_shorter_limits():
    for step in Step:
        spans = [clock.limit(step, level) for level in (Level.I, Level.II, Level.III, Level.IV)]
        assert spans == sorted(spans)


def test_the_streets_word_has_its_share_and_no_less_than_30_percent():
    turns = [Turn(in_time=True), Turn(in_time=False, missed=1), Turn(in_time=True, returned=True, ruled_against=True),
             Turn(in_time=None)]  # fmt: skip
    found = assess(turns, [5, 3], 30)
    assert (found.answered_in_time, found.answered_late_or_not, found.waiting) == (2, 1, 1)
    assert (found.returned, found.ruled_against, found.limits_missed) == (1, 1, 1)
    assert (found.street_score, found.facts_score) == (75.0, 33.3), "what the ruling refused is no answer in time"
    assert found.score == round(0.3 * 75.0 + 0.7 * 33.3, 1)
    assert assess(turns, [5, 3], 100).score == 75.0
    assert assess(turns, [], 30).score is None, "no rating, no score: half a figure misleads"
    for share in (29.9, 100.1):
        with pytest.raises(ValueError, match="at least 30"):
            assess(turns, [5], share)


def test_every_line_can_be_said_in_both_languages():
    names = dict.fromkeys(("department", "number", "reason", "former", "step", "street", "score"), "{x}")
    for code in LINES:
        zh, en = line(code, names)
        assert zh
        assert en
