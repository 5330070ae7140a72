"""The clocks of whistles: which must run, how long each may, and what follows when one runs out. Pure.

A whistle that has not ended always has a holder and a clock. A return stops no clock: the first receiver stays
responsible (首接负责) until another accepts or somebody rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from wire.level import Level


class State(StrEnum):
    """Where a whistle stands."""

    CALLED = "called"  # 已吹哨
    REPORTED_IN = "reported_in"  # 已报到
    ARRIVED = "arrived"  # 已到场
    DONE = "done"  # 已办结, not yet rated
    ENDED = "ended"


class Step(StrEnum):
    """What has a limit; each is a kind of timer."""

    CONFIRM = "whistle_confirm"  # the street looks at a neighbourhood's proposal
    REPORT_IN = "whistle_report_in"  # 报到
    ARRIVE = "whistle_arrive"
    FINISH = "whistle_finish"
    RULE = "whistle_rule"  # 裁定
    RATE = "whistle_rate"  # 评价


_MIN, _H = timedelta(minutes=1), timedelta(hours=1)
LIMITS: Mapping[Step, Mapping[Level, timedelta]] = {
    Step.CONFIRM: {Level.I: 1 * _MIN, Level.II: 2 * _MIN, Level.III: 5 * _MIN, Level.IV: 30 * _MIN},
    Step.REPORT_IN: {Level.I: 5 * _MIN, Level.II: 10 * _MIN, Level.III: 15 * _MIN, Level.IV: 60 * _MIN},
    Step.ARRIVE: {Level.I: 20 * _MIN, Level.II: 30 * _MIN, Level.III: 60 * _MIN, Level.IV: 24 * _H},
    Step.FINISH: {Level.I: 4 * _H, Level.II: 8 * _H, Level.III: 24 * _H, Level.IV: 120 * _H},
    Step.RULE: {Level.I: 5 * _MIN, Level.II: 5 * _MIN, Level.III: 15 * _MIN, Level.IV: 120 * _MIN},
    Step.RATE: dict.fromkeys(Level, 24 * _H),
}
"""Proposals, to be agreed with the local plan. Drill scenarios 3 and 7: 报到 within 10 to 15 minutes, 裁定 within 5."""

REMINDED = frozenset({Step.REPORT_IN, Step.ARRIVE, Step.FINISH})
"""After two thirds of the limit whoever has it is reminded (催办)."""
RATE_ROUNDS = 3
"""A street that has not rated after so many limits leaves the whistle unrated, and that is written down."""
LONGEST_PAUSE = timedelta(hours=6)


@dataclass(frozen=True, slots=True, order=True)
class Clock:
    """A clock of some kind, of some thing."""

    kind: Step
    key: str


def wanted(whistle: str, state: State, open_return: str | None) -> frozenset[Clock]:
    """The clocks that must run for a whistle: none once it has ended, else at least one."""
    step = {
        State.CALLED: Step.REPORT_IN,
        State.REPORTED_IN: Step.ARRIVE,
        State.ARRIVED: Step.FINISH,
        State.DONE: Step.RATE,
    }.get(state)
    clocks = {Clock(step, whistle)} if step else set()
    if open_return is not None and step is not None:
        clocks.add(Clock(Step.RULE, open_return))
    return frozenset(clocks)


def limit(step: Step, level: Level) -> timedelta:
    """How long a step may take."""
    return LIMITS[step][level]


def due(step: Step, level: Level, since: datetime, rounds: int) -> datetime:
    """When the clock rings for the n-th time (0 first): reminder, limit, then further and further apart."""
    span = limit(step, level)
    if step in REMINDED:
        if rounds == 0:
            return since + span * 2 / 3
        rounds -= 1
    at = since + span
    for turn in range(rounds):
        at += min(span * 2**turn, max(LONGEST_PAUSE, span))
    return at


@dataclass(frozen=True, slots=True)
class Rung:
    """What a ringing clock asks for."""

    act: str  # remind | escalate
    tier: int = 0  # how far up, from 0
    first: bool = False  # the limit itself has just passed


def rung(step: Step, rounds: int) -> Rung:
    """What follows from a clock that rings for the n-th time (0 first)."""
    if step in REMINDED:
        if rounds == 0:
            return Rung("remind")
        rounds -= 1
    return Rung("escalate", tier=rounds, first=rounds == 0)


ORDER: Mapping[State, int] = {state: rank for rank, state in enumerate(State)}


def may_move(state: State, wanted_state: State) -> str | None:
    """Why a whistle cannot go there; None when it can. Who is there already has reported in, too."""
    if state is State.ENDED:
        return "it has ended"
    if state is State.DONE and wanted_state is not State.DONE:
        return "it is done already; the street may send it back"
    return None
