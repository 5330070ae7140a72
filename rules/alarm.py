"""An alarm: one rule on one device, as separate facts; the ISA-18.2 state is derived from them.

Pure: the edge keeps records in its journal and lets `advance` say what a change or a decision makes of them.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from rules.columns import Change
from wire.alert import AlarmFacts, Hazard, Verb, alarm_id
from wire.configuration import Decision
from wire.time import to_datetime, to_ms


class Isa(StrEnum):
    """States of ANSI/ISA-18.2 (IEC 62682), with the latched ones of its annex."""

    NORM = "NORM"
    UNACK = "UNACK"
    ACKED = "ACKED"
    RTNUN = "RTNUN"
    LATCH_UNACK = "LATCH_UNACK"
    LATCH_ACK = "LATCH_ACK"
    SHLVD = "SHLVD"
    DSUPR = "DSUPR"
    OOSRV = "OOSRV"


def state(facts: AlarmFacts) -> Isa:
    """The ISA-18.2 state of an alarm.

    Out of service goes before suppressed by design, before shelved; below those, active and acknowledged, and a latch
    that holds after the condition is over until a person resets.
    """
    if facts.out_of_service:
        return Isa.OOSRV
    if facts.suppressed:
        return Isa.DSUPR
    if facts.shelved_until is not None:
        return Isa.SHLVD
    if facts.active:
        return Isa.ACKED if facts.acknowledged else Isa.UNACK
    if facts.latched:
        return Isa.LATCH_ACK if facts.acknowledged else Isa.LATCH_UNACK
    return Isa.NORM if facts.acknowledged else Isa.RTNUN


class AlarmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The newest episode of an alarm, as kept and sent."""

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
    evidence: dict[str, float | str | None] = {}

    @property
    def isa(self) -> Isa:
        """The state that its facts make."""
        return state(self.facts)


class Refusal(NamedTuple):
    """Why a change or decision was not carried out; `expired` tells a decision that came too late."""

    reason: str
    expired: bool = False


Advanced = tuple[AlarmRecord, Verb]


def advance(
    record: AlarmRecord | None, event: Change | Decision, *, now: int = 0, at: int | None = None, latch: bool = False
) -> Advanced | Refusal:
    """What a change of the engine, or a person's decision, makes of an alarm.

    Args:
        record: the alarm as it is; None when it never was.
        event: the change or decision.
        now: wall time, epoch ms; decisions have an expiry.
        at: scenario time at which a decision is carried out; default `now`.
        latch: whether the rule latches, for changes.

    Returns:
        The new record, its revision one higher (1 for a new episode), and the verb to tell; or why not.
    """
    if isinstance(event, Change):
        return _changed(record, event, latch=latch)
    return _decided(record, event, now, now if at is None else at)


def _changed(record: AlarmRecord | None, change: Change, *, latch: bool) -> Advanced | Refusal:
    if change.verb is Verb.RAISED:
        if record is not None and record.episode >= change.opened_at:
            return Refusal(f"episode {change.opened_at} is known already")
        if change.level is None:
            return Refusal("raised without a level")
        kept = record.facts if record is not None else None
        facts = AlarmFacts(
            active=True,
            level=change.level,
            highest=change.level,
            suspect=change.suspect,
            shelved_until=kept.shelved_until if kept else None,
            suppressed=kept.suppressed if kept else False,
            out_of_service=kept.out_of_service if kept else False,
        )
        fresh = AlarmRecord(
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
        )
        return fresh, change.verb
    if record is None or record.episode != change.opened_at:
        return Refusal(f"episode {change.opened_at} is not the one that is known")
    facts = record.facts
    if not facts.active:
        return Refusal("the episode has ended")
    if change.verb is Verb.CLEARED:
        facts = msgspec.structs.replace(facts, active=False, level=None, latched=latch)
    elif change.level is None:
        return Refusal(f"{change.verb} without a level")
    elif change.verb is Verb.ESCALATED:
        worst = max(facts.highest, change.level, key=lambda level: level.rank)
        facts = msgspec.structs.replace(
            facts, level=change.level, highest=worst, acknowledged=False, suspect=change.suspect
        )
    else:
        facts = msgspec.structs.replace(facts, level=change.level)
    return _next(record, change.verb, facts, change.at, dict(change.evidence)), change.verb


def _decided(record: AlarmRecord | None, decision: Decision, now: int, at: int) -> Advanced | Refusal:
    if now > to_ms(decision.expires_at):
        return Refusal(f"expired at {decision.expires_at.isoformat()}", expired=True)
    if record is None or record.episode != decision.episode:
        return Refusal(f"episode {decision.episode} of {decision.alarm_id} is over or unknown")
    facts = record.facts
    if decision.verb == "acknowledge":
        if facts.acknowledged:
            return Refusal("acknowledged already")
        return _next(record, Verb.ACKNOWLEDGED, msgspec.structs.replace(facts, acknowledged=True), at), (
            Verb.ACKNOWLEDGED
        )
    if decision.verb == "reset":
        if facts.active:
            return Refusal("the condition still holds")
        if not facts.latched:
            return Refusal("nothing is latched")
        return _next(record, Verb.RESET, msgspec.structs.replace(facts, latched=False), at), Verb.RESET
    if decision.verb == "shelve":
        if decision.until is None or to_ms(decision.until) <= now:
            return Refusal("shelving needs an end that is still to come")
        facts = msgspec.structs.replace(facts, shelved_until=decision.until)
        return _next(record, Verb.SHELVED, facts, at), Verb.SHELVED
    if facts.shelved_until is None:
        return Refusal("is not shelved")
    return _next(record, Verb.UNSHELVED, msgspec.structs.replace(facts, shelved_until=None), at), Verb.UNSHELVED


def unshelve_if_due(record: AlarmRecord, now: int) -> Advanced | None:
    """The end of a shelving; None while it lasts or where there is none."""
    until = record.facts.shelved_until
    if until is None or to_datetime(now) < until:
        return None
    facts = msgspec.structs.replace(record.facts, shelved_until=None)
    return _next(record, Verb.UNSHELVED, facts, now), Verb.UNSHELVED


def _next(
    record: AlarmRecord,
    verb: Verb,
    facts: AlarmFacts,
    at: int,
    evidence: dict[str, float | str | None] | None = None,
) -> AlarmRecord:
    return msgspec.structs.replace(
        record,
        revision=record.revision + 1,
        verb=verb,
        facts=facts,
        changed_at=at,
        evidence=record.evidence if evidence is None else evidence,
    )
