"""Actions: what bars them – other actions, readings that say so, and readings that nobody knows."""

import pytest
from actions_site import BARRIER, changed

from rules.action_declaration import compile_all
from wire.action import Cause, Command, Interlock
from wire.alert import Hazard
from wire.level import Level


def test_a_barrier_stays_down_until_a_person_says_so_and_never_goes_up_over_water(site):
    here = site(BARRIER)
    here.reads(0.4)
    here.alarm(Level.I, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    assert here.passes() == [("b/set", "down")]
    here.says("down")
    here.alarm(None, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    assert here.passes(60) == [], "the alarm's end does not raise it"
    result = here.decide("switch_off", "barrier")
    assert (result.result, result.code) == ("refused", "barred")
    assert "water on the road" in result.reason
    here.reads(0.02)
    assert here.decide("switch_off", "barrier").result == "done"
    assert here.passes() == [("b/set", "up")]
    assert here.told[-1].decision is not None


@pytest.mark.parametrize("what", ["never read", "old", "failed"])
def test_an_interlock_bars_when_it_does_not_know(site, what):
    here = site(changed(BARRIER, release="cleared"))
    here.reads(0.4)
    here.alarm(Level.I, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    here.passes()
    here.says("down")
    here.reads(0.0, flag=4 if what == "failed" else 1)
    if what == "old":
        here.passes(901)
    if what == "never read":
        here.restart()
        here.passes()
        here.says("down")
    here.alarm(None, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    assert here.passes(1) == []
    assert here.state("barrier").state == "barred"
    assert [verb for verb, _, _ in here.verbs].count("barred") == 1
    here.passes(1)
    assert [verb for verb, _, _ in here.verbs].count("barred") == 1, "told once"
    here.reads(0.0)
    assert here.passes(1) == [("b/set", "up")]


def test_a_pump_does_not_run_dry_rests_between_runs_and_stops_for_another_action(site):
    pump = changed(
        id="pump", kind="pump", max_on_s=3600.0, min_off_s=120.0, min_on_s=60.0,
        causes=[Cause(hazards=(Hazard.WATER_LEVEL,), level=Level.IV)],
        interlocks=[
            Interlock(bars="on", device="level", point="level", at_most=0.05, ends=True, why="dry"),
            Interlock(bars="on", action="valve", action_is="off", why="the valve is shut"),
        ],
    )  # fmt: skip
    valve = changed(id="valve", kind="sign", causes=[], max_on_s=None, on=Command(topic="v", payload="1"),
                    off=Command(topic="v", payload="0"), confirm=None)  # fmt: skip
    here = site(pump, valve)
    here.reads(0.3)
    here.alarm(Level.IV, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    assert here.passes() == []
    assert "the valve is shut" in here.state("pump").detail
    here.decide("switch_on", "valve")
    assert sorted(here.passes(1)) == [("siren/set", "1"), ("v", "1")]
    here.says("1")
    here.do(lambda into: here.judge.actions.received("valve", here.wall, into))  # it says no state: the receipt counts
    assert here.state("valve").state == "on"
    here.alarm(None, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    assert here.passes(30) == [], "a minute at least"
    here.reads(0.01)
    assert here.passes(1) == [("siren/set", "0")], "but not dry"
    assert here.verbs[-1] == ("commanded", "off", "interlock")
    here.says("0")
    here.reads(0.3)
    here.alarm(Level.IV, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    assert here.passes(60) == [], "it rests two minutes"
    here.reads(0.3)
    assert here.passes(61) == [("siren/set", "1")]


def test_a_barrier_that_is_taken_away_over_water_is_left_as_it_is(site):
    here = site(BARRIER)
    here.reads(0.4)
    here.alarm(Level.I, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    here.passes()
    here.says("down")
    here.use(actions=[])
    assert here.passes() == []
    assert "left as it is" in here.told[-1].detail


def test_an_interlock_on_what_is_not_there_bars_and_refuses_no_configuration(site):
    gone = [
        Interlock(bars="on", device="gone", point="level", at_least=1.0),
        Interlock(bars="on", action="gone", unknown="pass"),
    ]
    here = site(changed(interlocks=gone))
    here.alarm(Level.I)
    assert here.passes() == []
    assert "gone.level is not known" in here.state().detail
    problems = []
    compile_all([changed(interlocks=gone)], {"level"}, problems)
    assert "not registered" in problems[0], "where people declare it, it is refused"
