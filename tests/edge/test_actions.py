"""Actions: what moves, when it is told again, and what a restart makes of it."""

import msgspec
import pytest
from actions_site import LEVEL, SIREN, SMOKE, T0, changed

from wire.configuration import DrillConfig
from wire.level import Level
from wire.time import Timeline


def test_an_urgent_alarm_sounds_the_siren_and_its_end_ends_it(site):
    here = site(SIREN)
    assert here.passes(1) == []
    here.alarm(Level.III)
    assert here.passes(1) == [], "not urgent enough"
    here.alarm(Level.II)
    assert here.passes() == [("siren/set", "1")]
    assert here.state().state == "pending"
    here.says("ON")
    assert here.state().state == "on"
    assert here.passes(1) == []
    here.alarm(None)
    assert here.passes(1) == [("siren/set", "0")]
    here.says("off")
    assert here.verbs == [
        ("commanded", "on", "alarm"), ("confirmed", "on", "alarm"),
        ("commanded", "off", "cleared"), ("confirmed", "off", "cleared"),
    ]  # fmt: skip
    assert here.told[0].causes[0].startswith("smoke:smoke@")


def test_what_is_not_confirmed_is_told_again_then_reported_and_tried_on(site):
    here = site(SIREN)
    here.alarm(Level.I)
    assert here.passes() == [("siren/set", "1")]
    assert here.passes(4) == []
    assert here.passes(1.1) == [("siren/set", "1")], "a second try"
    assert here.judge.actions.problems() == []
    assert here.passes(5.1) == []
    assert "2 tries" in here.judge.actions.problems()[0]
    assert here.state().state == "failed"
    assert here.passes(30) == []
    assert here.passes(31) == [("siren/set", "1")], "as long as it is wanted"
    here.says("on")
    assert here.judge.actions.problems() == []
    assert [verb for verb, _, _ in here.verbs] == ["commanded", "failed", "confirmed"]


def test_without_a_broker_no_try_is_used_up_and_the_failure_is_said(site):
    here = site(SIREN)
    here.connected = False
    here.alarm(Level.I)
    assert here.passes() == []
    assert here.passes(11) == []
    assert "no broker" in here.judge.actions.problems()[0]
    here.connected = True
    assert here.passes(1) == [("siren/set", "1")]


def test_the_time_limit_ends_it_and_the_same_alarm_does_not_begin_it_again(site):
    here = site(SIREN)
    here.alarm(Level.II)
    here.passes()
    here.says("1")
    assert here.passes(179) == []
    assert here.passes(2) == [("siren/set", "0")]
    assert here.verbs[-1] == ("commanded", "off", "limit")
    here.says("0")
    assert here.passes(600) == [], "its turn is over"
    here.alarm(Level.I)
    assert here.passes(1) == [("siren/set", "1")], "it became worse"
    here.says("1")
    here.alarm(None)
    here.passes(1)
    here.says("0")
    here.alarm(Level.II)
    assert here.passes(1) == [("siren/set", "1")], "another episode"


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, -T0])
def test_a_step_of_the_wall_clock_changes_no_time_limit(site, step_ms):
    here = site(SIREN)
    here.alarm(Level.II)
    here.passes()
    here.says("1")
    here.wall += step_ms
    assert here.passes(100) == []
    assert here.passes(81) == [("siren/set", "0")]


def test_what_was_on_at_a_kill_is_known_after_it_told_again_and_ends_by_its_limit(site):
    here = site(SIREN)
    here.alarm(Level.II)
    here.passes()
    here.says("1")
    here.passes(100)
    here.wall += 30_000  # dead for so long
    here.mono = 5.0  # another boot, even
    here.restart()
    assert here.state().on
    assert here.passes() == [("siren/set", "1")], "told again: it may have been restarted too"
    here.says("1")
    assert here.passes(40) == []
    assert here.passes(11) == [("siren/set", "0")]
    assert here.verbs[-1] == ("commanded", "off", "limit")
    here.says("0")
    here.restart()
    assert here.passes(1) == [], "spent is remembered too"


def test_an_alarm_whose_commit_was_the_last_thing_before_the_kill_still_moves_it(site):
    here = site(SIREN)
    here.alarm(Level.II)
    here.restart()
    assert here.passes() == [("siren/set", "1")]


def test_muted_alarms_and_those_of_other_places_move_nothing(site):
    elsewhere = msgspec.structs.replace(SMOKE, id="far", zone="z2", building="b2")
    here = site(changed(building="b1"), devices=(SMOKE, LEVEL, elsewhere))
    here.alarm(Level.I, device="far")
    assert here.passes() == []
    here.alarm(Level.II)
    assert here.passes() == [("siren/set", "1")]


@pytest.mark.parametrize("allowed", [False, True])
def test_a_drill_moves_the_real_thing_only_where_that_is_allowed(site, allowed):
    drill = DrillConfig(id="drl", state="running", timeline=Timeline("drl"))
    here = site(changed(exercises=allowed), drills=(drill,))
    here.alarm(Level.I, exercise="drl")
    assert here.passes() == ([("siren/set", "1")] if allowed else [])
    assert [report.exercise for report in here.told] == (["drl"] if allowed else [])


def test_a_device_on_a_replayed_timeline_moves_nothing_real(site):
    replayed = msgspec.structs.replace(SMOKE, timeline="demo")
    here = site(SIREN, devices=(replayed,), timelines=[Timeline("demo")])
    here.alarm(Level.I)
    assert here.passes() == []


def test_a_device_that_says_the_contrary_is_told_again(site):
    here = site(SIREN)
    here.alarm(Level.II)
    here.passes()
    here.says("1")
    here.says("0")  # somebody pressed its button
    assert here.passes(1) == [("siren/set", "1")]
    assert here.verbs[-1] == ("contradicted", "on", "alarm")
    here.says("1")
    assert here.state().state == "on"


def test_an_action_that_is_taken_away_while_on_is_switched_off_also_after_a_restart(site):
    here = site(SIREN)
    here.alarm(Level.II)
    here.passes()
    here.says("1")
    here.document = msgspec.structs.replace(here.document, actions=[])
    here.restart()
    assert here.passes() == [("siren/set", "0")]
    assert here.verbs[-1] == ("commanded", "off", "withdrawn")
    here.restart()
    assert here.passes() == []
