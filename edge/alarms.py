"""The edge's alarms: records kept, changes and decisions applied, alerts made of them."""

from collections.abc import Mapping

import msgspec

from edge.lane import Lane, Outgoing, Transaction
from edge.metrics import ALERTS
from edge.table import Device, Table
from rules.alarm import AlarmRecord, Refusal, advance, state, unshelve_if_due
from rules.columns import Change
from wire.alert import Alert, Verb
from wire.configuration import Decision
from wire.event import Type
from wire.level import Level
from wire.time import REAL, to_datetime

URGENT = frozenset({Level.I, Level.II})
_RECORD = msgspec.json.Decoder(AlarmRecord)


class AlarmBook:
    """The newest record of each alarm. Only this writes alarm records and alerts.

    Args:
        edge: id of this edge.
    """

    def __init__(self, edge: str) -> None:
        self._edge = edge
        self._records: dict[str, AlarmRecord] = {}
        self._shelved: set[str] = set()
        self.refused_changes = 0

    @property
    def records(self) -> Mapping[str, AlarmRecord]:
        """By alarm id."""
        return self._records

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Take up what the journal kept."""
        for name, row in rows.items():
            self._put(name, _RECORD.decode(row))

    def change(
        self, change: Change, device: Device, *, now_ms: int, reading_ms: int | None, into: Transaction
    ) -> AlarmRecord | None:
        """Apply a change of the engine; None when it says nothing new (it came again after a restart)."""
        name = (
            f"{change.exercise}:{change.device}:{change.rule}" if change.exercise else f"{change.device}:{change.rule}"
        )
        rule = device.rules.get(change.rule)
        result = advance(self._records.get(name), change, now=now_ms, latch=rule.latch if rule else False)
        if isinstance(result, Refusal):
            self.refused_changes += 1
            return None
        self._say(result[0], device, now_ms, reading_ms, into)
        return result[0]

    def decide(self, decision: Decision, table: Table, *, now_ms: int, into: Transaction) -> Refusal | None:
        """Carry out a person's decision; None when it is done."""
        result = advance(self._records.get(decision.alarm_id), decision, now=now_ms)
        if isinstance(result, Refusal):
            return result
        record = result[0]
        device = table.devices.get(record.device)
        if device is None:
            return Refusal(f"device '{record.device}' is not registered here any more")
        clock = table.clock(device.config.timeline, record.exercise)
        record = msgspec.structs.replace(record, changed_at=clock.scenario(now_ms))
        self._say(record, device, now_ms, None, into)
        return None

    def unshelve(self, table: Table, *, now_ms: int, into: Transaction) -> None:
        """End the shelvings whose time is over."""
        for name in list(self._shelved):
            record = self._records[name]
            device = table.devices.get(record.device)
            if device is not None and (result := unshelve_if_due(record, now_ms)) is not None:
                self._say(result[0], device, now_ms, None, into)

    def forget_exercise(self, exercise: str, into: Transaction) -> None:
        """Drop the alarms of a drill that has ended."""
        for name in [name for name, record in self._records.items() if record.exercise == exercise]:
            del self._records[name]
            self._shelved.discard(name)
            into.alarms[name] = None

    def facts(self) -> list[dict[str, object]]:
        """Alarms that are not normal, for /status."""
        return [
            {"alarm_id": name, "isa": state(record.facts).value, "level": record.facts.level, "episode": record.episode}
            for name, record in self._records.items()
            if record.facts.active or record.facts.latched or record.facts.shelved_until
        ]

    def _put(self, name: str, record: AlarmRecord) -> None:
        self._records[name] = record
        if record.facts.shelved_until is None:
            self._shelved.discard(name)
        else:
            self._shelved.add(name)

    def _say(self, record: AlarmRecord, device: Device, now_ms: int, reading_ms: int | None, into: Transaction) -> None:
        """Keep the record and put its alert into the alarm lane; synced to disk with this transaction."""
        self._put(record.alarm_id, record)
        into.alarms[record.alarm_id] = msgspec.json.encode(record)
        into.full = True
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
        )
        urgent = (
            record.exercise is None
            and device.config.timeline == REAL
            and record.facts.level in URGENT
            and record.verb in {Verb.RAISED, Verb.ESCALATED}
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
