"""What the edge moves by itself: sirens, barriers, signs, pumps. Judges what ought to be, keeps it, tells of it.

Free of I/O: each step runs between two batches, so what is commanded is in the journal before it is published. All of
it is told by what *is* (alarms that stand, readings, people's holds), not by events: after a kill the same step finds
the same and goes on.
"""

from collections.abc import Mapping

import msgspec

from edge.actions_causes import Value, answers, barring, exercise_of, key, keys
from edge.actions_command import PREFIX, Commands, Live
from edge.actions_wanted import (
    FOR_EVER_S,
    ActionRecord,
    Active,
    Situation,
    rank_of,
    spent,
    wanted,
)
from edge.alarms import AlarmBook
from edge.lane import Transaction
from edge.metrics import ACTION_COMMANDS, ACTIONS_ON
from edge.table import Device, Table
from rules.action_declaration import Message, actuator
from rules.alarm import AlarmRecord, Refusal, muted, too_late
from wire.action import ActionState, Move
from wire.configuration import Decision
from wire.time import to_ms

VERBS = frozenset({"switch_on", "switch_off", "hand_back"})
CONTRADICTED_S = 30.0
"""A device that says the contrary is told again; so often it is reported."""
TARGET = "action:"
_RECORD = msgspec.json.Decoder(ActionRecord)


class Actions:
    """The actions of one edge.

    Args:
        edge: id of this edge.
        alarms: what stands.
        value: newest readings, for interlocks.
    """

    def __init__(self, edge: str, alarms: AlarmBook, value: Value) -> None:
        self._commands = Commands(edge)
        self._alarms = alarms
        self._value = value
        self._live: dict[str, Live] = {}
        self._stored: dict[str, ActionRecord] = {}
        self._table: Table | None = None
        self._causes: dict[str, tuple[Active, ...]] = {}
        self._alive: frozenset[str] = frozenset()
        self._seen_version = -1

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
                self._live[name] = Live.begin(ready, self._stored.pop(name, None), mono, now_ms)
        for name, record in list(self._stored.items()):  # of an earlier run, and taken away since
            if record.config is not None:
                self._live[name] = Live.begin(actuator(record.config), record, mono, now_ms)
            else:
                into.alarms[PREFIX + name] = None
            del self._stored[name]
        for name in [name for name in self._live if name not in table.actions]:
            live = self._live[name]
            if live.record.on and (why := self._situation(name, live).bars.get("off")):
                detail = f"the action was taken away; left as it is: {why}"
                self._commands.tell(live, "barred", "off", "withdrawn", detail, (), now_ms, into)
                live.pending = False
            elif live.record.on:
                self._commands.move(live, "off", "withdrawn", "the action was taken away", (), mono, now_ms, into)
            self._commands.withdraw(live, into)
            del self._live[name]

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
                self._commands.tell(live, "barred", move, want.reason, want.barred, keys(around), now_ms, into)
                ACTION_COMMANDS.labels(kind=config.kind, outcome="barred").inc()
            live.barred = want.barred
            self._remember(live, around, now_ms, into)
            if want.on != record.on:
                because = keys(around) if want.on else tuple(record.causes)
                if not want.on and want.reason == "limit":
                    self._commands.put(
                        live, into, spent=spent(record, around, now_too=True), held=None, held_until_ms=None
                    )
                self._commands.move(
                    live, "on" if want.on else "off", want.reason, want.detail, because, mono, now_ms, into,
                    exercise=exercise_of(around) if want.on else record.exercise,
                )  # fmt: skip
            self._commands.attempt(live, mono, now_ms, into, connected=connected)
        for kind in {live.actuator.config.kind for live in self._live.values()}:
            on = [live for live in self._live.values() if live.actuator.config.kind == kind and live.record.on]
            ACTIONS_ON.labels(kind=kind).set(len(on))

    def _remember(self, live: Live, around: Situation, now_ms: int, into: Transaction) -> None:
        """Forget what is over: causes that ended, holds that ran out."""
        record = live.record
        if record.spent and (kept := spent(record, around, now_too=False)) != record.spent:
            self._commands.put(live, into, spent=kept)
        if record.held is not None and record.held_until_ms is not None and now_ms >= record.held_until_ms:
            self._commands.put(live, into, held=None, held_until_ms=None)

    def take(self) -> list[tuple[str, Message]]:
        """Commands to publish, with the action each is of; after the commit of the step that made them."""
        return self._commands.take()

    def received(self, name: str, now_ms: int, into: Transaction) -> None:
        """The broker has a command; all that there is to know of a device that does not say its state."""
        live = self._live.get(name)
        if live is not None and live.pending and live.actuator.confirm is None:
            self._commands.confirmed(live, now_ms, into)

    def heard(self, topic: str, payload: bytes, mono: float, now_ms: int, into: Transaction) -> None:
        """A message on a state topic."""
        for live in self._live.values():
            confirm = live.actuator.confirm
            if confirm is None or confirm.topic != topic:
                continue
            commanded = live.move
            said = live.actuator.says(payload, commanded)
            if said is None:
                continue
            live.said = said
            if said == commanded:
                if live.pending or live.failed:
                    self._commands.confirmed(live, now_ms, into)
            elif live.record.on and not live.pending and not live.failed:
                # Somebody or something switched it off by itself while it is wanted on.
                if mono - live.contradicted >= CONTRADICTED_S:
                    detail = "the device says off while it is wanted on; told again"
                    self._commands.tell(
                        live, "contradicted", "on", live.record.reason, detail, live.record.causes, now_ms, into
                    )
                    live.contradicted = mono
                self._commands.put(live, into, confirmed=None)
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
            self._commands.put(live, into, held=None, held_until_ms=None, decision=decision.id)
            return None
        move: Move = "on" if decision.verb == "switch_on" else "off"
        moves = live.record.on != (move == "on")
        if moves and (why := around.bars.get(move)):
            return Refusal("barred", {"why": why})
        if move == "on":
            self._commands.put(live, into, held="on", held_until_ms=until, decision=decision.id)
        else:
            # What stands now has had its turn; a new alarm moves it again, unless it is held off.
            self._commands.put(
                live, into, held=None if until is None else "off", held_until_ms=until, decision=decision.id,
                spent=spent(live.record, around, now_too=True),
            )  # fmt: skip
        if moves:
            self._commands.move(live, move, "decision", decision.note[:200], keys(around), mono, now_ms, into)
        return None

    # ------------------------------------------------------------ for people

    def facts(self) -> list[ActionState]:
        """For reports and the status page."""
        return [live.state() for _, live in sorted(self._live.items())]

    def problems(self) -> list[str]:
        """What does not move as it should, in sentences."""
        return [
            f"action {name} ({live.actuator.config.kind}): {live.failed}"
            for name, live in sorted(self._live.items())
            if live.failed
        ]

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

    def _situation(self, name: str, live: Live) -> Situation:
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
