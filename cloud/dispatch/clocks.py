"""Which clocks must run, from the facts of an incident. Pure.

One function says it, and everything follows it: after every change the timers are brought in line with it, and the
auditor compares what runs with it. An incident that is not over always has at least one clock: that is the proof that
nobody is forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cloud.dispatch.escalation import Step
from cloud.dispatch.progress import LIVE, AssignmentState
from cloud.incidents.states import HANDLED, OVER, State

DEFERRAL = "deferral"
HAND_OFF = "hand_off"
RESERVATION = "reservation"
PENDING = "pending"
"""Carried out by cloud/desk: 挂账 comes back on its date."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides it."""

    incident: str
    state: State
    acknowledged: bool
    assignments: Sequence[tuple[str, AssignmentState]] = ()
    deferral: str | None = None  # 延期 that runs
    hand_off: str | None = None  # 转交 that waits for an answer
    reservations: Sequence[str] = ()
    part_of_open: bool = False  # its area's incident is open: that one's clocks are the desk's


@dataclass(frozen=True, slots=True, order=True)
class Clock:
    """A clock of some kind, of some thing."""

    kind: str  # a Step, or one of those above
    key: str


_OF_ASSIGNMENT = {
    AssignmentState.OFFERED: Step.ACCEPT,
    AssignmentState.ACKNOWLEDGED: Step.SET_OUT,
    AssignmentState.EN_ROUTE: Step.ARRIVE,
}


def wanted(facts: Facts) -> frozenset[Clock]:
    """The clocks that must run: none when the incident is over (or part of another that is not), else at least one."""
    if facts.state in OVER:
        return frozenset()
    clocks = set()
    if facts.hand_off is not None:
        clocks.add(Clock(HAND_OFF, facts.hand_off))
    if facts.deferral is not None:
        clocks.add(Clock(DEFERRAL, facts.deferral))
    if facts.state in HANDLED:
        clocks |= {Clock(RESERVATION, key) for key in facts.reservations}
        clocks |= {Clock(_OF_ASSIGNMENT[state], key) for key, state in facts.assignments if state in _OF_ASSIGNMENT}
    if facts.part_of_open:
        return frozenset(clocks)
    if facts.state is State.PENDING:
        clocks.add(Clock(PENDING, facts.incident))
    elif not facts.acknowledged:
        clocks.add(Clock(Step.ACKNOWLEDGE, facts.incident))
    elif facts.deferral is None:
        clocks |= _at_the_desk(facts)
    return frozenset(clocks)


def _at_the_desk(facts: Facts) -> set[Clock]:
    """What the one who took it has to see to next."""
    if facts.state not in HANDLED:
        return {Clock(Step.CLOSE, facts.incident)}
    states = {state for _, state in facts.assignments}
    if AssignmentState.ON_SCENE in states:
        return {Clock(Step.REPORT, facts.incident)}
    return set() if states & LIVE else {Clock(Step.DISPATCH, facts.incident)}
