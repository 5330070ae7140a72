"""Actions: what moves, when, why not, and what a restart makes of it. A clock that the test moves, a real journal."""

import msgspec
import pytest

from device_profiles.library import Library
from edge.journal_file import JournalFile
from edge.judge import Judge
from edge.lane import Lane, Transaction
from edge.table import Compiler, TableError
from rules.action_declaration import ActionError, actuator, compile_all
from rules.columns import Change
from wire.action import ActionConfig, ActionReport, Cause, Command, Confirmation, Drive, Interlock
from wire.alert import Hazard, Verb
from wire.configuration import Decision, DecisionReport, DeviceConfig, DrillConfig, EdgeDocument
from wire.event import Type
from wire.level import Level
from wire.time import Timeline, to_datetime

T0 = 2_000_000_000_000
LIBRARY = Library.load()
SMOKE = DeviceConfig(id="smoke", site="s1", building="b1", zone="z1", profile="shouwang/smoke", rules={"silence": None})
LEVEL = DeviceConfig(id="level", site="s1", zone="low", profile="shouwang/water-level", rules={"silence": None})
SIREN = ActionConfig(
    id="siren", site="s1", kind="siren", max_on_s=180.0, causes=[Cause()],
    on=Command(topic="siren/set", payload="1"), off=Command(topic="siren/set", payload="0"),
    confirm=Confirmation(topic="siren", within_s=5.0, retries=1),
)  # fmt: skip


class Site:
    """An edge without I/O: alarms are put in, commands come out, states are said."""

    def __init__(self, folder, monkeypatch, *actions, devices=(SMOKE, LEVEL), drills=(), timelines=()):
        import edge.judge

        self.wall, self.mono = T0, 1000.0
        monkeypatch.setattr(edge.judge, "now_ms", lambda: self.wall)
        monkeypatch.setattr(edge.judge.time, "monotonic", lambda: self.mono)
        self.document = EdgeDocument(
            edge="gw", revision=1, devices=list(devices), actions=list(actions), drills=list(drills),
            timelines=list(timelines),
        )  # fmt: skip
        self.folder, self.journal = folder, None
        self.told: list[ActionReport] = []
        self.results: dict[str, DecisionReport] = {}
        self.connected = True
        self.restart()

    def restart(self):
        if self.journal is not None:
            self.journal.close()
        self.journal = JournalFile(
            self.folder / "j", telemetry_bytes=1 << 20, state_events=100, kept_keys=10, keep_alarms=None
        )
        self.judge = Judge("gw")
        self.judge.restore(self.journal.open())
        self.use()

    def use(self, **changes):
        self.document = msgspec.structs.replace(self.document, **changes)
        table = Compiler(LIBRARY).compile(self.document)
        self.do(lambda into: self.judge.use(table, into))

    def do(self, work):
        into = Transaction()
        work(into)
        self.journal.commit(into)
        for event in into.events:
            if event.type is Type.ACTION_REPORTED:
                assert event.lane is Lane.ALARM
                self.told.append(msgspec.json.decode(event.data, type=ActionReport))
            elif event.type is Type.DECISION_REPORTED:
                report = msgspec.json.decode(event.data, type=DecisionReport)
                self.results[report.decision] = report

    def passes(self, seconds=0.0):
        """Time passes, one step; what is published, as topic and payload."""
        self.mono += seconds
        self.wall += round(seconds * 1000)
        self.do(lambda into: self.judge.actions.step(self.mono, self.wall, into, connected=self.connected))
        return [(message.topic, message.payload.decode()) for _, message in self.judge.actions.take()]

    def alarm(self, level, *, device="smoke", rule="smoke", hazard=Hazard.SMOKE, exercise=None, opened=None):
        """Raise (or change, or with None clear) an alarm."""
        records = self.judge.alarms.records
        known = records.get(f"{exercise + ':' if exercise else ''}{device}:{rule}")
        active = known is not None and known.facts.active
        verb = Verb.CLEARED if level is None else (Verb.ESCALATED if active else Verb.RAISED)
        begun = known.opened_at if active else (opened or self.wall)
        change = Change(
            device=device, exercise=exercise, rule=rule, hazard=hazard, verb=verb, level=level, at=self.wall,
            opened_at=begun, evidence={},
        )  # fmt: skip
        self.do(lambda into: self.judge._apply([change], None, self.wall, into))

    def says(self, payload, topic="siren"):
        self.do(lambda into: self.judge.actions.heard(topic, payload.encode(), self.mono, self.wall, into))

    def decide(self, verb, action="siren", *, until_s=None, name=None, expires_s=60):
        name = name or f"dec{len(self.results)}"
        decision = Decision(
            id=name, verb=verb, alarm_id=f"action:{action}", episode=0, author="li",
            issued_at=to_datetime(self.wall), expires_at=to_datetime(self.wall + expires_s * 1000),
            until=None if until_s is None else to_datetime(self.wall + until_s * 1000),
        )  # fmt: skip
        self.do(lambda into: self.judge.decide(decision, into))
        return self.results[name]

    def reads(self, value, device="level", point="level", flag=1):
        row = self.judge.sources.rows[None, device]
        number = int(row.series[[each.name for each in row.device.decoder.points].index(point)])
        sources = self.judge.sources
        sources.newest[number], sources.newest_ms[number], sources.newest_flag[number] = value, self.wall, flag

    @property
    def verbs(self):
        return [(report.verb, report.move, report.reason) for report in self.told]

    def state(self, action="siren"):
        return next(each for each in self.judge.actions.facts() if each.action == action)


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = []

    def make(*actions, **more):
        made.append(Site(tmp_path, monkeypatch, *actions, **more))
        return made[-1]

    yield make
    for each in made:
        each.journal.close()


def changed(config=SIREN, **changes):
    return msgspec.structs.replace(config, **changes)


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


BARRIER = ActionConfig(
    id="barrier", site="s1", kind="barrier", release="manual",
    causes=[Cause(hazards=(Hazard.WATER_LEVEL,))],
    on=Command(topic="b/set", payload="down"), off=Command(topic="b/set", payload="up"),
    confirm=Confirmation(topic="siren", on=("down",), off=("up",)),
    interlocks=[Interlock(bars="off", device="level", point="level", at_least=0.1, why="water on the road")],
)  # fmt: skip


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


def test_a_barrier_that_is_taken_away_over_water_is_left_as_it_is(site):
    here = site(BARRIER)
    here.reads(0.4)
    here.alarm(Level.I, device="level", rule="water", hazard=Hazard.WATER_LEVEL)
    here.passes()
    here.says("down")
    here.use(actions=[])
    assert here.passes() == []
    assert "left as it is" in here.told[-1].detail


@pytest.mark.parametrize(
    ("drive", "on", "state", "says_on"),
    [
        (Drive(use="native", address="s1/horn"), ("sensors/s1/horn/command", '{"on": true}'),
         "sensors/s1/horn/telemetry", b'{"on": 1}'),
        (Drive(use="zigbee2mqtt", address="horn", part="alarm", on="true", off="false"),
         ("zigbee2mqtt/horn/set", '{"alarm": true}'), "zigbee2mqtt/horn", b'{"alarm": true, "battery": 90}'),
        (Drive(use="tasmota", address="plug", part="2"), ("cmnd/plug/POWER2", "ON"), "stat/plug/POWER2", b"ON"),
        (Drive(use="shelly", address="shellyplus1-a8"),
         ("shellyplus1-a8/rpc",
          '{"id": 1, "src": "shellyplus1-a8/shouwang", "method": "Switch.Set", "params": {"id": 0, "on": true}}'),
         "shellyplus1-a8/shouwang/rpc", b'{"id":1,"src":"shellyplus1-a8","result":{"id":0,"output":true}}'),
        (Drive(use="chirpstack", address="app/A84041FFFF123456", on="0801ff", off="0800ff", port=85),
         ("application/app/device/a84041ffff123456/command/down",
          '{"devEui": "a84041ffff123456", "confirmed": true, "fPort": 85, "data": "CAH/"}'),
         "application/app/device/a84041ffff123456/event/ack", b'{"acknowledged": true}'),
    ],
)  # fmt: skip
def test_a_drive_speaks_the_convention_of_the_device(drive, on, state, says_on):
    ready = actuator(changed(on=None, off=None, confirm=None, drive=drive))
    assert (ready.on.topic, ready.on.payload.decode()) == on
    assert ready.off.topic == ready.on.topic
    assert ready.off.payload != ready.on.payload
    assert ready.confirm.topic == state
    assert ready.says(says_on, "on") == "on"
    assert ready.says(b"\xff\x00nonsense", "on") is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"max_on_s": None}, "needs a time limit"),
        ({"on": Command(topic="a/#")}, "not a topic"),
        ({"on": Command(topic="sensors/s1/smoke/telemetry")}, "only sensors/<site>/<device>/command"),
        ({"on": Command(topic="exercise/d/sensors/s1/smoke/command")}, "only sensors"),
        ({"on": None}, "needs a drive"),
        ({"min_on_s": 500.0}, "longer than max_on_s"),
        ({"interlocks": [Interlock(bars="on", device="level", point="level")]}, "either at_least or at_most"),
        ({"interlocks": [Interlock(bars="on", action="siren")]}, "not another one"),
        ({"on": Command(topic="x", payload="zz", encoding="hex")}, "not hex"),
    ],
)
def test_what_cannot_be_run_is_refused_as_a_whole_with_the_reason(wrong, says):
    document = EdgeDocument(edge="gw", revision=2, devices=[LEVEL], actions=[changed(**wrong)])
    with pytest.raises(TableError, match=says):
        Compiler(LIBRARY).compile(document)


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


def test_a_drive_needs_an_address_of_its_convention():
    with pytest.raises(ActionError, match="<application>/<devEUI>"):
        actuator(changed(on=None, off=None, drive=Drive(use="chirpstack", address="x")))
