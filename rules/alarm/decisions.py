"""What a person's decision makes of an alarm. Pure; taking devices and rules out of service included."""

import msgspec

from rules.alarm.mutes import unshelve
from rules.alarm.policy import LONGEST_SERVICE_S, AlarmPolicy
from rules.alarm.record import Advanced, AlarmRecord, Figures, OutOfService, Refusal, succeed
from wire.alert import Verb
from wire.configuration import Decision
from wire.level import Level
from wire.time import to_datetime, to_ms


def too_late(decision: Decision, now: int) -> Refusal | None:
    """An expired decision is never carried out."""
    if now > to_ms(decision.expires_at):
        return Refusal("expired", {"at": decision.expires_at.isoformat()}, expired=True)
    return None


def decided(
    record: AlarmRecord | None, decision: Decision, now: int, at: int, policy: AlarmPolicy
) -> Advanced | Refusal:
    """The alarm after a decision; see `rules.alarm.advance`."""
    late = too_late(decision, now)
    if late is not None:
        return late
    if record is None or record.episode != decision.episode:
        return Refusal("unknown_alarm", {"episode": decision.episode, "alarm_id": decision.alarm_id})
    facts, because = record.facts, said(decision)
    match decision.verb:
        case "acknowledge":
            if facts.acknowledged:
                return Refusal("acknowledged_already")
            facts = msgspec.structs.replace(facts, acknowledged=True)
            return succeed(record, Verb.ACKNOWLEDGED, facts, at, because=because)
        case "reset":
            if facts.active:
                return Refusal("still_active")
            if not facts.latched:
                return Refusal("not_latched")
            facts = msgspec.structs.replace(facts, latched=False)
            return succeed(record, Verb.RESET, facts, at, because=because)
        case "shelve":
            if facts.active and facts.level is Level.I:
                return Refusal("most_urgent")
            return bounded(decision, now, policy.longest_shelf_s) or _shelved(record, decision, at)
        case "unshelve":
            if facts.shelved_until is None:
                return Refusal("not_shelved")
            return unshelve(record, at, because)
        case _:
            return Refusal("unknown_rule", {"target": decision.alarm_id})


def _shelved(record: AlarmRecord, decision: Decision, at: int) -> Advanced:
    facts = msgspec.structs.replace(
        record.facts, shelved_until=decision.until, shelved_level=record.facts.level or record.facts.highest
    )
    return succeed(record, Verb.SHELVED, facts, at, because=said(decision))


def bounded(decision: Decision, now: int, longest_s: float) -> Refusal | None:
    """Whatever mutes an alarm has an end, not too far away, and a reason."""
    verb: Figures = {"verb": decision.verb}
    if decision.until is None or to_ms(decision.until) <= now:
        return Refusal("no_end", verb)
    if to_ms(decision.until) - now > longest_s * 1000:
        return Refusal("too_long", verb | {"longest_s": longest_s})
    if not decision.note.strip():
        return Refusal("no_reason", verb)
    return None


def out_of_service(decision: Decision, now: int) -> OutOfService | Refusal:
    """A device or rule taken out of service by a person."""
    refusal = too_late(decision, now) or bounded(decision, now, LONGEST_SERVICE_S)
    if refusal is not None:
        return refusal
    assert decision.until is not None
    return OutOfService(
        target=decision.alarm_id,
        by=decision.author,
        why=decision.note.strip(),
        since=to_datetime(now),
        until=decision.until,
        decision=decision.id,
    )


def said(decision: Decision) -> Figures:
    """Who decided what, and why."""
    figures: Figures = {"code": "decision", "verb": decision.verb, "by": decision.author, "decision": decision.id}
    if decision.note:
        figures["why"] = decision.note
    if decision.until is not None:
        figures["until"] = decision.until.isoformat()
    return figures
