"""An alarm: one rule on one device, as separate facts; the ISA-18.2 state is derived from them.

Pure: the edge keeps records in its journal and lets `advance` say what a change or a decision makes of them.

    states.py      facts → ISA-18.2 state              policy.py     what a rule says of its alarm
    changes.py     changes of the engine, unsteady alarms   decisions.py  what people decide
    mutes.py       shelf, suppression, out of service  flood.py      alarm floods
"""

from rules.alarm.changes import GONE, TAKEN_AWAY, changed, released, settled
from rules.alarm.decisions import decided, out_of_service, said, too_late
from rules.alarm.mutes import superseded, suppressor, unshelve_if_due, with_service, with_suppressor
from rules.alarm.policy import GATEWAY_LOST, MAINTENANCE, UNSTEADY_RULE, USUAL, AlarmPolicy
from rules.alarm.record import NOTHING, Advanced, AlarmRecord, Around, Held, OutOfService, Refusal
from rules.alarm.states import Isa, Mute, muted, state
from rules.columns import Change
from wire.configuration import Decision

__all__ = [
    "GATEWAY_LOST",
    "GONE",
    "MAINTENANCE",
    "NOTHING",
    "TAKEN_AWAY",
    "UNSTEADY_RULE",
    "USUAL",
    "Advanced",
    "AlarmPolicy",
    "AlarmRecord",
    "Around",
    "Held",
    "Isa",
    "Mute",
    "OutOfService",
    "Refusal",
    "advance",
    "muted",
    "out_of_service",
    "released",
    "said",
    "settled",
    "state",
    "superseded",
    "suppressor",
    "too_late",
    "unshelve_if_due",
    "with_service",
    "with_suppressor",
]


def advance(
    record: AlarmRecord | None,
    event: Change | Decision,
    *,
    now: int = 0,
    at: int | None = None,
    around: Around = NOTHING,
) -> Advanced | Refusal:
    """What a change of the engine, or a person's decision, makes of an alarm.

    Args:
        record: the alarm as it is; None when it never was.
        event: the change or decision.
        now: wall time, epoch ms; decisions have an expiry.
        at: scenario time at which a decision is carried out; default `now`.
        around: what the alarm depends on besides: latch and policy of its rule, for changes also what mutes it.

    Returns:
        The record after it, its revision one higher (1 for a new episode), and the verb to tell – none when the
        change is kept without being told; or why not.
    """
    if isinstance(event, Change):
        return changed(record, event, around)
    return decided(record, event, now, now if at is None else at, around.policy)
