"""What a change of the engine makes of an alarm. Pure.

An unsteady alarm is held: its episode stays open and active, at the worst level since, until it has been quiet. What
its condition does meanwhile is kept beside it and told only when it is worse; so nothing urgent is ever held back.
"""

from typing import Any

import msgspec

from rules.alarm.mutes import breaks_shelf
from rules.alarm.policy import MOST_KEPT, UNSTEADY_RULE
from rules.alarm.record import NOTHING, Advanced, AlarmRecord, Around, Figures, Held, Refusal, succeed
from rules.columns import Change
from wire.alert import AlarmFacts, Unsteady, Verb, alarm_id
from wire.level import Level

GONE = "because"
"""Stands in the evidence of a clearing that no reading brought: rule or device were taken away."""
TAKEN_AWAY = "the rule was taken away"


def changed(record: AlarmRecord | None, change: Change, around: Around) -> Advanced | Refusal:
    """The alarm after a change; see `rules.alarm.advance`."""
    refusal = _refused(record, change)
    if refusal is not None:
        return refusal
    if record is not None and record.held is not None:
        return _held(record, record.held, change, around)
    if change.verb is Verb.RAISED:
        return _raised(record, change, around)
    assert record is not None
    facts = record.facts
    if change.level is None:
        latched = around.latch and GONE not in change.evidence  # nobody could reset it
        facts = msgspec.structs.replace(facts, active=False, level=None, latched=latched)
        return succeed(record, change.verb, facts, change.at, evidence=dict(change.evidence))
    if change.verb is Verb.DEESCALATED:
        facts = msgspec.structs.replace(facts, level=change.level)
        return succeed(record, change.verb, facts, change.at, evidence=dict(change.evidence))
    return _worse(record, change, change.level, around)


def _refused(record: AlarmRecord | None, change: Change) -> Refusal | None:
    """Why a change says nothing new of this alarm: it came again, or of an episode that is over."""
    episode: Figures = {"episode": change.opened_at}
    if change.level is None and change.verb is not Verb.CLEARED:
        return Refusal("no_level", {"verb": change.verb.value})
    if change.verb is Verb.RAISED:
        if record is not None and record.following >= change.opened_at:
            return Refusal("already_known", episode)
        return None
    if record is None or record.following != change.opened_at:
        return Refusal("other_episode", episode)
    level = record.facts.level if record.held is None else record.held.level
    if not record.facts.active or (level is None and change.level is not None):
        return Refusal("over", episode)
    if level is not None and (
        change.level is level or (change.verb is Verb.ESCALATED and change.level and change.level.rank < level.rank)
    ):
        return Refusal("already_known", episode)
    return None


def _raised(before: AlarmRecord | None, change: Change, around: Around) -> Advanced:
    assert change.level is not None
    kept = before.facts if before is not None else None
    raises = tuple(sorted((*(before.raises if before is not None else ()), change.at)))[-MOST_KEPT:]
    kind = None if change.rule == UNSTEADY_RULE else around.policy.unsteady(raises)
    broken = kept is not None and breaks_shelf(kept, change.level)
    shelved = kept is not None and not broken
    because: Figures = _unrest(kind, around) if kind else {}
    if broken:
        because = {"code": "shelf_broken"}
    facts = AlarmFacts(
        active=True,
        level=change.level,
        highest=change.level,
        suspect=change.suspect,
        shelved_until=kept.shelved_until if kept and shelved else None,
        shelved_level=(kept.shelved_level or kept.highest) if kept and shelved and kept.shelved_until else None,
        unsteady=kind,
        **_surroundings(around),
    )
    record = AlarmRecord(
        alarm_id=alarm_id(change.device, change.rule, change.exercise),
        device=change.device,
        rule=change.rule,
        hazard=change.hazard,
        episode=change.opened_at,
        revision=1,
        verb=change.verb,
        facts=facts,
        opened_at=change.opened_at,
        changed_at=change.at,
        exercise=change.exercise,
        evidence=dict(change.evidence),
        because=because,
        raises=raises,
        held=Held(kind=kind, since=change.at, last=change.at, level=change.level) if kind else None,
    )
    return Advanced(record, change.verb)


def _surroundings(around: Around) -> dict[str, Any]:
    service = around.service
    return {
        "suppressed": around.suppressed_by is not None,
        "suppressed_by": around.suppressed_by,
        "out_of_service": service is not None,
        "out_of_service_until": None if service is None else service.until,
    }


def _worse(record: AlarmRecord, change: Change, level: Level, around: Around) -> Advanced:
    """Escalated; unacknowledged again, off the shelf if it must be."""
    broken = breaks_shelf(record.facts, level)
    facts = msgspec.structs.replace(
        record.facts,
        level=level,
        highest=max(record.facts.highest, level, key=lambda each: each.rank),
        acknowledged=False,
        suspect=change.suspect,
        shelved_until=None if broken else record.facts.shelved_until,
        shelved_level=None if broken else record.facts.shelved_level,
        **_surroundings(around),
    )
    because: Figures = {"code": "shelf_broken"} if broken else {}
    return succeed(record, Verb.ESCALATED, facts, change.at, evidence=dict(change.evidence), because=because)


def _held(record: AlarmRecord, held: Held, change: Change, around: Around) -> Advanced:
    facts = record.facts
    if change.level is None:
        record = msgspec.structs.replace(record, held=msgspec.structs.replace(held, level=None))
        return _over(record, change.at, around, change.evidence) if GONE in change.evidence else Advanced(record, None)
    again = change.verb is Verb.RAISED
    record = msgspec.structs.replace(
        record,
        tracked=change.opened_at,
        facts=msgspec.structs.replace(facts, repeats=facts.repeats + again),
        held=msgspec.structs.replace(held, level=change.level, last=change.at if again else held.last),
    )
    if facts.level is None or change.level.rank > facts.level.rank:
        return _worse(record, change, change.level, around)
    return Advanced(record, None)


def settled(record: AlarmRecord, at: int, around: Around) -> Advanced | None:
    """The end of a hold that has been quiet long enough: cleared, or active as its condition is; None while it lasts.

    Args:
        record: the alarm.
        at: scenario time.
        around: as for `rules.alarm.advance`; with chattering or flapping switched off a hold of that kind ends.
    """
    held = record.held
    if held is None:
        return None
    figures = around.policy.unrest(held.kind)
    if figures is not None and at - held.last < figures.quiet_s * 1000:
        return None
    return _over(record, at, around)


def released(record: AlarmRecord, at: int) -> Advanced | None:
    """The end of a hold whose device or rule is gone; None where none is held."""
    return None if record.held is None else _over(record, at, NOTHING, record.evidence | {GONE: TAKEN_AWAY})


def _over(record: AlarmRecord, at: int, around: Around, evidence: Any = None) -> Advanced:
    held = record.held
    assert held is not None
    facts = msgspec.structs.replace(record.facts, unsteady=None)
    record = msgspec.structs.replace(record, held=None, raises=())
    because: Figures = {"code": f"{held.kind.value}_over", "repeats": facts.repeats}
    at = max(at, held.last)
    if held.level is None:
        latched = around.latch and GONE not in (evidence or {})
        facts = msgspec.structs.replace(facts, active=False, level=None, latched=latched)
        verb = Verb.CLEARED
    else:
        facts = msgspec.structs.replace(facts, level=held.level)
        verb = Verb.STEADY
    return succeed(record, verb, facts, at, evidence=dict(evidence) if evidence else None, because=because)


def _unrest(kind: Unsteady, around: Around) -> Figures:
    figures = around.policy.unrest(kind)
    assert figures is not None
    return {
        "code": kind.value,
        "raises": figures.raises,
        "within_s": figures.within_s,
        "quiet_s": figures.quiet_s,
    }
