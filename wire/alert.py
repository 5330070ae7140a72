"""The message that the edge sends when an alarm is raised, changed or cleared."""

from datetime import datetime
from enum import StrEnum

import msgspec

from wire.level import Level
from wire.time import REAL


class Hazard(StrEnum):
    """What is in danger; DEVICE and GATEWAY are health, not hazards, and fold separately."""

    SMOKE = "smoke"
    WATER_LEVEL = "water_level"
    CURTAIN_WALL = "curtain_wall"
    DEVICE = "device"
    GATEWAY = "gateway"


class Verb(StrEnum):
    """What happened to the alarm."""

    RAISED = "raised"
    ESCALATED = "escalated"
    DEESCALATED = "deescalated"
    CLEARED = "cleared"
    ACKNOWLEDGED = "acknowledged"
    RESET = "reset"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"


class AlarmFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of an alarm, as separate facts; the ISA-18.2 state is derived (`rules.alarm.state`)."""

    active: bool
    level: Level | None  # now; None when not active
    highest: Level  # worst of this episode
    acknowledged: bool = False
    latched: bool = False  # the condition is over but a person must reset
    suspect: bool = False  # rests on readings with a bad flag, or on a hold that silence cut short
    shelved_until: datetime | None = None
    suppressed: bool = False
    out_of_service: bool = False


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of one alarm episode.

    `alarm_id` names rule and device (and the exercise) for good; `episode` is the event time, epoch ms, at which this
    episode opened; `revision` rises by one from 1 within the episode. The cloud applies by revision whatever the
    order of arrival.
    """

    alarm_id: str
    episode: int
    revision: int
    verb: Verb
    edge: str
    site: str
    device: str
    rule: str
    hazard: Hazard
    facts: AlarmFacts
    opened_at: datetime  # scenario time
    changed_at: datetime  # scenario time of this revision
    recorded_at: datetime  # wall time at the edge
    reading_at: datetime | None = None  # wall time at which the reading that decided arrived
    timeline: str = REAL
    exercise: str | None = None
    replayed: bool = False  # sent again after an outage: history, dispatches nothing stale
    evidence: dict[str, float | str | None] = {}


def alarm_id(device: str, rule: str, exercise: str | None = None) -> str:
    """The lasting name of one rule on one device; an exercise has alarms of its own."""
    return f"{exercise}:{device}:{rule}" if exercise else f"{device}:{rule}"
