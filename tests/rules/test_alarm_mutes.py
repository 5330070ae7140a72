"""Shelf, suppression by design, out of service: bounded, visible, and what ends them announces anew."""

import pytest
from alarm_steps import HOUR, SERVICE, T0, change, decision, shelve

from rules.alarm import Around, Isa, Refusal, advance, out_of_service, suppressor, with_service, with_suppressor
from rules.alarm.policy import LONGEST_SERVICE_S, AlarmPolicy, PolicyError, parse
from rules.declaration import DeclarationError
from rules.declaration import parse as parse_rule
from wire.alert import Hazard, Verb
from wire.level import Level
from wire.time import to_datetime


def raised(level=Level.III, **more):
    return advance(None, change(Verb.RAISED, level=level), **more).record


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"until": None}, "no_end"),
        ({"until": to_datetime(T0)}, "no_end"),
        ({"until": to_datetime(T0 + 8 * HOUR + 1)}, "too_long"),
        ({"note": "  "}, "no_reason"),
    ],
)
def test_a_shelf_has_an_end_within_a_shift_and_a_reason(wrong, code):
    fields = {"until": to_datetime(T0 + 8 * HOUR), "note": "steam"}
    assert advance(raised(), decision("shelve", **fields), now=T0).record.isa is Isa.SHLVD
    assert advance(raised(), decision("shelve", **{**fields, **wrong}), now=T0).code == code


def test_a_rule_may_allow_a_shorter_shelf():
    around = Around(policy=AlarmPolicy(longest_shelf_s=1800))
    refusal = advance(raised(), shelve(hours=1), now=T0, around=around)
    assert (refusal.code, refusal.params["longest_s"]) == ("too_long", 1800)


def test_an_active_alarm_of_level_one_is_not_shelved():
    assert advance(raised(Level.I), shelve(), now=T0).code == "most_urgent"


@pytest.mark.parametrize("again", [Verb.ESCALATED, Verb.RAISED])
@pytest.mark.parametrize(
    ("shelved_at", "then", "through"),
    [
        (Level.IV, Level.III, False),
        (Level.IV, Level.II, True),
        (Level.III, Level.II, True),
        (Level.III, Level.I, True),
        (Level.II, Level.II, False),
        (Level.II, Level.I, True),
    ],
)
def test_a_worse_level_that_may_concern_life_breaks_through_a_shelf(again, shelved_at, then, through):
    record = advance(raised(shelved_at), shelve(), now=T0).record
    if again is Verb.RAISED:
        record = advance(record, change(Verb.CLEARED, T0 + 5, None)).record
        record = advance(record, change(again, T0 + 9, then, opened=T0 + 9)).record
    elif then is not shelved_at:
        record = advance(record, change(again, T0 + 9, then)).record
    assert record.isa is (Isa.UNACK if through else Isa.SHLVD)
    assert (record.because.get("code") == "shelf_broken") == through
    assert (record.facts.shelved_level is None) == through


def test_a_shelf_may_be_laid_anew_and_taken_down():
    record = advance(raised(), shelve(hours=1), now=T0).record
    record = advance(record, shelve(hours=2), now=T0).record
    assert record.facts.shelved_until == to_datetime(T0 + 2 * HOUR)
    record = advance(record, decision("unshelve"), now=T0).record
    assert (record.isa, record.because["verb"]) == (Isa.UNACK, "unshelve")
    assert advance(record, decision("unshelve"), now=T0).code == "not_shelved"


def test_an_acknowledged_alarm_that_is_announced_anew_is_unacknowledged():
    record = advance(raised(), decision("acknowledge"), now=T0).record
    record = with_suppressor(record, "maintenance", T0).record
    assert record.facts.acknowledged
    assert with_suppressor(record, None, T0).record.isa is Isa.UNACK


def test_suppression_names_its_condition_and_lets_worse_levels_through():
    policy = AlarmPolicy(suppressed_while=("maintenance", "building:common_mode"))
    assert suppressor(policy, Level.III, lambda each: each == "building:common_mode") == "building:common_mode"
    assert suppressor(policy, Level.III, lambda _: False) is None
    assert suppressor(policy, Level.II, lambda _: True) is None, "unless the rule says otherwise"
    assert suppressor(AlarmPolicy(("maintenance",), Level.I), Level.I, lambda _: True) == "maintenance"
    record = with_suppressor(raised(), "maintenance", T0).record
    assert (record.isa, record.facts.suppressed_by, record.because["by"]) == (Isa.DSUPR, "maintenance", "maintenance")
    other = with_suppressor(record, "gateway_lost", T0).record
    assert (other.isa, other.facts.suppressed_by) == (Isa.DSUPR, "gateway_lost")
    assert with_suppressor(other, "gateway_lost", T0) is None


def test_an_alarm_is_muted_until_the_last_reason_is_gone():
    record = with_suppressor(raised(), "maintenance", T0).record
    record = advance(record, shelve(), now=T0).record
    record = with_service(record, SERVICE, T0, {}).record
    assert record.isa is Isa.OOSRV
    record = with_service(record, None, T0, {"code": "service_over"}).record
    assert (record.isa, record.facts.acknowledged) == (Isa.DSUPR, False)
    record = with_suppressor(record, None, T0).record
    assert record.isa is Isa.SHLVD
    assert advance(record, decision("unshelve"), now=T0).record.isa is Isa.UNACK


def test_a_raise_is_muted_from_its_first_word_on():
    record = raised(around=Around(suppressed_by="maintenance", service=SERVICE))
    assert (record.isa, record.facts.suppressed_by) == (Isa.OOSRV, "maintenance")
    assert record.facts.out_of_service_until == SERVICE.until


def test_out_of_service_has_who_why_and_until_and_is_never_open_ended():
    longest = round(LONGEST_SERVICE_S * 1000)

    def asked(**fields):
        usual = {"until": to_datetime(T0 + longest), "note": "painting ", "alarm": "d:*"}
        return out_of_service(decision("out_of_service", **{**usual, **fields}), T0)

    service = asked()
    assert (service.target, service.by, service.why) == ("d:*", "per_1", "painting")
    assert asked(until=None).code == "no_end"
    assert asked(until=to_datetime(T0 + longest + 1)).code == "too_long"
    assert asked(note="").code == "no_reason"
    assert asked(expires=T0 - 1).expired


def test_what_a_rule_says_of_its_alarm():
    rule = parse_rule(
        "smoke",
        {
            "kind": "level",
            "point": "obscuration",
            "levels": {"III": {"enter": 1}},
            "alarm": {
                "suppressed_while": ["maintenance", "gateway_lost", "building:common_mode"],
                "suppressed_up_to": "II",
                "longest_shelf_s": 3600,
                "chattering": {"raises": 4},
                "flapping": False,
            },
        },
        Hazard.SMOKE,
    )
    assert rule.alarm.suppressed_while == ("maintenance", "gateway_lost", "building:common_mode")
    assert (rule.alarm.suppressed_up_to, rule.alarm.longest_shelf_s) == (Level.II, 3600)
    assert (rule.alarm.chattering.raises, rule.alarm.chattering.within_s, rule.alarm.flapping) == (4, 60, None)
    assert "alarm" not in repr(rule), "a change of it keeps the engine's state"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ({"suppressed": []}, "alarm.suppressed"),
        ({"suppressed_while": "maintenance"}, "alarm.suppressed_while"),
        ({"suppressed_while": ["street:smoke"]}, "alarm.suppressed_while"),
        ({"suppressed_while": [3]}, "alarm.suppressed_while"),
        ({"suppressed_up_to": "V"}, "alarm.suppressed_up_to"),
        ({"longest_shelf_s": 90_000}, "alarm.longest_shelf_s"),
        ({"longest_shelf_s": True}, "alarm.longest_shelf_s"),
        ({"chattering": True}, "alarm.chattering"),
        ({"chattering": {"raises": 1}}, "alarm.chattering.raises"),
        ({"flapping": {"often": 1}}, "alarm.flapping.often"),
        ([], "alarm"),
    ],
)
def test_errors_name_the_key(text, where):
    with pytest.raises(PolicyError) as caught:
        parse("alarm", text)
    assert caught.value.where == where


def test_a_rule_says_it_too_and_may_not_take_the_notices_name():
    level = {"kind": "level", "point": "x", "levels": {"III": {"enter": 1}}}
    with pytest.raises(DeclarationError, match=r"smoke\.alarm\.flapping"):
        parse_rule("smoke", {**level, "alarm": {"flapping": 3}}, Hazard.SMOKE)
    with pytest.raises(DeclarationError, match="unsteady"):
        parse_rule("unsteady", level, Hazard.SMOKE)


def test_refusals_are_equal_by_what_they_say():
    assert Refusal("no_end", {"verb": "shelve"}) == Refusal("no_end", {"verb": "shelve"})
