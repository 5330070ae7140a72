"""States of an incident and the moves between them, as one table.

待核实 raised → 立案 accepted → 已派单 dispatched → 处置中 in progress → 处置完毕 resolved → 核查 verified →
结案 closed; 不予立案 / 作废 void; 并案 merged into another; 挂账 pending until a date. What is closed, void or merged
comes back (退回重办, undoing a merge) by a person's act only. Acknowledging (接警) is a fact beside the state: it
names an owner and stops the sound.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from wire.level import Level


class State(StrEnum):
    """Where an incident stands."""

    RAISED = "raised"
    ACCEPTED = "accepted"
    DISPATCHED = "dispatched"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    VERIFIED = "verified"
    CLOSED = "closed"
    VOID = "void"
    MERGED = "merged"
    PENDING = "pending"


class Outcome(StrEnum):
    """What it turned out to be. A pot burnt dry is `danger_caught`, which is true; never a false alarm."""

    FIRE = "fire"
    DANGER_CAUGHT = "danger_caught"
    HAZARD_TRUE = "hazard_true"
    NUISANCE = "nuisance"
    FAULT = "fault"
    HUMAN = "human"
    TEST = "test"
    UNKNOWN = "unknown"


OVER = frozenset({State.CLOSED, State.VOID, State.MERGED})
HANDLED = frozenset({State.RAISED, State.ACCEPTED, State.DISPATCHED, State.IN_PROGRESS})
"""Somebody has still to do something; only these take in further alarms."""

ENDS = frozenset({State.RESOLVED, State.CLOSED, State.VOID, State.MERGED, State.PENDING})
"""What any incident that is being handled may become by a person's word."""

ALLOWED = MappingProxyType(
    {
        State.RAISED: frozenset({State.ACCEPTED, State.DISPATCHED}) | ENDS,
        State.ACCEPTED: frozenset({State.DISPATCHED}) | ENDS,
        State.DISPATCHED: frozenset({State.ACCEPTED, State.IN_PROGRESS}) | ENDS,  # accepted: nobody took it
        State.IN_PROGRESS: ENDS,
        State.RESOLVED: frozenset(  # raised: re-alarm; accepted: sent back
            {State.RAISED, State.ACCEPTED, State.IN_PROGRESS, State.VERIFIED, State.CLOSED, State.MERGED, State.PENDING}
        ),
        State.VERIFIED: frozenset({State.RAISED, State.ACCEPTED, State.CLOSED, State.MERGED}),
        State.PENDING: frozenset(
            {State.RAISED, State.ACCEPTED, State.RESOLVED, State.CLOSED, State.VOID, State.MERGED}
        ),
        State.CLOSED: frozenset(),
        State.VOID: frozenset(),
        State.MERGED: frozenset(),
    }
)

BACK = MappingProxyType(
    {
        State.CLOSED: frozenset({State.ACCEPTED}),  # 退回重办
        State.VOID: frozenset({State.ACCEPTED}),
        State.MERGED: frozenset(
            {State.RAISED, State.ACCEPTED, State.RESOLVED, State.VERIFIED, State.PENDING}
        ),  # undone
    }
)
"""Ways back from what is over: never by a tap, an alarm or a timer, only where a person asks for just that."""


@dataclass(frozen=True, slots=True)
class Move:
    """Whether a move may be made, and why not."""

    allowed: bool
    changes: bool
    reason: str = ""


def move(current: State, wanted: State, *, back: bool = False) -> Move:
    """Judge one move. Asking for the state that already holds is allowed and changes nothing.

    Args:
        current: where the incident stands.
        wanted: where to.
        back: a person asks to open again what is over.
    """
    if current is wanted:
        return Move(allowed=True, changes=False)
    if wanted in ALLOWED[current] or (back and wanted in BACK.get(current, ())):
        return Move(allowed=True, changes=True)
    after = ", ".join(sorted(ALLOWED[current])) or "nothing: it is over"
    return Move(
        allowed=False, changes=False, reason=f"from '{current}' an incident moves to {after}; not to '{wanted}'"
    )


def state_on_acknowledging(current: State, level: Level) -> State:
    """At the most urgent level an incident counts as accepted (立案) at once; else only after a check or a dispatch."""
    return State.ACCEPTED if current is State.RAISED and level is Level.I else current
