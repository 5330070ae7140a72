"""The record of an alarm, and what a step makes of it. Plain data."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from rules.alarm.policy import USUAL, AlarmPolicy
from rules.alarm.states import Isa, state
from wire.alert import AlarmFacts, Hazard, Unsteady, Verb
from wire.level import Level

Figures = dict[str, float | str | None]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An unsteady alarm that is held active: what its condition really does meanwhile."""

    kind: Unsteady
    since: int  # event ms
    last: int  # event ms of the newest raise
    level: Level | None  # of the condition now; None: it does not hold


class AlarmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The newest episode of an alarm, as kept and sent.

    Each revision is told as an alert and never changed after: the alerts are the history, the record is its end.
    """

    alarm_id: str
    device: str
    rule: str
    hazard: Hazard
    episode: int  # event ms of its opening
    revision: int
    verb: Verb
    facts: AlarmFacts
    opened_at: int
    changed_at: int
    exercise: str | None = None
    evidence: Figures = {}
    because: Figures = {}
    tracked: int | None = None  # the engine's episode that this one goes along with; None: its own
    raises: tuple[int, ...] = ()  # event ms of the last ones, over episodes
    held: Held | None = None

    @property
    def isa(self) -> Isa:
        """The state that its facts make."""
        return state(self.facts)

    @property
    def following(self) -> int:
        """The engine's episode that changes must name."""
        return self.episode if self.tracked is None else self.tracked


class OutOfService(msgspec.Struct, frozen=True, kw_only=True):
    """A device or a rule that a person took out of service: who, why, until when (wall time)."""

    target: str  # `<device>:<rule>` or `<device>:*`, in an exercise with its id before
    by: str
    why: str
    since: datetime
    until: datetime
    decision: str


@dataclass(frozen=True, slots=True)
class Around:
    """What an alarm depends on besides its own facts."""

    latch: bool = False
    policy: AlarmPolicy = USUAL
    suppressed_by: str | None = None  # the condition of the policy that holds
    service: OutOfService | None = None


NOTHING = Around()


class Advanced(NamedTuple):
    """The record after a step; without a verb there is nothing to tell (kept, with no new revision)."""

    record: AlarmRecord
    verb: Verb | None


_REASONS = {
    "already_known": "episode {episode} is known already",
    "no_level": "{verb} without a level",
    "other_episode": "episode {episode} is not the one that is known",
    "over": "the episode has ended",
    "expired": "expired at {at}",
    "unknown_alarm": "episode {episode} of {alarm_id} is over or unknown",
    "unknown_device": "device '{device}' is not registered here",
    "unknown_rule": "'{target}' names no rule of the device",
    "acknowledged_already": "acknowledged already",
    "still_active": "the condition still holds",
    "not_latched": "nothing is latched",
    "no_end": "{verb} needs an end that is still to come",
    "too_long": "{verb} lasts at most {longest_s:g} s",
    "no_reason": "{verb} needs a reason",
    "most_urgent": "an active alarm of level I is not shelved",
    "not_shelved": "is not shelved",
    "in_service": "is in service",
    "unknown_action": "there is no action '{action}' here",
    "barred": "{why}",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a change or decision was not carried out; `expired` tells a decision that came too late."""

    code: str
    params: Figures = field(default_factory=dict)
    expired: bool = False

    @property
    def reason(self) -> str:
        """One sentence."""
        return _REASONS[self.code].format_map(self.params)


def succeed(
    record: AlarmRecord,
    verb: Verb,
    facts: AlarmFacts,
    at: int,
    *,
    evidence: Figures | None = None,
    because: Figures | None = None,
) -> Advanced:
    """The next revision."""
    return Advanced(
        msgspec.structs.replace(
            record,
            revision=record.revision + 1,
            verb=verb,
            facts=facts,
            changed_at=at,
            evidence=record.evidence if evidence is None else evidence,
            because=because or {},
        ),
        verb,
    )
