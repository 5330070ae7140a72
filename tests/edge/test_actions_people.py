"""Actions: what people's decisions do to them."""

from actions_site import SIREN, changed

from wire.alert import Hazard
from wire.configuration import Decision
from wire.level import Level
from wire.time import to_datetime


def test_a_person_silences_the_siren_and_a_new_alarm_sounds_it_again(site):
    here = site(SIREN)
    here.alarm(Level.II)
    here.passes()
    here.says("1")
    assert here.decide("switch_off").result == "done"
    assert here.passes() == [("siren/set", "0")]
    here.says("0")
    assert here.passes(60) == []
    here.alarm(Level.II, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    assert here.passes(1) == [("siren/set", "1")]


def test_a_hold_lasts_as_long_as_it_was_given_over_a_restart_and_is_handed_back(site):
    here = site(SIREN)
    here.decide("switch_off", until_s=600)
    here.restart()
    here.alarm(Level.I)
    assert here.passes(1) == []
    here.decide("hand_back")
    assert here.passes(1) == [("siren/set", "1")]
    here.says("1")
    here.decide("switch_off", until_s=30)
    assert here.passes(1) == [("siren/set", "0")]
    here.says("0")
    assert here.passes(40) == [], "what stood then has had its turn"


def test_a_decision_is_carried_out_once_and_never_after_its_expiry(site):
    here = site(SIREN)
    assert here.decide("switch_on", name="d1").result == "done"
    assert here.passes() == [("siren/set", "1")]
    here.says("1")
    here.decide("switch_off", name="d2")
    here.passes()
    here.says("0")
    here.decide("switch_on", name="d1")
    assert here.passes(1) == [], "d1 came again"
    assert here.decide("switch_on", name="d3", expires_s=-1).result == "expired"
    assert here.decide("switch_on", "no-such", name="d4").code == "unknown_action"
    assert here.passes(1) == []


def test_a_person_who_switches_it_on_does_not_go_beyond_its_limit(site):
    here = site(SIREN)
    here.decide("switch_on")
    here.passes()
    here.says("1")
    assert here.passes(181) == [("siren/set", "0")]
    here.says("0")
    assert here.passes(10) == []


def test_acknowledging_silences_where_that_is_declared(site):
    here = site(changed(release="acknowledged"))
    here.alarm(Level.II)
    here.passes()
    here.says("1")
    record = here.judge.alarms.records["smoke:smoke"]
    acknowledge = Decision(
        id="ack", verb="acknowledge", alarm_id=record.alarm_id, episode=record.episode, author="li",
        issued_at=to_datetime(here.wall), expires_at=to_datetime(here.wall + 60_000),
    )  # fmt: skip
    here.do(lambda into: here.judge.decide(acknowledge, into))
    assert here.passes(1) == [("siren/set", "0")]
    assert here.verbs[-1] == ("commanded", "off", "acknowledged")
