"""Judgement between I/O: messages, ticks, tables and decisions in; journal transactions out. One caller at a time."""

import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from edge import devices
from edge.accepted import Accepted
from edge.actions import VERBS, Actions
from edge.alarms import AlarmBook
from edge.batch import Arrived
from edge.decode import Decoded, Reader
from edge.described import Described
from edge.foreign import Foreign
from edge.lane import Lane, Outgoing, Stored, Transaction
from edge.metrics import BLIND, DECISIONS, READINGS, UNREADABLE
from edge.rejections import Rejections
from edge.sources import Row, Sources
from edge.table import Device, Table
from edge.telemetry import Telemetry
from rules import quality
from rules.columns import Change, Columns
from rules.engine import Engine
from wire.alert import Verb
from wire.configuration import Decision, DecisionReport
from wire.event import Type
from wire.report import Reason
from wire.time import format_instant, now_ms, to_datetime, to_ms

FORGET_DECISION_MS = 30 * 86_400_000
STOOD_STILL_MS = 5_000  # between two ticks: the process, its journal or the clock had a gap; nobody was heard in it


class Judge:
    """Decoding, rules, alarms and reports of one edge, free of I/O.

    Args:
        edge: id of this edge.
        max_payload_bytes: larger messages are refused unread.
        telemetry: whether readings go up (there is a cloud).
        by_exception: calm readings are held for their minute; see `edge.telemetry`.
        foreign: other conventions than our own; None: there are none.
    """

    def __init__(
        self,
        edge: str,
        *,
        max_payload_bytes: int = 1_048_576,
        telemetry: bool = True,
        by_exception: bool = False,
        foreign: Foreign | None = None,
    ) -> None:
        self._edge = edge
        self._run = f"{edge}/{secrets.token_hex(6)}"  # of this process: ids made in it are its own
        self._number = 0
        self._sends = telemetry
        self._table: Table | None = None
        self._channel = np.empty(0, dtype=np.int32)  # of the engine, by series
        self._decided: set[str] = set()
        self._described = Described()
        self.engine = Engine()
        self.alarms = AlarmBook(edge)
        self.actions = Actions(edge, self.alarms, self.newest)
        self.sources = Sources(foreign)
        self.telemetry = Telemetry(self._run, self.sources, self.engine, self.alarms, by_exception=by_exception)
        self.rejections = Rejections()
        self.accepted = Accepted()
        self.reader = Reader(self.sources, self.accepted, self.rejections, max_payload_bytes)
        self.readings = 0
        self._incomplete: list[str] = []
        self._ticked_ms = 0

    @property
    def alerts(self) -> int:
        """Alerts since the start."""
        return self.alarms.told

    @property
    def table(self) -> Table:
        """The one that runs."""
        assert self._table is not None
        return self._table

    def restore(self, stored: Stored) -> None:
        """Take up what the journal kept."""
        self.engine.restore(stored.states)
        self.alarms.restore(stored.alarms)
        self.actions.restore(stored.alarms)
        self.accepted.restore(stored.keys)
        self._decided = set(stored.decisions)

    def use(self, table: Table, into: Transaction) -> None:
        """Put a table to work; alarms whose rule or device is gone are cleared."""
        before, self._table = self._table, table
        for name, drill in table.drills.items():
            if drill.state == "ended" and (
                before is None or name not in before.drills or before.drills[name].state != "ended"
            ):
                self.engine.forget_exercise(name)
                self.alarms.forget_exercise(name, into)
        changes = self.engine.configure(self._described.use(table))
        self._incomplete = [
            f"{name}: parameter {parameter} of the device is missing: what is computed from it is not judged"
            for name, device in table.devices.items()
            if device.config.enabled
            for parameter in device.decoder.missing
        ]
        self.sources.use(table)
        self.telemetry.use(table)
        at = now_ms()
        self.alarms.use(table, now_ms=at, into=into)
        for change in changes:
            device = table.devices.get(change.device) or (before.devices.get(change.device) if before else None)
            if device is not None:
                self._changed(change, device, at, None, into)
        self.actions.use(table, time.monotonic(), at, into)
        self._keep(into)

    def judge(self, messages: Sequence[Arrived], into: Transaction) -> None:
        """One batch of messages."""
        decoded = self.reader.read(messages)
        into.keys += self.accepted.take()
        at = now_ms()
        if decoded is not None:
            self._step(decoded, at, into)
        self._report(at, into, rows=() if decoded is None else decoded.heard)
        self._keep(into)

    def withdraw(self, taken: bytes) -> None:
        """What failed with others is judged anew, alone: it is no duplicate. `taken`: its keys in the transaction."""
        self.accepted.withdraw(taken)

    def set_aside(self, message: Arrived, problem: str, into: Transaction) -> None:
        """A message that no code foresaw."""
        self.rejections.add(
            Reason.MALFORMED, f"could not be judged: {problem}", topic=message.topic, at_ms=message.arrival_ms,
            payload=message.payload,
        )  # fmt: skip
        self._report(now_ms(), into, rows=())
        self._keep(into)

    def tick(self, into: Transaction, *, deaf: bool = False) -> None:
        """Once a second: silence, holds that silence cut off, what becomes of alarms by time, reports due.

        Args:
            into: takes what came of it.
            deaf: there is no broker; that is our silence, not the devices' (`Engine.tick`).
        """
        if self._table is None:
            return
        at = now_ms()
        if at - self._ticked_ms > STOOD_STILL_MS:
            self.resume()
        self._ticked_ms = at
        self._apply(self.engine.tick(self._now(self._table, at), deaf=deaf), None, at, into)
        self.alarms.tick(self._table, now_ms=at, into=into, deaf=deaf)
        self.telemetry.tick(at)
        self.rejections.close_old(at)
        self._report(at, into, rows=self.sources.rows.values())
        self._keep(into)
        BLIND.set(len(self.blind()))
        UNREADABLE.set(len(self.engine.unreadable))

    def resume(self) -> None:
        """Devices can be heard again: each has its rule's grace before it is called silent, once, as at a restart."""
        if self._table is not None:
            self.engine.resume(self._now(self._table, now_ms()))

    def _now(self, table: Table, at: int) -> dict[str, int]:
        """Scenario time of every timeline, and of every exercise that lives here."""
        now = {name: timeline.scenario(at) for name, timeline in table.timelines.items()}
        for exercise in {row.exercise for row in self.sources.rows.values() if row.exercise is not None}:
            now[exercise] = table.clock("", exercise).scenario(at)
        return now

    def decide(self, decision: Decision, into: Transaction) -> None:
        """Carry out a person's decision: once, and never after its expiry."""
        if decision.id in self._decided:
            return
        at = now_ms()
        if decision.verb in VERBS:
            refusal = self.actions.decide(decision, time.monotonic(), at, into)
        else:
            refusal = self.alarms.decide(decision, self.table, now_ms=at, into=into)
        result: Literal["done", "expired", "refused"] = "done"
        if refusal is not None:
            result = "expired" if refusal.expired else "refused"
        self._decided.add(decision.id)
        into.decisions.append((decision.id, result, max(at, to_ms(decision.expires_at)) + FORGET_DECISION_MS))
        into.full = True
        report = DecisionReport(
            decision=decision.id,
            result=result,
            reason="" if refusal is None else refusal.reason,
            reported_at=to_datetime(at),
            code="" if refusal is None else refusal.code,
            params={} if refusal is None else refusal.params,
        )
        into.events.append(
            Outgoing(
                id=f"{self._edge}/decision/{decision.id}",
                lane=Lane.ALARM,
                type=Type.DECISION_REPORTED,
                data=msgspec.json.encode(report),
                born_ms=at,
            )
        )
        DECISIONS.labels(result=result).inc()

    def _step(self, decoded: Decoded, at: int, into: Transaction) -> None:
        for row, wall in decoded.heard.items():
            row.last_seen_ms = wall
            if row.status != "online" and row not in decoded.gone:
                devices.set_status(row, "online")
        series = decoded.columns.channel
        if len(series):
            live = ~decoded.history
            newest = live & ~decoded.past
            columns = self._assess(decoded, live)
            freshest = series[newest]
            self.sources.newest[freshest] = decoded.columns.value[newest]
            self.sources.newest_ms[freshest] = decoded.wall[newest]
            self.sources.newest_flag[freshest] = columns.flag[newest]
            self.reader.tell_clocks(decoded, columns)
            self.readings += len(series)
            READINGS.inc(len(series))
            self._apply(self.engine.step(columns), decoded.wall, at, into)
            if self._sends:
                self.telemetry.take(series, columns, live, at, into)
        for row in decoded.wordless:
            arrival = row.clock.scenario(decoded.heard[row])
            self._apply(self.engine.seen(row.device.id, arrival, row.exercise), None, at, into)

    def _assess(self, decoded: Decoded, live: npt.NDArray[np.bool_]) -> Columns:
        """The batch with engine channels, flags and tests, once and in order; what is not live has channel -1.

        History moves no memory of the tests: of it only range and clock are looked at.
        """
        self._channels()
        series = decoded.columns.channel
        columns = decoded.columns._replace(channel=self._channel[series])
        if live.all():
            return self.engine.assess(columns, decoded.pace)
        columns = columns._replace(channel=np.where(live, columns.channel, np.int32(-1)))
        columns = self.engine.assess(columns, decoded.pace)
        assert columns.tests is not None
        low, high = self.sources.lowest, self.sources.highest
        alone = quality.assess(decoded.columns, low, high)
        tests = quality.first_bits(decoded.columns, alone, low, high)
        return columns._replace(
            flag=np.where(live, columns.flag, alone.flag), tests=np.where(live, columns.tests, tests)
        )

    def _apply(self, changes: Iterable[Change], wall: npt.NDArray[np.int64] | None, at: int, into: Transaction) -> None:
        for change in changes:
            device = self.table.devices.get(change.device)
            if device is None:
                continue
            reading_ms = int(wall[change.decided_by]) if wall is not None and change.decided_by >= 0 else None
            self._changed(change, device, at, reading_ms, into)

    def _changed(self, change: Change, device: Device, at: int, reading_ms: int | None, into: Transaction) -> None:
        record = self.alarms.change(change, device, now_ms=at, reading_ms=reading_ms, into=into)
        if record is None:
            return
        rule = device.rules.get(change.rule)
        row = self.sources.rows.get((change.exercise, change.device))
        if rule is not None and rule.kind == "silence" and row is not None:
            devices.set_status(row, "online" if change.verb is Verb.CLEARED else "silent")

    def _channels(self) -> None:
        """Channels of the engine for series that are new."""
        known = len(self._channel)
        if known < len(self.sources.series):
            fresh = [
                self.engine.channel(series.device, series.point, series.exercise)
                for series in self.sources.series[known:]
            ]
            self._channel = np.concatenate([self._channel, np.array(fresh, dtype=np.int32)])

    def _report(self, at: int, into: Transaction, rows: Iterable[Row]) -> None:
        events = devices.reports(rows, self.sources, at, edge_run=self._run)
        foreign = self.sources.foreign
        if foreign is not None:
            events += foreign.found.take(at, self._run)
        for rejection in self.rejections.take():
            self._number += 1
            events.append(
                Outgoing(
                    id=f"{self._run}/{self._number}",
                    lane=Lane.STATE,
                    type=Type.READING_REJECTED,
                    data=msgspec.json.encode(rejection),
                    born_ms=at,
                )
            )
        if self._sends:
            into.events.extend(events)

    def _keep(self, into: Transaction) -> None:
        into.states.update(self.engine.dirty())

    def newest(self, device: str, point: str) -> tuple[float, int, int] | None:
        """The newest value of a device's point, its age in ms, its quality flag; None: none since the start."""
        row = self.sources.rows.get((None, device))
        if row is None:
            return None
        for known, number in zip(row.device.decoder.points, row.series.tolist(), strict=True):
            if known.name == point and not np.isnan(self.sources.newest[number]):
                age_ms = now_ms() - int(self.sources.newest_ms[number])
                return float(self.sources.newest[number]), age_ms, int(self.sources.newest_flag[number])
        return None

    def blind(self) -> list[str]:
        """What is not judged although it is registered: rules and devices that lack a parameter, one sentence each."""
        return [
            *(f"{device}:{rule}: {why}" for (device, rule), why in self.engine.blind.items()),
            *self._incomplete,
        ]

    def learning(self) -> list[str]:
        """What is not judged yet, because the rule learns first what is usual there, one sentence each."""
        return [
            f"{device}:{rule}: until {format_instant(until)} at the earliest"
            for (device, rule), until in self.engine.learning.items()
            if until is not None
        ]

    def notes(self) -> list[str]:
        """What people should mend, in sentences; does not make the edge unwell."""
        found = [*self.alarms.floods.notes(), *(f"not judged: {each}" for each in _first(self.blind()))]
        if learning := self.learning():
            found.append(f"still learning, not judged by these rules yet: {'; '.join(_first(learning))}")
        if self.engine.unreadable:
            keys = ", ".join(_first(self.engine.unreadable))
            found.append(f"the kept state of these rules could not be read, they began anew: {keys}")
        if self.sources.foreign is not None:
            found += _first(self.sources.foreign.notes)
        return found

    def facts(self) -> dict[str, Any]:
        """For /status."""
        return {
            "devices": len(self.table.devices) if self._table else 0,
            "readings": self.readings,
            "alerts": self.alerts,
            "rejected": self.rejections.total,
            "alarms": self.alarms.facts(),
            "alarm_counts": self.alarms.counts(),
            "alarm_floods": self.alarms.floods.running(),
            "out_of_service": self.alarms.services.all(),
            "actions": self.actions.facts(),
            "unknown_exercises": sorted(self.sources.unknown_exercises),
            **_sources(self.sources.foreign),
            "blind_rules": _first(self.blind(), 50),
            "learning_rules": _first(self.learning(), 50),
            "unreadable_states": _first(self.engine.unreadable, 50),
            "last_rejections": [
                {"at": rejection.received_at, "topic": rejection.topic, "reason": rejection.reason,
                 "detail": rejection.detail, "count": rejection.count}
                for rejection in self.rejections.recent[-20:]
            ],
        }  # fmt: skip


def _sources(foreign: Foreign | None) -> dict[str, Any]:
    if foreign is None:
        return {"sources": {}, "found_devices": []}
    return {"sources": foreign.facts(), "found_devices": foreign.found.facts(), "not_heard": foreign.notes[:50]}


def _first(sentences: Sequence[str], most: int = 5) -> list[str]:
    rest = len(sentences) - most
    return [*sentences[:most], *([f"and {rest} more"] if rest > 0 else [])]
