"""Levels by rule and by people, families of a storm, who may end a measure: pure, so by property."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.incidents.families import ENOUGH, WITHIN, Member, common_area, family_of, gather
from cloud.incidents.levels import Cap, Checked, capped, change
from cloud.incidents.measures import MAY_END, WORDS, Kind, MayEnd, may_end
from cloud.plans.plan import MEASURES
from wire.alert import Hazard
from wire.level import Level

T0 = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
LEVELS = st.sampled_from(list(Level))
MAYBE = st.none() | LEVELS


@given(LEVELS, MAYBE, st.none() | st.builds(Cap, LEVELS, LEVELS, st.integers(0, 3)), st.integers(0, 5))
def test_a_level_is_never_below_the_floor_nor_calmed_by_more_than_was_looked_at(said, floor, cap, calling):
    judged = capped(said, floor, cap, calling=calling)
    assert floor is None or judged.level.rank >= floor.rank
    if cap is not None and (said.rank > cap.over.rank or calling > cap.calling):
        assert judged.cap is None
        assert judged.level.rank >= said.rank, "what is worse than what was looked at is not covered"
    if judged.level.rank < said.rank:
        assert judged.reason in ("cap", "floor")
        assert cap is not None


@given(st.sampled_from(list(Hazard)), LEVELS, LEVELS, MAYBE, MAYBE, st.none() | st.sampled_from(list(Checked)))
def test_what_people_set_holds_at_once_and_lowering_takes_a_look(hazard, current, wanted, said, floor, checked):
    judged = change(hazard, current, wanted, said=said, calling=1, checked=checked, floor=floor)
    if wanted is current:
        assert not judged.allowed
    elif wanted.rank < current.rank:
        assert not judged.allowed or checked is not None
        if hazard is Hazard.SMOKE and current in (Level.I, Level.II):
            assert judged.allowed == (checked is Checked.ON_SCENE)
    else:
        assert judged.raises
    if judged.allowed:
        now = capped(said or Level.IV, judged.floor, judged.cap, calling=1)
        assert now.level is wanted or (said is not None and judged.raises and now.level.rank >= wanted.rank)


def members(*sites: str, every_s: float = 60) -> list[Member]:
    return [Member(f"inc-{n}", site, T0 + timedelta(seconds=n * every_s)) for n, site in enumerate(sites)]


def test_three_places_of_one_street_are_a_storm_and_three_alarms_of_one_place_are_not():
    family = family_of(Hazard.WATER_LEVEL, "/city/district/street/n1/g1", "up", None)
    now = T0 + timedelta(minutes=10)
    assert gather(family, members("a", "b"), standing=False, now=now).children == ()
    assert gather(family, members("a", "a", "a"), standing=False, now=now).children == ()
    assert gather(family, members("a", "b", "c"), standing=False, now=now).children == ("inc-0", "inc-1", "inc-2")
    assert gather(family, members("a"), standing=True, now=now).children == ("inc-0",), "it has its parent already"
    late = T0 + WITHIN + timedelta(minutes=1)
    assert gather(family, members("a", "b", "c"), standing=False, now=late).children == ()


def test_gauges_of_one_stream_are_a_family_from_two_on_and_fires_never():
    stream = family_of(Hazard.WATER_LEVEL, "/c/d/s/n/g", "stream:sandun", None)
    assert (stream.enough, stream.why) == (2, "same_stream")
    assert family_of(Hazard.SMOKE, "/c/d/s/n/g", None, None) is None
    assert Hazard.SMOKE not in ENOUGH
    drill = family_of(Hazard.WATER_LEVEL, "/c/d/s/n/g", None, "drl-1")
    assert drill.key != family_of(Hazard.WATER_LEVEL, "/c/d/s/n/g", None, None).key
    assert family_of(Hazard.DEVICE, "/c/d/s/n1/g1", None, None) == family_of(Hazard.DEVICE, "/c/d/s/n2", None, None)


def test_the_area_of_several_is_the_lowest_that_holds_them_all():
    assert common_area(["/c/d/s/n1/g1", "/c/d/s/n1/g2"]) == "/c/d/s/n1"
    assert common_area(["/c/d/s/n1/g1", "/c/d/s/n2/g2"]) == "/c/d/s"
    assert common_area(["/c/d/s"]) == "/c/d/s"


def test_every_kind_of_measure_has_its_words_and_plans_know_them():
    assert set(WORDS) == set(Kind)
    assert {kind.value for kind in Kind} == set(MEASURES)


@pytest.mark.parametrize(
    ("rule", "who", "ok"),
    [
        (MayEnd.DUTY_OFFICER, {"at_desk": True}, True),
        (MayEnd.DUTY_OFFICER, {}, False),
        (MayEnd.DUTY_LEADER, {"at_desk": True}, False),
        (MayEnd.DUTY_LEADER, {"at_desk": True, "leads": True}, True),
        (MayEnd.WHO_PUT_IT, {"at_desk": True}, False),
        (MayEnd.WHO_PUT_IT, {"put_by": "me"}, True),
        (MayEnd.WHO_PUT_IT, {"at_desk": True, "leads": True}, True),
        (MayEnd.OUTSIDE, {"at_desk": True, "leads": True}, False),
        (MayEnd.OUTSIDE, {"at_desk": True, "authority": "交警二大队 王警官"}, True),
        (MayEnd.OUTSIDE, {"authority": "交警二大队 王警官"}, False),
    ],
)
def test_who_may_end_a_measure(rule, who, ok):
    asked = {"at_desk": False, "leads": False, "put_by": "other", "authority": ""} | who
    word = may_end(rule, "me", **asked)
    assert word.allowed == ok
    assert ok or word.why


def test_a_closed_road_is_re_opened_by_word_from_outside_and_a_return_by_the_leader():
    assert MAY_END[Kind.ROAD_CLOSED] is MayEnd.OUTSIDE
    assert MAY_END[Kind.EVACUATION] is MayEnd.DUTY_LEADER
