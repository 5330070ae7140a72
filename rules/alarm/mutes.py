"""What keeps an alarm from being announced: the shelf, suppression by design, out of service. Pure.

None of them hides the alarm from the record, what a person sets has an end, and whatever ends it announces an alarm
that is still active anew: it is unacknowledged again.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from rules.alarm.policy import AlarmPolicy
from rules.alarm.record import Advanced, AlarmRecord, Figures, OutOfService, succeed
from rules.alarm.states import muted
from wire.alert import AlarmFacts, Verb
from wire.level import Level
from wire.time import to_datetime

LIFE_SAFETY = frozenset({Level.I, Level.II})
"""Levels that break through a shelf."""


def breaks_shelf(facts: AlarmFacts, level: Level) -> bool:
    """Whether a level is more than what the person saw who shelved the alarm, and may concern life.

    A shelf covers the worst level of the episode at the time. Level I or II beyond that ends it.
    """
    covered = facts.shelved_level or facts.highest
    return facts.shelved_until is not None and level in LIFE_SAFETY and level.rank > covered.rank


def suppressor(policy: AlarmPolicy, level: Level, holds: Callable[[str], bool]) -> str | None:
    """The condition that suppresses an alarm of such a level now; None when nothing does."""
    if level.rank > policy.suppressed_up_to.rank:
        return None
    return next((condition for condition in policy.suppressed_while if holds(condition)), None)


def unshelve_if_due(record: AlarmRecord, now: int, at: int | None = None) -> Advanced | None:
    """The end of a shelving; None while it lasts or where there is none.

    Args:
        record: the alarm.
        now: wall time, epoch ms.
        at: scenario time; default `now`.
    """
    until = record.facts.shelved_until
    if until is None or to_datetime(now) < until:
        return None
    return unshelve(record, now if at is None else at, {"code": "shelf_over"})


def unshelve(record: AlarmRecord, at: int, because: Figures) -> Advanced:
    """Take an alarm off the shelf."""
    facts = replaced(record.facts, shelved_until=None, shelved_level=None)
    return succeed(record, Verb.UNSHELVED, facts, at, because=because)


def with_service(record: AlarmRecord, service: OutOfService | None, at: int, because: Figures) -> Advanced | None:
    """Into or out of service; None when nothing changes."""
    until = None if service is None else service.until
    if record.facts.out_of_service == (service is not None) and record.facts.out_of_service_until == until:
        return None
    facts = replaced(record.facts, out_of_service=service is not None, out_of_service_until=until)
    return succeed(record, Verb.INTO_SERVICE if service is None else Verb.OUT_OF_SERVICE, facts, at, because=because)


def with_suppressor(record: AlarmRecord, by: str | None, at: int) -> Advanced | None:
    """Suppressed by a condition, or not any more; None when nothing changes."""
    if record.facts.suppressed == (by is not None) and (by is None or record.facts.suppressed_by == by):
        return None
    facts = replaced(record.facts, suppressed=by is not None, suppressed_by=by)
    because: Figures = {"code": "suppressed", "by": by} if by else {"code": "condition_over"}
    return succeed(record, Verb.UNSUPPRESSED if by is None else Verb.SUPPRESSED, facts, at, because=because)


def replaced(facts: AlarmFacts, **changes: Any) -> AlarmFacts:
    """Facts with changes. An alarm that this lets be announced again is unacknowledged if active, else normal.

    What came and went while it was muted asks nobody to acknowledge it (ISA-18.2); a latch asks as before.
    """
    after = msgspec.structs.replace(facts, **changes)
    if muted(facts) is None or muted(after) is not None or (after.latched and not after.active):
        return after
    return msgspec.structs.replace(after, acknowledged=not after.active)


def superseded(record: AlarmRecord, at: int) -> Advanced | None:
    """What becomes of an episode when the next one of its alarm opens: nothing of it stands any more.

    The latch and the mutes have gone over to the new episode. None when nothing stood.
    """
    facts = record.facts
    if not (facts.active or facts.latched or muted(facts)):
        return None
    quiet = msgspec.structs.replace(
        facts,
        active=False,
        level=None,
        latched=False,
        shelved_until=None,
        shelved_level=None,
        suppressed=False,
        suppressed_by=None,
        out_of_service=False,
        out_of_service_until=None,
        unsteady=None,
    )
    return succeed(record, Verb.SUPERSEDED, quiet, at, because={"code": "new_episode"})
