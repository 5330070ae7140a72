"""The edge's alarms over time: mutes, unsteady alarms, floods and decisions, through restarts and lost commits."""

import pytest
from alarm_desk import HOUR, T0, Desk, device

from rules.alarm import Isa
from wire.alert import Hazard, Unsteady, Verb
from wire.configuration import DrillConfig
from wire.level import Level
from wire.time import Segment, Timeline, to_datetime


@pytest.fixture
def make_desk(tmp_path, monkeypatch):
    made = []

    def make(*devices):
        made.append(Desk(tmp_path, monkeypatch, *(devices or (device(),))))
        return made[-1]

    yield make
    for desk in made:
        desk.close()


def chatter(desk, **more):
    for step in range(3):
        desk.raised(**more)
        desk.now += 10_000
        if step < 2:
            desk.cleared(**more)
            desk.now += 10_000


def test_a_shelf_ends_by_itself_over_a_restart_and_announces_the_alarm_anew(make_desk):
    desk = make_desk()
    desk.raised(Level.II)
    desk.decide(desk.decision("dec_0", "acknowledge"))
    assert desk.decide(desk.decision("dec_1", "shelve", hours=2)).result == "done"
    desk.restart()
    assert desk.record().isa is Isa.SHLVD
    desk.tick(after_s=7199)
    assert desk.record().isa is Isa.SHLVD
    desk.tick(after_s=1)
    assert desk.record().isa is Isa.UNACK
    assert desk.verbs() == ["raised", "acknowledged", "shelved", "unshelved"]
    assert desk.alerts()[-1].because == {"code": "shelf_over"}
    assert [each.rsplit("/", 1)[1] for each in desk.urgent] == ["1", "4"], "known to people twice, both times urgent"


def test_refusals_say_why_in_a_code(make_desk):
    desk = make_desk()
    desk.raised(Level.II)
    said = {
        "reset": desk.decide(desk.decision("dec_1", "reset")),
        "open-ended": desk.decide(desk.decision("dec_2", "shelve")),
        "too long": desk.decide(desk.decision("dec_3", "shelve", hours=9)),
        "why": desk.decide(desk.decision("dec_4", "shelve", hours=1, note="")),
        "device": desk.decide(desk.decision("dec_5", "out_of_service", alarm="x:*", hours=1)),
        "rule": desk.decide(desk.decision("dec_6", "out_of_service", alarm="d:x", hours=1)),
        "in": desk.decide(desk.decision("dec_7", "into_service", alarm="d:*")),
        "late": desk.decide(desk.decision("dec_8", "out_of_service", alarm="d:*", hours=1, life_s=-1)),
    }
    assert {name: (report.result, report.code) for name, report in said.items()} == {
        "reset": ("refused", "still_active"),
        "open-ended": ("refused", "no_end"),
        "too long": ("refused", "too_long"),
        "why": ("refused", "no_reason"),
        "device": ("refused", "unknown_device"),
        "rule": ("refused", "unknown_rule"),
        "in": ("refused", "in_service"),
        "late": ("expired", "expired"),
    }
    assert said["too long"].params == {"verb": "shelve", "longest_s": 28_800.0}
    assert desk.verbs() == ["raised"]


def test_a_device_out_of_service_is_muted_in_all_its_rules_until_its_time_is_over(make_desk):
    desk = make_desk(device(), device("e"))
    desk.raised(Level.III)
    assert desk.decide(desk.decision("dec_1", "out_of_service", alarm="d:*", hours=2)).result == "done"
    assert (desk.record().isa, desk.alerts()[-1].because["why"]) == (Isa.OOSRV, "painting")
    desk.restart()
    desk.raised(Level.I, rule="heat")
    desk.raised(Level.II, name="e")
    assert [desk.record(*name).isa for name in (("d", "heat"), ("e", "smoke"))] == [Isa.OOSRV, Isa.UNACK]
    assert [each.split("/")[1] for each in desk.urgent] == ["e:smoke"]
    [service] = desk.judge.facts()["out_of_service"]
    assert (service.by, service.why, service.until) == ("per_1", "painting", to_datetime(T0 + 2 * HOUR))
    counts = desk.judge.alarms.counts()
    assert (counts.active, counts.out_of_service, counts.services) == (3, 2, 1), "muted, and counted all the same"
    desk.cleared()
    desk.tick(after_s=7200)
    assert (desk.record().isa, desk.record(rule="heat").isa) == (Isa.LATCH_UNACK, Isa.UNACK)
    assert desk.verbs("d:heat") == ["raised", "into_service"]
    assert desk.alerts("d:heat")[-1].because == {"code": "service_over"}
    assert desk.judge.facts()["out_of_service"] == []


def test_one_rule_out_of_service_leaves_the_others_and_comes_back_by_hand(make_desk):
    desk = make_desk()
    desk.decide(desk.decision("dec_1", "out_of_service", alarm="d:smoke", hours=24))
    desk.raised(Level.II)
    desk.raised(Level.II, rule="heat")
    assert (desk.record().isa, desk.record(rule="heat").isa) == (Isa.OOSRV, Isa.UNACK)
    desk.decide(desk.decision("dec_2", "out_of_service", alarm="d:*", hours=1))
    desk.tick(after_s=3600)
    assert desk.record().isa is Isa.OOSRV, "the rule's own time goes on"
    assert desk.decide(desk.decision("dec_3", "into_service")).result == "done"
    assert (desk.record().isa, desk.alerts()[-1].because["verb"]) == (Isa.UNACK, "into_service")


def test_what_is_out_of_service_ends_with_its_device(make_desk):
    desk = make_desk(device(), device("e"))
    desk.decide(desk.decision("dec_1", "out_of_service", alarm="d:*", hours=24))
    desk.use(device("e"))
    desk.use(device(), device("e"))
    desk.raised(Level.II)
    assert desk.record().isa is Isa.UNACK
    desk.restart()
    assert len(desk.judge.alarms.services) == 0


def test_a_device_in_maintenance_suppresses_what_its_rules_say_and_no_more(make_desk):
    alarm = {"suppressed_while": ["maintenance"]}
    until = to_datetime(T0 + HOUR)
    desk = make_desk(device(alarm=alarm, maintenance_until=until))
    desk.raised(Level.III)
    desk.raised(Level.III, rule="heat_rise")
    assert (desk.record().isa, desk.record(rule="heat_rise").isa) == (Isa.DSUPR, Isa.UNACK)
    assert desk.record().facts.suppressed_by == "maintenance"
    desk.change(Verb.ESCALATED, Level.II)
    assert desk.record().isa is Isa.UNACK, "beyond what the rule suppresses"
    desk.change(Verb.DEESCALATED, Level.III)
    desk.tick()
    assert desk.verbs()[-1] == "suppressed"
    desk.tick(after_s=3600)
    assert (desk.verbs()[-1], desk.record().isa) == ("unsuppressed", Isa.UNACK)


@pytest.mark.parametrize(
    ("scope", "place", "suppressed"),
    [
        ("edge", {"site": "s2"}, True),
        ("site", {"site": "s1"}, True),
        ("site", {"site": "s2"}, False),
        ("building", {"building": "b1"}, True),
        ("building", {"building": "b2"}, False),
        ("building", {}, False),
        ("zone", {"building": "b1", "zone": "z1"}, True),
        ("zone", {"building": "b1", "zone": "z2"}, False),
        ("device", {"building": "b1", "zone": "z1"}, False),
    ],
)
def test_a_parent_alarm_suppresses_within_its_scope(make_desk, scope, place, suppressed):
    child = device(alarm={"suppressed_while": [f"{scope}:heat_rise"]}, building="b1", zone="z1")
    desk = make_desk(child, device("p", **place))
    desk.raised(Level.III, name="p", rule="heat_rise")
    desk.raised(Level.III)
    assert (desk.record().isa is Isa.DSUPR) == suppressed
    desk.cleared(name="p", rule="heat_rise")
    desk.tick()
    assert desk.record().isa is Isa.UNACK


def test_two_alarms_that_name_each_other_are_never_both_silent(make_desk):
    alarm = {"suppressed_while": ["site:smoke"]}
    desk = make_desk(device(alarm=alarm), device("e", alarm=alarm))
    desk.raised()
    desk.raised(name="e")
    for _ in range(5):
        desk.tick(after_s=1)
        assert [desk.record(name).isa for name in "de"] == [Isa.UNACK, Isa.DSUPR]
    desk.decide(desk.decision("dec_1", "shelve", hours=1))
    desk.tick(after_s=1)
    assert desk.record("e").isa is Isa.UNACK, "a parent that is muted suppresses nothing"


def test_a_lost_gateway_suppresses_what_asks_for_it(make_desk):
    alarm = {"suppressed_while": ["gateway_lost"]}
    desk = make_desk(device(alarm=alarm), device("g"))
    desk.raised()
    desk.tick(deaf=True)
    assert desk.record().facts.suppressed_by == "gateway_lost"
    desk.tick(after_s=1)
    assert desk.record().isa is Isa.UNACK
    desk.raised(name="g", rule="link", hazard=Hazard.GATEWAY)
    desk.tick(after_s=1)
    assert desk.record().isa is Isa.DSUPR


def test_a_chattering_alarm_is_held_over_a_restart_with_one_notice_and_ends_by_itself(make_desk):
    desk = make_desk()
    chatter(desk)
    held = desk.record()
    assert (held.facts.unsteady, desk.verbs().count("raised")) == (Unsteady.CHATTERING, 3)
    notice = desk.record(rule="unsteady")
    assert (notice.hazard, notice.facts.level, notice.isa) == (Hazard.DEVICE, Level.IV, Isa.UNACK)
    assert notice.evidence["rule"] == "smoke"
    desk.restart()
    said = len(desk.sent)
    for _ in range(10):
        desk.cleared()
        desk.now += 5000
        desk.raised()
        desk.now += 5000
    assert len(desk.sent) == said
    assert (desk.record().facts.repeats, desk.judge.facts()["alarms"][0]["repeats"]) == (10, 10)
    desk.change(Verb.ESCALATED, Level.I)
    assert desk.verbs()[-1] == "escalated"
    assert desk.urgent, "held, and urgent all the same"
    desk.cleared()
    desk.tick(after_s=294)
    assert desk.record().facts.active
    desk.tick(after_s=1)
    assert (desk.record().isa, desk.record(rule="unsteady").facts.active) == (Isa.LATCH_UNACK, False)
    assert desk.verbs("d:unsteady") == ["raised", "cleared"]
    assert desk.judge.alarms.counts().unsteady == 0


def test_two_unsteady_alarms_of_a_device_are_one_notice_until_the_last_is_steady(make_desk):
    desk = make_desk()
    chatter(desk)
    chatter(desk, rule="heat_rise")
    desk.tick(after_s=250)
    assert [desk.record(rule=rule).facts.unsteady is None for rule in ("smoke", "heat_rise")] == [True, False]
    assert desk.record(rule="unsteady").facts.active
    desk.tick(after_s=60)
    assert desk.verbs("d:unsteady") == ["raised", "cleared"]
    desk.tick(after_s=1000)
    chatter(desk)
    assert desk.verbs("d:unsteady") == ["raised", "cleared", "raised"]


def test_a_held_alarm_ends_with_its_device(make_desk):
    desk = make_desk(device(), device("e"))
    chatter(desk)
    desk.cleared()
    assert desk.record().facts.active
    desk.use(device("e"))
    assert (desk.record().facts.active, desk.record(rule="unsteady").facts.active) == (False, False)
    assert desk.record().facts.latched is False


def test_a_latched_alarm_that_is_raised_again_leaves_nothing_standing_in_the_cloud(make_desk):
    desk = make_desk()
    desk.raised()
    desk.now += 60_000
    desk.cleared()
    assert desk.record().isa is Isa.LATCH_UNACK
    first = desk.record().episode
    desk.now += 60_000
    desk.raised()
    last = {alert.episode: alert.facts for alert in desk.alerts()}
    assert (last[first].active, last[first].latched) == (False, False)
    assert desk.verbs() == ["raised", "cleared", "raised", "superseded"]


def test_a_flood_is_told_by_site_and_over_all_survives_a_restart_and_ends(make_desk):
    names = [f"d{number}" for number in range(12)]
    desk = make_desk(*(device(name, site="s1" if number < 11 else "s2") for number, name in enumerate(names)))
    for name in names[:10]:
        desk.raised(name=name)
        desk.now += 1000
    assert desk.judge.facts()["alarm_floods"] == []
    desk.raised(name=names[11])
    assert [flood.area for flood in desk.judge.facts()["alarm_floods"]] == [""]
    desk.raised(name=names[10])
    desk.restart()
    floods = desk.judge.alarms.floods.running()
    assert {(flood.area, flood.alarms) for flood in floods} == {("", 12), ("s1", 11)}
    assert sum("alarm flood" in note for note in desk.judge.notes()) == 2
    assert len(desk.sent) == 12, "a flood hides nothing"
    desk.tick(after_s=595)
    assert len(desk.judge.alarms.floods.running()) == 2
    desk.tick(after_s=10)
    assert desk.judge.alarms.floods.running() == []
    desk.tick(after_s=600)
    desk.restart()
    assert desk.judge.alarms.floods._floods == {}, "nothing is kept of what is over"


def test_muted_alarms_do_not_flood_and_exercises_flood_apart(make_desk):
    names = [f"d{number}" for number in range(12)]
    desk = make_desk(*(device(name) for name in names))
    for number, name in enumerate(names):
        desk.decide(desk.decision(f"dec_{number}", "out_of_service", alarm=f"{name}:*", hours=1))
        desk.raised(name=name)
    assert desk.judge.alarms.floods.running() == []
    clock = Timeline("drl-1", (Segment(T0, T0, 1.0),))
    drill = DrillConfig(id="drl-1", state="running", timeline=clock)
    desk.use(*desk.document.devices, drills=[drill])
    for name in names:
        desk.raised(name=name, exercise="drl-1")
    assert {flood.exercise for flood in desk.judge.alarms.floods.running()} == {"drl-1"}
    assert not any("flood" in note for note in desk.judge.notes())
    assert desk.judge.alarms.counts().active == 12, "the real ones alone"
    ended = DrillConfig(id="drl-1", state="ended", timeline=clock)
    desk.use(*desk.document.devices, drills=[ended])
    assert desk.judge.alarms.floods.running() == []
    desk.restart()
    assert not any(name.startswith("drl-1") for name in desk.judge.alarms.records)


def test_a_lost_commit_leaves_nothing_half_done(make_desk):
    desk = make_desk()
    for step in range(6):
        desk.crashes = True
        desk.raised()
        desk.now += 5000
        desk.crashes = True
        desk.cleared()
        desk.now += 5000
        assert desk.record().held is None or step >= 2
    desk.crashes = True
    assert desk.decide(desk.decision("dec_1", "out_of_service", alarm="d:*", hours=1)).result == "done"
    desk.crashes = True
    desk.tick(after_s=3601)
    assert desk.record().held is None
    per_episode = {}
    for alert in desk.alerts():
        per_episode.setdefault(alert.episode, []).append(alert.revision)
    assert all(revisions == list(range(1, len(revisions) + 1)) for revisions in per_episode.values())
