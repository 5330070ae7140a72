"""States and clocks of a call on a service outside. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Service(StrEnum):
    """Who is called."""

    FIRE = "fire"  # 119
    MEDICAL = "medical"  # 120
    POLICE = "police"  # 110
    TRAFFIC = "traffic"  # 122, 交警
    POWER = "power"
    GAS = "gas"
    DRAINAGE = "drainage"


NAMES: Mapping[Service, tuple[str, str]] = {
    Service.FIRE: ("119 消防救援", "119 fire and rescue"),
    Service.MEDICAL: ("120 急救", "120 ambulance"),
    Service.POLICE: ("110 公安", "110 police"),
    Service.TRAFFIC: ("122 交警", "122 traffic police"),
    Service.POWER: ("供电抢修", "power company"),
    Service.GAS: ("燃气抢修", "gas company"),
    Service.DRAINAGE: ("排水抢险", "drainage company"),
}
MET = frozenset({Service.FIRE, Service.MEDICAL})
"""Somebody waits at the gate for these (接车)."""


class State(StrEnum):
    """Where a call stands."""

    CALLED = "called"  # 已呼叫
    ANSWERED = "answered"  # 对方已接
    ARRIVED = "arrived"  # 已到场
    HANDED_OVER = "handed_over"  # 已移交
    STOOD_DOWN = "stood_down"  # 已取消出动


class Step(StrEnum):
    """What has a limit; each is a kind of timer."""

    ANSWER = "handoff_answer"
    ARRIVE = "handoff_arrive"
    HAND_OVER = "handoff_hand_over"


_MIN = timedelta(minutes=1)
ANSWER_WITHIN = 1 * _MIN
HAND_OVER_WITHIN = 5 * _MIN
ARRIVE_WITHIN: Mapping[Service, timedelta] = {
    Service.FIRE: 8 * _MIN,
    Service.MEDICAL: 12 * _MIN,
    Service.POLICE: 10 * _MIN,
    Service.TRAFFIC: 15 * _MIN,
    Service.POWER: 45 * _MIN,  # 供电服务“十项承诺”: city repair crews within 45 minutes
    Service.GAS: 30 * _MIN,
    Service.DRAINAGE: 30 * _MIN,
}
"""Then it is asked again. Proposals, but for the power company's published promise; agree them with the services."""
LATE_BY = 2 * _MIN
"""After the time that they named themselves."""
LONGEST_PAUSE = 15 * _MIN


@dataclass(frozen=True, slots=True)
class Stamps:
    """What is known of a call."""

    answered_at: datetime | None = None
    arrived_at: datetime | None = None
    handed_over_at: datetime | None = None
    stood_down_at: datetime | None = None


def state_of(stamps: Stamps) -> State:
    """From the stamps: the last thing that happened."""
    if stamps.stood_down_at is not None:
        return State.STOOD_DOWN
    if stamps.handed_over_at is not None:
        return State.HANDED_OVER
    if stamps.arrived_at is not None:
        return State.ARRIVED
    return State.ANSWERED if stamps.answered_at is not None else State.CALLED


def clock_of(state: State, *, incident_over: bool) -> Step | None:
    """The one clock that must run, if any. A handed-over call has none: the incident's own clocks go on."""
    if incident_over:
        return None
    return {State.CALLED: Step.ANSWER, State.ANSWERED: Step.ARRIVE, State.ARRIVED: Step.HAND_OVER}.get(state)


def due(step: Step, service: Service, since: datetime, *, expected_at: datetime | None, rounds: int) -> datetime:
    """When it rings for the n-th time (0 first): the limit, then at growing pauses for ever."""
    if step is Step.ARRIVE and expected_at is not None and rounds == 0:
        return max(since, expected_at + LATE_BY)
    spans = {Step.ANSWER: ANSWER_WITHIN, Step.ARRIVE: ARRIVE_WITHIN[service], Step.HAND_OVER: HAND_OVER_WITHIN}
    span = spans[step]
    at = since + span
    for turn in range(rounds):
        at += min(max(span / 2, _MIN) * 2**turn, LONGEST_PAUSE)
    return at
