"""The edge's alarms: records kept, changes and decisions applied, alerts made of them."""

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from edge.alarm_floods import Floods
from edge.alarm_mutes import Conditions, Services
from edge.lane import Lane, Outgoing, Transaction
from edge.metrics import ALARMS, ALERTS
from edge.table import Device, Table
from rules import alarm as alarms
from rules.alarm import NOTHING, Advanced, AlarmRecord, Around, Isa, Refusal, advance, muted, state
from rules.columns import Change
from wire.alert import Alert, Hazard, Verb, alarm_id
from wire.configuration import Decision
from wire.event import Type
from wire.level import Level
from wire.report import AlarmCounts
from wire.time import REAL, to_datetime

URGENT = frozenset({Level.I, Level.II})
ANNOUNCING = frozenset({Verb.RAISED, Verb.ESCALATED, Verb.UNSHELVED, Verb.UNSUPPRESSED, Verb.INTO_SERVICE})
"""Verbs by which an active alarm that is not muted is made known to people (anew)."""
_RECORD = msgspec.json.Decoder(AlarmRecord)
_OTHERS = "#"  # rows of floods and services stand in the same table, under names that no device can have


class AlarmBook:
    """The newest record of each alarm. Only this writes alarm records and alerts.

    Args:
        edge: id of this edge.
    """

    def __init__(self, edge: str) -> None:
        self._edge = edge
        self._records: dict[str, AlarmRecord] = {}
        self._shelved: set[str] = set()
        self._held: set[str] = set()
        self._conditional: set[str] = set()  # whose rule names conditions that suppress it
        self._abnormal: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._table: Table | None = None
        self._conditions = Conditions(self._records)
        self.services = Services()
        self.floods = Floods()
        self.refused_changes = 0
        self.told = 0  # alerts
        self.version = 0  # rises with every change of a record

    @property
    def records(self) -> Mapping[str, AlarmRecord]:
        """By alarm id."""
        return self._records

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Take up what the journal kept."""
        self.services.restore(rows)
        self.floods.restore(rows)
        for name, row in rows.items():
            if not name.startswith(_OTHERS):
                self._put(name, _RECORD.decode(row))

    def use(self, table: Table, *, now_ms: int, into: Transaction) -> None:
        """Take another table: what is held or out of service without its rule or device ends."""
        before, self._table = self._table, table
        self._conditions.table = table
        for service in self.services.all():
            exercise, device_id, rule_id = _target(service.target)
            device = table.devices.get(device_id)
            drill = table.drills.get(exercise) if exercise else None
            if device is None or (rule_id not in device.rules and rule_id != "*") or (drill and drill.state == "ended"):
                self.services.end(service.target, into)
        for name in list(self._held):
            record = self._records[name]
            device = table.devices.get(record.device)
            gone = device is None or record.rule not in device.rules
            device = device or (before.devices.get(record.device) if before else None)
            if gone and device is not None and (result := alarms.released(record, record.changed_at)) is not None:
                self._take(result, device, now_ms, None, into)
                self._notice(record, device, now_ms, into)
        self._conditional = {name for name, record in self._records.items() if self._is_conditional(record)}

    def change(
        self, change: Change, device: Device, *, now_ms: int, reading_ms: int | None, into: Transaction
    ) -> AlarmRecord | None:
        """Apply a change of the engine; None when it says nothing new (it came again after a restart)."""
        before = self._records.get(alarm_id(change.device, change.rule, change.exercise))
        around = self._around(device, change.rule, change.exercise, change.level, now_ms)
        result = advance(before, change, now=now_ms, around=around)
        if isinstance(result, Refusal):
            self.refused_changes += 1
            return None
        after = result.record
        self._take(result, device, now_ms, reading_ms, into)
        if before is not None and before.episode != after.episode:
            left = alarms.superseded(before, after.opened_at)
            if left is not None:
                self._tell(left.record, device, now_ms, None, into)
        if (before is not None and before.held is not None) != (after.held is not None):
            self._notice(after, device, now_ms, into)
        return after

    def decide(self, decision: Decision, table: Table, *, now_ms: int, into: Transaction) -> Refusal | None:
        """Carry out a person's decision; None when it is done."""
        if decision.verb in {"out_of_service", "into_service"}:
            return self._serve(decision, table, now_ms, into)
        record = self._records.get(decision.alarm_id)
        device = table.devices.get(record.device) if record is not None else None
        around = NOTHING
        at = now_ms
        if record is not None and device is not None:
            around = self._around(device, record.rule, record.exercise, None, now_ms)
            at = table.clock(device.config.timeline, record.exercise).scenario(now_ms)
        result = advance(record, decision, now=now_ms, at=at, around=around)
        if isinstance(result, Refusal):
            return result
        if device is None:
            return Refusal("unknown_device", {"device": result.record.device})
        self._take(result, device, now_ms, None, into)
        return None

    def tick(self, table: Table, *, now_ms: int, into: Transaction, deaf: bool = False) -> None:
        """Let time pass: ends of shelves, of holds, of times out of service; suppressing conditions; floods."""
        self._conditions.deaf = deaf
        for target in self.services.over(now_ms):
            self.services.end(target, into)
            self._apply_service(target, table, {"code": "service_over"}, now_ms, into)
        self._each(self._shelved, table, now_ms, into, lambda record, _, at: alarms.unshelve_if_due(record, now_ms, at))
        for record, device in self._each(
            self._held, table, now_ms, into, lambda record, around, at: alarms.settled(record, at, around)
        ):
            self._notice(record, device, now_ms, into)
        self._each(
            self._conditional,
            table,
            now_ms,
            into,
            lambda record, around, at: alarms.with_suppressor(record, around.suppressed_by, at),
        )
        self.floods.passed(now_ms, into)
        self._measure()

    def standing(self) -> list[AlarmRecord]:
        """Records whose condition holds, by name."""
        return [record for name in sorted(self._abnormal) if (record := self._records[name]).facts.active]

    def forget_exercise(self, exercise: str, into: Transaction) -> None:
        """Drop the alarms of a drill that has ended."""
        for name in [name for name, record in self._records.items() if record.exercise == exercise]:
            self.version += 1
            record = self._records.pop(name)
            self._conditions.parents.forget(record)
            self._counts.subtract(_counted(record))
            for some in (self._shelved, self._held, self._conditional, self._abnormal):
                some.discard(name)
            into.alarms[name] = None
        self.floods.forget_exercise(exercise, into)

    def facts(self) -> list[dict[str, object]]:
        """Alarms that are not normal (but for the condition over and nobody to say so), for /status."""
        return [
            {
                "alarm_id": name,
                "isa": state(record.facts).value,
                "level": record.facts.level,
                "episode": record.episode,
                "muted": muted(record.facts),
                "unsteady": record.facts.unsteady,
                "repeats": record.facts.repeats,
            }
            for name in sorted(self._abnormal)
            if (record := self._records[name]).facts.active or record.facts.latched or muted(record.facts)
        ]

    def counts(self) -> AlarmCounts:
        """Real alarms that are not normal, by what they are; what is muted is counted too."""
        return AlarmCounts(**{name: self._counts[name] for name in _COUNTED}, services=len(self.services))

    # ------------------------------------------------------------ out of service

    def _serve(self, decision: Decision, table: Table, now_ms: int, into: Transaction) -> Refusal | None:
        _, device_id, rule_id = _target(decision.alarm_id)
        device = table.devices.get(device_id)
        late = alarms.too_late(decision, now_ms)
        if late is not None:
            return late
        if device is None:
            return Refusal("unknown_device", {"device": device_id})
        if rule_id != "*" and rule_id not in device.rules:
            return Refusal("unknown_rule", {"target": decision.alarm_id})
        if decision.verb == "into_service":
            if not self.services.end(decision.alarm_id, into):
                return Refusal("in_service")
        else:
            service = alarms.out_of_service(decision, now_ms)
            if isinstance(service, Refusal):
                return service
            self.services.put(service, into)
        self._apply_service(decision.alarm_id, table, alarms.said(decision), now_ms, into)
        return None

    def _apply_service(
        self, target: str, table: Table, because: dict[str, float | str | None], now_ms: int, into: Transaction
    ) -> None:
        exercise, device_id, rule_id = _target(target)
        device = table.devices.get(device_id)
        rules = [*device.rules, alarms.UNSTEADY_RULE] if device is not None and rule_id == "*" else [rule_id]
        names = [name for rule in rules if (name := alarm_id(device_id, rule, exercise)) in self._records]
        self._each(
            names,
            table,
            now_ms,
            into,
            lambda record, around, at: alarms.with_service(record, around.service, at, because),
        )

    # ------------------------------------------------------------ inside

    def _around(self, device: Device, rule: str, exercise: str | None, level: Level | None, now_ms: int) -> Around:
        return self._conditions.around(device, rule, exercise, level, self.services, now_ms)

    def _each(
        self,
        names: "set[str] | list[str]",
        table: Table,
        now_ms: int,
        into: Transaction,
        step: Callable[[AlarmRecord, Around, int], Advanced | None],
    ) -> list[tuple[AlarmRecord, Device]]:
        """Take a step with some alarms; those that it changed, as they were before."""
        changed = []
        for name in sorted(names):
            record = self._records[name]
            device = table.devices.get(record.device)
            if device is None:
                continue
            at = table.clock(device.config.timeline, record.exercise).scenario(now_ms)
            level = record.facts.level or record.facts.highest
            result = step(record, self._around(device, record.rule, record.exercise, level, now_ms), at)
            if result is not None:
                self._take(result, device, now_ms, None, into)
                changed.append((record, device))
        return changed

    def _notice(self, record: AlarmRecord, device: Device, now_ms: int, into: Transaction) -> None:
        """One maintenance notice for a device, from its first unsteady alarm to the end of its last."""
        if record.rule == alarms.UNSTEADY_RULE:
            return
        held = next(
            (name for name in sorted(self._held) if _same(self._records[name], record.device, record.exercise)), None
        )
        known = self._records.get(alarm_id(record.device, alarms.UNSTEADY_RULE, record.exercise))
        stands = known is not None and known.facts.active
        if (held is not None) == stands:
            return
        newest = self._records[record.alarm_id]
        opened = newest.changed_at if known is None else max(newest.changed_at, known.following + 1)
        self.change(
            Change(
                device=record.device,
                exercise=record.exercise,
                rule=alarms.UNSTEADY_RULE,
                hazard=Hazard.DEVICE,
                verb=Verb.CLEARED if held is None else Verb.RAISED,
                level=None if held is None else Level.IV,
                at=max(newest.changed_at, known.opened_at) if known is not None and held is None else opened,
                opened_at=known.following if known is not None and held is None else opened,
                evidence={"rule": newest.rule, **newest.because},
            ),
            device,
            now_ms=now_ms,
            reading_ms=None,
            into=into,
        )

    def _is_conditional(self, record: AlarmRecord) -> bool:
        if not (record.facts.active or record.facts.latched or record.facts.suppressed):
            return False
        device = self._table.devices.get(record.device) if self._table is not None else None
        rule = device.rules.get(record.rule) if device is not None else None
        return record.facts.suppressed or (rule is not None and bool(rule.alarm.suppressed_while))

    def _put(self, name: str, record: AlarmRecord) -> None:
        self.version += 1
        before = self._records.get(name)
        if before is not None:
            self._counts.subtract(_counted(before))
        self._counts.update(_counted(record))
        self._records[name] = record
        self._conditions.parents.note(record)
        for some, belongs in (
            (self._shelved, record.facts.shelved_until is not None),
            (self._held, record.held is not None),
            (self._conditional, self._is_conditional(record)),
            (self._abnormal, state(record.facts) is not Isa.NORM),
        ):
            if belongs:
                some.add(name)
            else:
                some.discard(name)

    def _take(self, result: Advanced, device: Device, now_ms: int, reading_ms: int | None, into: Transaction) -> None:
        """Keep a record, and tell it if there is something to tell; synced to disk with this transaction."""
        record = result.record
        self._put(record.alarm_id, record)
        into.alarms[record.alarm_id] = msgspec.json.encode(record)
        if result.verb is not None:
            self._tell(record, device, now_ms, reading_ms, into)

    def _tell(
        self, record: AlarmRecord, device: Device, now_ms: int, reading_ms: int | None, into: Transaction
    ) -> None:
        """Put the alert of a revision into the alarm lane."""
        into.full = True
        self.told += 1
        announced = record.verb in ANNOUNCING and record.facts.active and muted(record.facts) is None
        if announced and record.verb is not Verb.ESCALATED:
            self.floods.announced(record.exercise, device.config.site, now_ms, into)
        alert = Alert(
            alarm_id=record.alarm_id,
            episode=record.episode,
            revision=record.revision,
            verb=record.verb,
            edge=self._edge,
            site=device.config.site,
            device=record.device,
            rule=record.rule,
            hazard=record.hazard,
            facts=record.facts,
            opened_at=to_datetime(record.opened_at),
            changed_at=to_datetime(record.changed_at),
            recorded_at=to_datetime(now_ms),
            reading_at=None if reading_ms is None else to_datetime(reading_ms),
            timeline=record.exercise or device.config.timeline,
            exercise=record.exercise,
            evidence=record.evidence,
            because=record.because,
        )
        urgent = (
            announced and record.exercise is None and device.config.timeline == REAL and record.facts.level in URGENT
        )
        into.events.append(
            Outgoing(
                # Made of what the alert says: a change that is found again after a kill makes the same event.
                id=f"{self._edge}/{record.alarm_id}/{record.episode}/{record.revision}",
                lane=Lane.ALARM,
                type=Type.ALARM_CHANGED,
                data=msgspec.json.encode(alert),
                born_ms=now_ms,
                exercise=record.exercise,
                urgent=urgent,
            )
        )
        ALERTS.labels(verb=record.verb.value, exercise=str(record.exercise is not None).lower()).inc()

    def _measure(self) -> None:
        counts = self.counts()
        for name in AlarmCounts.__struct_fields__:
            ALARMS.labels(what=name).set(getattr(counts, name))


_COUNTED = tuple(name for name in AlarmCounts.__struct_fields__ if name != "services")
_COUNTED_AS = {
    Isa.UNACK: "unacknowledged",
    Isa.RTNUN: "unacknowledged",
    Isa.LATCH_UNACK: "unacknowledged",
    Isa.SHLVD: "shelved",
    Isa.DSUPR: "suppressed",
    Isa.OOSRV: "out_of_service",
}


def _counted(record: AlarmRecord) -> list[str]:
    """What an alarm adds to the counts; one of an exercise nothing."""
    if record.exercise is not None:
        return []
    facts = record.facts
    found = [name for name, holds in (("active", facts.active), ("latched", facts.latched)) if holds]
    found += [_COUNTED_AS[each] for each in (state(facts),) if each in _COUNTED_AS]
    return [*found, "unsteady"] if facts.unsteady is not None else found


def _same(record: AlarmRecord, device: str, exercise: str | None) -> bool:
    return record.device == device and record.exercise == exercise


def _target(name: str) -> tuple[str | None, str, str]:
    """Exercise, device and rule (or `*`) of an alarm's name."""
    head, _, rule = name.rpartition(":")
    exercise, _, device = head.rpartition(":")
    return exercise or None, device, rule
