"""How one action is commanded: told, told again, confirmed or given up; each change kept and reported. Free of I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge.actions_wanted import FOR_EVER_S, ActionRecord, Reason
from edge.lane import Lane, Outgoing, Transaction
from edge.metrics import ACTION_COMMANDS
from rules.action_declaration import Actuator, Message
from wire.action import ActionReport, ActionState, Move
from wire.event import Type
from wire.time import to_datetime

PREFIX = "#action/"
"""Of the rows of actions beside those of alarms; no device is named so."""
AGAIN_S = 60.0
"""What failed is tried again after so long, as long as it is wanted."""
UNCONFIRMED_S = 10.0
"""Between tries where only the broker's receipt confirms, and there is no broker."""


@dataclass(slots=True)
class Live:
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

    @property
    def move(self) -> Move:
        """Which way it was commanded last."""
        return "on" if self.record.on else "off"

    @classmethod
    def begin(cls, ready: Actuator, record: ActionRecord | None, mono: float, now_ms: int) -> "Live":
        """An action as the journal knows it, or one that never moved."""
        if record is None:
            return cls(ready, ActionRecord(id=ready.config.id), mono - FOR_EVER_S)
        # A clock that went back does not shorten what is left, and never lengthens it beyond one whole limit.
        gone_s = max(0.0, (now_ms - record.since_ms) / 1000) if record.since_ms else FOR_EVER_S
        live = cls(ready, record, mono - gone_s)
        if record.on or (record.since_ms and record.confirmed is not True):
            live.pending, live.due = True, mono  # told again: the device may have missed it, or was restarted too
        return live

    def state(self) -> ActionState:
        """For reports and the status page."""
        record, limit = self.record, self.actuator.config.max_on_s
        state = "on" if record.on else "off"
        if self.failed:
            state = "failed"
        elif self.pending:
            state = "pending"
        elif self.barred:
            state = "barred"
        ends = None
        if record.on and limit is not None:
            ends = to_datetime(record.since_ms + round(limit * 1000))
        return ActionState(
            action=record.id,
            kind=self.actuator.config.kind,
            name=self.actuator.config.name,
            on=record.on,
            state=state,  # type: ignore[arg-type]
            since=to_datetime(record.since_ms) if record.since_ms else None,
            ends_at=ends,
            detail=self.failed or self.barred,
        )


class Commands:
    """Of all actions of one edge.

    Args:
        edge: id of this edge.
    """

    def __init__(self, edge: str) -> None:
        self._edge = edge
        self._outbox: list[tuple[str, Message]] = []
        self._number = 0

    def take(self) -> list[tuple[str, Message]]:
        """Commands to publish, with the action each is of; after the commit of the step that made them."""
        found, self._outbox = self._outbox, []
        return found

    def move(
        self, live: Live, move: Move, reason: Reason, detail: str, causes: Iterable[str], mono: float, now_ms: int,
        into: Transaction, *, exercise: str | None = None,
    ) -> None:  # fmt: skip
        """Command it otherwise than before."""
        on = move == "on"
        self.put(
            live, into, on=on, since_ms=now_ms, confirmed=None, reason=reason, causes=list(causes)[:20],
            exercise=exercise, config=live.actuator.config if on else None,
        )  # fmt: skip
        live.moved, live.pending, live.tries, live.due, live.failed = mono, True, 0, mono, ""
        self.tell(live, "commanded", move, reason, detail, live.record.causes, now_ms, into)

    def attempt(self, live: Live, mono: float, now_ms: int, into: Transaction, *, connected: bool) -> None:
        """Publish what is due; give up for a while when the tries are used up."""
        if not live.pending or mono < live.due:
            return
        confirm = live.actuator.confirm
        config = live.actuator.config
        move = live.move
        tries = 1 + (confirm.retries if confirm is not None else 2)
        within_s = confirm.within_s if confirm is not None else UNCONFIRMED_S
        if not connected:
            if mono - max(live.moved, live.due) >= tries * within_s:
                self.failed(live, f"can't be told to go {move}: there is no broker", now_ms, into)
            return  # told as soon as there is one
        if live.tries >= tries:
            said = f"; it says {live.said}" if live.said not in {None, move} else ""
            why = f"does not go {move}: {tries} tries of {within_s:g} s are not confirmed{said}"
            self.failed(live, why, now_ms, into)
            live.tries, live.due = 0, mono + AGAIN_S
            return
        live.tries += 1
        live.due = mono + within_s
        ACTION_COMMANDS.labels(kind=config.kind, outcome="sent" if live.tries == 1 else "repeated").inc()
        self._outbox.append((config.id, live.actuator.message(move)))
        if live.actuator.ask is not None:
            self._outbox.append((config.id, live.actuator.ask))

    def failed(self, live: Live, why: str, now_ms: int, into: Transaction) -> None:
        """It does not do as it is told: said once."""
        if live.failed:
            return
        move = live.move
        live.failed = why
        self.put(live, into, confirmed=False)
        self.tell(live, "failed", move, live.record.reason, why, live.record.causes, now_ms, into)
        ACTION_COMMANDS.labels(kind=live.actuator.config.kind, outcome="failed").inc()

    def confirmed(self, live: Live, now_ms: int, into: Transaction) -> None:
        """It has done as it was told."""
        move = live.move
        live.pending, live.tries, live.failed = False, 0, ""
        if live.record.confirmed is True:
            return  # after a restart: known already
        self.put(live, into, confirmed=True)
        self.tell(live, "confirmed", move, live.record.reason, "", live.record.causes, now_ms, into)
        ACTION_COMMANDS.labels(kind=live.actuator.config.kind, outcome="confirmed").inc()

    def put(self, live: Live, into: Transaction, **changes: Any) -> None:
        """Keep what changes of its record."""
        live.record = msgspec.structs.replace(live.record, **changes)
        into.alarms[PREFIX + live.record.id] = msgspec.json.encode(live.record)
        into.full = True

    def tell(
        self, live: Live, verb: str, move: Move, reason: Reason, detail: str, causes: Iterable[str], now_ms: int,
        into: Transaction,
    ) -> None:  # fmt: skip
        """Report one step of it to the cloud."""
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

    def withdraw(self, live: Live, into: Transaction) -> None:
        """Its last command goes out once; then nothing of it is left."""
        if live.pending:
            self._outbox.append((live.record.id, live.actuator.off))
        into.alarms[PREFIX + live.record.id] = None
