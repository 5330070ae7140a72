"""An edge's judgement with a real journal and a clock that the test moves: changes and decisions in, alerts out."""

from pathlib import Path

import msgspec

import edge.judge
from device_profiles.library import Library
from edge.journal_file import JournalFile
from edge.lane import Lane, Transaction
from edge.table import Compiler
from rules.columns import Change
from wire.alert import Alert, Hazard, Verb
from wire.configuration import Decision, DecisionReport, DeviceConfig, EdgeDocument
from wire.event import Type
from wire.level import Level
from wire.time import to_datetime

T0 = 2_000_000_000_000  # still to come: the journal forgets old decisions by the true clock
HOUR = 3_600_000
LIBRARY = Library.load()


def device(name="d", *, alarm=None, **more):
    rules = {"silence": None} | ({"smoke": {"alarm": alarm}} if alarm else {})
    return DeviceConfig(**{"id": name, "site": "s1", "profile": "shouwang/smoke", "rules": rules, **more})


class Desk:
    """Begin with `Desk(folder, monkeypatch, devices)`; `restart` goes on from the journal alone."""

    def __init__(self, folder: Path, monkeypatch, *devices: DeviceConfig) -> None:
        self.now = T0
        self.folder = folder
        self.sent: dict[str, Alert] = {}
        self.reports: dict[str, DecisionReport] = {}
        self.urgent: list[str] = []
        self.crashes = False  # the next transaction is lost, and what led to it comes again
        self._journal: JournalFile | None = None
        self.document = EdgeDocument(edge="gw-1", revision=1, devices=list(devices))
        monkeypatch.setattr(edge.judge, "now_ms", lambda: self.now)
        self._compiler = Compiler(LIBRARY)
        self.restart()

    def restart(self) -> None:
        if self._journal is not None:
            self._journal.close()
        self._journal = JournalFile(
            self.folder / "journal.sqlite", telemetry_bytes=1 << 20, state_events=100, kept_keys=10, keep_alarms=None
        )
        self.judge = edge.judge.Judge("gw-1")
        self.judge.restore(self._journal.open())
        self.use(*self.document.devices)

    def close(self) -> None:
        self._journal.close()

    def use(self, *devices: DeviceConfig, **more) -> None:
        self.document = msgspec.structs.replace(self.document, devices=list(devices), **more)
        table = self._compiler.compile(self.document)
        self._do(lambda into: self.judge.use(table, into))

    def _do(self, work) -> None:
        into = Transaction()
        if self.crashes:
            self.crashes = False
            work(into)
            self.restart()
            into = Transaction()
        work(into)
        self._journal.commit(into)
        for event in into.events:
            if event.type is Type.ALARM_CHANGED:
                alert = msgspec.json.decode(event.data, type=Alert)
                assert event.lane is Lane.ALARM
                assert event.id not in self.sent, "one id, one alert"
                self.sent[event.id] = alert
                if event.urgent:
                    self.urgent.append(event.id)
            elif event.type is Type.DECISION_REPORTED:
                report = msgspec.json.decode(event.data, type=DecisionReport)
                self.reports[report.decision] = report

    # ------------------------------------------------------------ what happens

    def change(
        self, verb, level=None, *, at=None, opened=None, name="d", rule="smoke", hazard=Hazard.SMOKE, exercise=None
    ):
        at = self.now if at is None else at
        known = self.record(name, rule, exercise)
        opened = opened if opened is not None else at if verb is Verb.RAISED else known.following
        self.apply(Change(name, exercise, rule, hazard, verb, level, at, opened, evidence={"value": 1.0}))

    def apply(self, change: Change) -> None:
        def work(into: Transaction) -> None:
            self.judge._changed(change, self.judge.table.devices[change.device], self.now, None, into)

        self._do(work)

    def raised(self, level=Level.III, **more):
        self.change(Verb.RAISED, level, **more)

    def cleared(self, **more):
        self.change(Verb.CLEARED, **more)

    def decide(self, decision: Decision) -> DecisionReport | None:
        self._do(lambda into: self.judge.decide(decision, into))
        return self.reports.get(decision.id)

    def tick(self, *, after_s: float = 0.0, deaf: bool = False) -> None:
        self.now += round(after_s * 1000)
        self._do(lambda into: self.judge.tick(into, deaf=deaf))

    def decision(self, name, verb, *, alarm="d:smoke", hours=None, note="painting", life_s=900):
        record = self.judge.alarms.records.get(alarm)
        return Decision(
            id=name,
            verb=verb,
            alarm_id=alarm,
            episode=record.episode if record else 0,
            author="per_1",
            issued_at=to_datetime(self.now),
            expires_at=to_datetime(self.now + life_s * 1000),
            until=None if hours is None else to_datetime(self.now + round(hours * HOUR)),
            note=note,
        )

    # ------------------------------------------------------------ what is known

    def record(self, name="d", rule="smoke", exercise=None):
        return self.judge.alarms.records.get(f"{exercise}:{name}:{rule}" if exercise else f"{name}:{rule}")

    def alerts(self, alarm="d:smoke"):
        return [alert for alert in self.sent.values() if alert.alarm_id == alarm]

    def verbs(self, alarm="d:smoke"):
        return [alert.verb.value for alert in self.alerts(alarm)]
