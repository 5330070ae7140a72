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
    SUPPRESSED = "suppressed"  # by design: a condition that its rule names holds
    UNSUPPRESSED = "unsuppressed"
    OUT_OF_SERVICE = "out_of_service"
    INTO_SERVICE = "into_service"
    STEADY = "steady"  # chattering or flapping is over while the condition holds
    SUPERSEDED = "superseded"  # a newer episode of this alarm has opened: nothing of this one stands any more


class Unsteady(StrEnum):
    """An alarm that comes and goes; it is held active until it has been quiet."""

    CHATTERING = "chattering"  # several times within a minute
    FLAPPING = "flapping"  # several times within hours


class AlarmFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of an alarm, as separate facts; the ISA-18.2 state is derived (`rules.alarm.state`)."""

    active: bool
    level: Level | None  # now; None when not active
    highest: Level  # worst of this episode
    acknowledged: bool = False
    latched: bool = False  # the condition is over but a person must reset
    suspect: bool = False  # rests on readings with a bad flag, or on a hold that silence cut short
    shelved_until: datetime | None = None  # wall time
    shelved_level: Level | None = None  # the worst level that the shelf covers; a worse one of I or II breaks through
    suppressed: bool = False
    suppressed_by: str | None = None  # the condition, as the rule names it
    out_of_service: bool = False
    out_of_service_until: datetime | None = None  # wall time
    unsteady: Unsteady | None = None  # held active because it comes and goes
    repeats: int = 0  # raised again so often while it was held


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
    because: dict[str, float | str | None] = {}  # why this revision, where readings did not decide: `code` and figures


def alarm_id(device: str, rule: str, exercise: str | None = None) -> str:
    """The lasting name of one rule on one device; an exercise has alarms of its own."""
    return f"{exercise}:{device}:{rule}" if exercise else f"{device}:{rule}"
