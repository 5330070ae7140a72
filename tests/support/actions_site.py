"""An edge with actions and without I/O, on a real journal and a clock that the test moves; a siren and a barrier."""

import msgspec

from device_profiles.library import Library
from edge.journal_file import JournalFile
from edge.judge import Judge
from edge.lane import Lane, Transaction
from edge.table import Compiler
from rules.columns import Change
from wire.action import ActionConfig, ActionReport, Cause, Command, Confirmation, Interlock
from wire.alert import Hazard, Verb
from wire.configuration import Decision, DecisionReport, DeviceConfig, EdgeDocument
from wire.event import Type
from wire.time import to_datetime

T0 = 2_000_000_000_000
LIBRARY = Library.load()
SMOKE = DeviceConfig(id="smoke", site="s1", building="b1", zone="z1", profile="shouwang/smoke", rules={"silence": None})
LEVEL = DeviceConfig(id="level", site="s1", zone="low", profile="shouwang/water-level", rules={"silence": None})
SIREN = ActionConfig(
    id="siren", site="s1", kind="siren", max_on_s=180.0, causes=[Cause()],
    on=Command(topic="siren/set", payload="1"), off=Command(topic="siren/set", payload="0"),
    confirm=Confirmation(topic="siren", within_s=5.0, retries=1),
)  # fmt: skip
BARRIER = ActionConfig(
    id="barrier", site="s1", kind="barrier", release="manual",
    causes=[Cause(hazards=(Hazard.WATER_LEVEL,))],
    on=Command(topic="b/set", payload="down"), off=Command(topic="b/set", payload="up"),
    confirm=Confirmation(topic="siren", on=("down",), off=("up",)),
    interlocks=[Interlock(bars="off", device="level", point="level", at_least=0.1, why="water on the road")],
)  # fmt: skip


def changed(config=SIREN, **changes):
    return msgspec.structs.replace(config, **changes)


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
