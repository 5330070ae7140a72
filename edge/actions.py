"""What the edge moves by itself: sirens, barriers, signs, pumps. Judges what ought to be, keeps it, tells of it.

Free of I/O: each step runs between two batches, so what is commanded is in the journal before it is published. All of
it is told by what *is* (alarms that stand, readings, people's holds), not by events: after a kill the same step finds
the same and goes on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge.actions_causes import Value, answers, barring, exercise_of, key, keys
from edge.actions_wanted import (
    FOR_EVER_S,
    ActionRecord,
    Active,
    Reason,
    Situation,
    rank_of,
    spent,
    wanted,
)
from edge.alarms import AlarmBook
from edge.lane import Lane, Outgoing, Transaction
from edge.metrics import ACTION_COMMANDS, ACTIONS_ON
from edge.table import Device, Table
from rules.action_declaration import Actuator, Message, actuator
from rules.alarm import AlarmRecord, Refusal, muted, too_late
from wire.action import ActionReport, ActionState, Move
from wire.configuration import Decision
from wire.event import Type
from wire.time import to_datetime, to_ms

PREFIX = "#action/"
"""Of the rows of actions beside those of alarms; no device is named so."""
VERBS = frozenset({"switch_on", "switch_off", "hand_back"})
AGAIN_S = 60.0
"""What failed is tried again after so long, as long as it is wanted."""
CONTRADICTED_S = 30.0
"""A device that says the contrary is told again; so often it is reported."""
UNCONFIRMED_S = 10.0
"""Between tries where only the broker's receipt confirms, and there is no broker."""
TARGET = "action:"
_RECORD = msgspec.json.Decoder(ActionRecord)


@dataclass(slots=True)
class _Live:
    """One action while this process runs."""

    actuator: Actuator
    record: ActionRecord
    moved: float  # monotonic: when it was last commanded otherwise than before
    pending: bool = False
    tries: int = 0
    due: float = 0.0  # monotonic: of the next try, or of giving up
    failed: str = ""
    barred: str = ""
    said: Move | None = None  # by the device
    contradicted: float = field(default=-FOR_EVER_S)


class Actions:
    """The actions of one edge.

    Args:
        edge: id of this edge.
        alarms: what stands.
        value: newest readings, for interlocks.
    """

    def __init__(self, edge: str, alarms: AlarmBook, value: Value) -> None:
        self._edge = edge
        self._alarms = alarms
        self._value = value
        self._live: dict[str, _Live] = {}
        self._stored: dict[str, ActionRecord] = {}
        self._table: Table | None = None
        self._outbox: list[tuple[str, Message]] = []
        self._causes: dict[str, tuple[Active, ...]] = {}
        self._alive: frozenset[str] = frozenset()
        self._seen_version = -1
        self._number = 0

    # ------------------------------------------------------------ start and configuration

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Take up what the journal kept; rows of other things are passed over."""
        for name, row in rows.items():
            if name.startswith(PREFIX):
                self._stored[name.removeprefix(PREFIX)] = _RECORD.decode(row)

    def use(self, table: Table, mono: float, now_ms: int, into: Transaction) -> None:
        """Take another table; what is on and not declared any more is switched off."""
        self._table = table
        self._seen_version = -1
        for name, ready in table.actions.items():
            live = self._live.get(name)
            if live is not None:
                live.actuator = ready
            else:
                self._live[name] = self._begin(ready, self._stored.pop(name, None), mono, now_ms)
        for name, record in list(self._stored.items()):  # of an earlier run, and taken away since
            if record.config is not None:
                self._live[name] = self._begin(actuator(record.config), record, mono, now_ms)
            else:
                self._forget(name, into)
            del self._stored[name]
        for name in [name for name in self._live if name not in table.actions]:
            live = self._live[name]
            if live.record.on and (why := self._situation(name, live).bars.get("off")):
                detail = f"the action was taken away; left as it is: {why}"
                self._tell(live, "barred", "off", "withdrawn", detail, (), now_ms, into)
                live.pending = False
            elif live.record.on:
                self._move(live, "off", "withdrawn", "the action was taken away", (), mono, now_ms, into)
            self._flush_withdrawn(name, live, into)

    def _begin(self, ready: Actuator, record: ActionRecord | None, mono: float, now_ms: int) -> _Live:
        if record is None:
            return _Live(ready, ActionRecord(id=ready.config.id), mono - FOR_EVER_S)
        # A clock that went back does not shorten what is left, and never lengthens it beyond one whole limit.
        gone_s = max(0.0, (now_ms - record.since_ms) / 1000) if record.since_ms else FOR_EVER_S
        live = _Live(ready, record, mono - gone_s)
        if record.on or (record.since_ms and record.confirmed is not True):
            live.pending, live.due = True, mono  # told again: the device may have missed it, or was restarted too
        return live

    def _flush_withdrawn(self, name: str, live: _Live, into: Transaction) -> None:
        """Its last command goes out once; then nothing of it is left."""
        if live.pending:
            self._outbox.append((name, live.actuator.off))
        del self._live[name]
        self._forget(name, into)

    def _forget(self, name: str, into: Transaction) -> None:
        into.alarms[PREFIX + name] = None

    # ------------------------------------------------------------ steps

    def step(self, mono: float, now_ms: int, into: Transaction, *, connected: bool = True) -> None:
        """What time, alarms and readings make of every action; commands to publish are in `take`.

        Args:
            mono: monotonic clock: limits and tries go by it, so that a step of the wall clock moves nothing.
            now_ms: wall time, for what people and records say.
            into: takes records and reports.
            connected: commands can go out; while not, no try is used up.
        """
        if self._table is None:
            return
        self._look()
        for name, live in self._live.items():
            around = self._situation(name, live)
            config = live.actuator.config
            record = live.record
            lasted = mono - live.moved
            want = wanted(
                record, config, around,
                on_s=lasted if record.on else 0.0, off_s=FOR_EVER_S if record.on else lasted, now_ms=now_ms,
            )  # fmt: skip
            if want.barred and not live.barred:
                move: Move = "off" if record.on else "on"
                self._tell(live, "barred", move, want.reason, want.barred, keys(around), now_ms, into)
                ACTION_COMMANDS.labels(kind=config.kind, outcome="barred").inc()
            live.barred = want.barred
            self._remember(live, around, now_ms, into)
            if want.on != record.on:
                because = keys(around) if want.on else tuple(record.causes)
                if not want.on and want.reason == "limit":
                    self._put(live, into, spent=spent(record, around, now_too=True), held=None, held_until_ms=None)
                self._move(live, "on" if want.on else "off", want.reason, want.detail, because, mono, now_ms, into,
                           exercise=exercise_of(around) if want.on else record.exercise)  # fmt: skip
            self._try(live, mono, now_ms, into, connected=connected)
        for kind in {live.actuator.config.kind for live in self._live.values()}:
            on = [live for live in self._live.values() if live.actuator.config.kind == kind and live.record.on]
            ACTIONS_ON.labels(kind=kind).set(len(on))

    def take(self) -> list[tuple[str, Message]]:
        """Commands to publish, with the action each is of; after the commit of the step that made them."""
        found, self._outbox = self._outbox, []
        return found

    def received(self, name: str, now_ms: int, into: Transaction) -> None:
        """The broker has a command; all that there is to know of a device that does not say its state."""
        live = self._live.get(name)
        if live is not None and live.pending and live.actuator.confirm is None:
            self._confirmed(live, now_ms, into)

    def heard(self, topic: str, payload: bytes, mono: float, now_ms: int, into: Transaction) -> None:
        """A message on a state topic."""
        for live in self._live.values():
            confirm = live.actuator.confirm
            if confirm is None or confirm.topic != topic:
                continue
            commanded: Move = "on" if live.record.on else "off"
            said = live.actuator.says(payload, commanded)
            if said is None:
                continue
            live.said = said
            if said == commanded:
                if live.pending or live.failed:
                    self._confirmed(live, now_ms, into)
            elif live.record.on and not live.pending and not live.failed:
                # Somebody or something switched it off by itself while it is wanted on.
                if mono - live.contradicted >= CONTRADICTED_S:
                    detail = "the device says off while it is wanted on; told again"
                    self._tell(live, "contradicted", "on", live.record.reason, detail, live.record.causes, now_ms, into)
                    live.contradicted = mono
                self._put(live, into, confirmed=None)
                live.pending, live.tries, live.due = True, 0, mono

    def topics(self) -> tuple[str, ...]:
        """State topics to subscribe to."""
        found = [live.actuator.confirm.topic for live in self._live.values() if live.actuator.confirm is not None]
        return tuple(sorted(set(found)))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._live)

    # ------------------------------------------------------------ people

    def decide(self, decision: Decision, mono: float, now_ms: int, into: Transaction) -> Refusal | None:
        """Carry out `switch_on`, `switch_off` or `hand_back`; None when it is done."""
        late = too_late(decision, now_ms)
        if late is not None:
            return late
        name = decision.alarm_id.removeprefix(TARGET)
        live = self._live.get(name)
        if live is None or not decision.alarm_id.startswith(TARGET):
            return Refusal("unknown_action", {"action": name[:80]})
        self._look()
        around = self._situation(name, live)
        until = None if decision.until is None else to_ms(decision.until)
        if decision.verb == "hand_back":
            self._put(live, into, held=None, held_until_ms=None, decision=decision.id)
            return None
        move: Move = "on" if decision.verb == "switch_on" else "off"
        moves = live.record.on != (move == "on")
        if moves and (why := around.bars.get(move)):
            return Refusal("barred", {"why": why})
        if move == "on":
            self._put(live, into, held="on", held_until_ms=until, decision=decision.id)
        else:
            # What stands now has had its turn; a new alarm moves it again, unless it is held off.
            self._put(
                live, into, held=None if until is None else "off", held_until_ms=until, decision=decision.id,
                spent=spent(live.record, around, now_too=True),
            )  # fmt: skip
        if moves:
            self._move(live, move, "decision", decision.note[:200], keys(around), mono, now_ms, into)
        return None

    # ------------------------------------------------------------ for people

    def facts(self) -> list[ActionState]:
        """For reports and the status page."""
        return [self._state(live) for _, live in sorted(self._live.items())]

    def problems(self) -> list[str]:
        """What does not move as it should, in sentences."""
        return [
            f"action {name} ({live.actuator.config.kind}): {live.failed}"
            for name, live in sorted(self._live.items())
            if live.failed
        ]

    def _state(self, live: _Live) -> ActionState:
        record, limit = live.record, live.actuator.config.max_on_s
        state = "on" if record.on else "off"
        if live.failed:
            state = "failed"
        elif live.pending:
            state = "pending"
        elif live.barred:
            state = "barred"
        ends = None
        if record.on and limit is not None:
            ends = to_datetime(record.since_ms + round(limit * 1000))
        return ActionState(
            action=record.id,
            kind=live.actuator.config.kind,
            name=live.actuator.config.name,
            on=record.on,
            state=state,  # type: ignore[arg-type]
            since=to_datetime(record.since_ms) if record.since_ms else None,
            ends_at=ends,
            detail=live.failed or live.barred,
        )

    # ------------------------------------------------------------ inside

    def _move(
        self, live: _Live, move: Move, reason: Reason, detail: str, causes: Iterable[str], mono: float, now_ms: int,
        into: Transaction, *, exercise: str | None = None,
    ) -> None:  # fmt: skip
        """Command it otherwise than before."""
        on = move == "on"
        self._put(
            live, into, on=on, since_ms=now_ms, confirmed=None, reason=reason, causes=list(causes)[:20],
            exercise=exercise, config=live.actuator.config if on else None,
        )  # fmt: skip
        live.moved, live.pending, live.tries, live.due, live.failed = mono, True, 0, mono, ""
        self._tell(live, "commanded", move, reason, detail, live.record.causes, now_ms, into)

    def _try(self, live: _Live, mono: float, now_ms: int, into: Transaction, *, connected: bool) -> None:
        """Publish what is due; give up for a while when the tries are used up."""
        if not live.pending or mono < live.due:
            return
        confirm = live.actuator.confirm
        config = live.actuator.config
        move: Move = "on" if live.record.on else "off"
        tries = 1 + (confirm.retries if confirm is not None else 2)
        within_s = confirm.within_s if confirm is not None else UNCONFIRMED_S
        if not connected:
            if mono - max(live.moved, live.due) >= tries * within_s:
                self._failed(live, f"can't be told to go {move}: there is no broker", now_ms, into)
            return  # told as soon as there is one
        if live.tries >= tries:
            said = f"; it says {live.said}" if live.said not in {None, move} else ""
            why = f"does not go {move}: {tries} tries of {within_s:g} s are not confirmed{said}"
            self._failed(live, why, now_ms, into)
            live.tries, live.due = 0, mono + AGAIN_S
            return
        live.tries += 1
        live.due = mono + within_s
        ACTION_COMMANDS.labels(kind=config.kind, outcome="sent" if live.tries == 1 else "repeated").inc()
        self._outbox.append((config.id, live.actuator.message(move)))
        if live.actuator.ask is not None:
            self._outbox.append((config.id, live.actuator.ask))

    def _failed(self, live: _Live, why: str, now_ms: int, into: Transaction) -> None:
        if live.failed:
            return
        move: Move = "on" if live.record.on else "off"
        live.failed = why
        self._put(live, into, confirmed=False)
        self._tell(live, "failed", move, live.record.reason, why, live.record.causes, now_ms, into)
        ACTION_COMMANDS.labels(kind=live.actuator.config.kind, outcome="failed").inc()

    def _confirmed(self, live: _Live, now_ms: int, into: Transaction) -> None:
        move: Move = "on" if live.record.on else "off"
        live.pending, live.tries, live.failed = False, 0, ""
        if live.record.confirmed is True:
            return  # after a restart: known already
        self._put(live, into, confirmed=True)
        self._tell(live, "confirmed", move, live.record.reason, "", live.record.causes, now_ms, into)
        ACTION_COMMANDS.labels(kind=live.actuator.config.kind, outcome="confirmed").inc()

    def _remember(self, live: _Live, around: Situation, now_ms: int, into: Transaction) -> None:
        """Forget what is over: causes that ended, holds that ran out."""
        record = live.record
        if record.spent and (kept := spent(record, around, now_too=False)) != record.spent:
            self._put(live, into, spent=kept)
        if record.held is not None and record.held_until_ms is not None and now_ms >= record.held_until_ms:
            self._put(live, into, held=None, held_until_ms=None)

    def _put(self, live: _Live, into: Transaction, **changes: Any) -> None:
        live.record = msgspec.structs.replace(live.record, **changes)
        into.alarms[PREFIX + live.record.id] = msgspec.json.encode(live.record)
        into.full = True

    def _tell(
        self, live: _Live, verb: str, move: Move, reason: Reason, detail: str, causes: Iterable[str], now_ms: int,
        into: Transaction,
    ) -> None:  # fmt: skip
        config, record = live.actuator.config, live.record
        self._number += 1
        report = ActionReport(
            action=config.id, site=config.site, kind=config.kind, name=config.name, building=config.building,
            zone=config.zone, verb=verb, move=move, reason=reason, detail=detail, causes=list(causes)[:20],  # type: ignore[arg-type]
            decision=record.decision if reason == "decision" else None, at=to_datetime(now_ms),
            exercise=record.exercise,
        )  # fmt: skip
        into.events.append(
            Outgoing(
                id=f"{self._edge}/action/{config.id}/{now_ms}/{self._number}",
                lane=Lane.ALARM,
                type=Type.ACTION_REPORTED,
                data=msgspec.json.encode(report),
                born_ms=now_ms,
                exercise=record.exercise,
                urgent=verb == "failed" and record.exercise is None,  # the local notifier knows of it
            )
        )
        into.full = True

    # ------------------------------------------------------------ what an action depends on

    def _look(self) -> None:
        """Alarms that stand, by action; anew when an alarm changed."""
        if self._alarms.version == self._seen_version or self._table is None:
            return
        self._seen_version = self._alarms.version
        standing = [(record, device) for record in self._alarms.standing() if (device := self._device(record))]
        self._alive = frozenset(key(record) for record, _ in standing)
        self._causes = {
            name: tuple(
                Active(key(record), rank_of(record.facts.level), record.exercise, record.facts.acknowledged)
                for record, device in standing
                if muted(record.facts) is None and answers(live.actuator.config, record, device)
            )
            for name, live in self._live.items()
        }

    def _device(self, record: AlarmRecord) -> Device | None:
        return self._table.devices.get(record.device) if self._table is not None else None

    def _situation(self, name: str, live: _Live) -> Situation:
        bars: dict[Move, str] = {}
        ends = ""
        for lock in live.actuator.config.interlocks:
            why = barring(lock, self._value, self._is)
            if why:
                bars.setdefault(lock.bars, why)
                ends = ends or (why if lock.ends else "")
        causes = self._causes.get(name, ()) if live.actuator.config.enabled else ()
        return Situation(causes, self._alive, bars, ends)

    def _is(self, action: str) -> Move | None:
        """How another action stands; None: there is none."""
        other = self._live.get(action)
        return None if other is None else ("on" if other.record.on else "off")
