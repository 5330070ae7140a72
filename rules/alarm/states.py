"""The ISA-18.2 state of an alarm, derived from its facts; nothing else keeps one."""

from enum import StrEnum

from wire.alert import AlarmFacts


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


class Mute(StrEnum):
    """Why an alarm is not announced. It is kept, told and counted all the same."""

    OUT_OF_SERVICE = "out_of_service"
    SUPPRESSED = "suppressed"
    SHELVED = "shelved"


_MUTED = {Mute.OUT_OF_SERVICE: Isa.OOSRV, Mute.SUPPRESSED: Isa.DSUPR, Mute.SHELVED: Isa.SHLVD}


def muted(facts: AlarmFacts) -> Mute | None:
    """Why an alarm is not announced, the strongest reason first; None when it is."""
    if facts.out_of_service:
        return Mute.OUT_OF_SERVICE
    if facts.suppressed:
        return Mute.SUPPRESSED
    return Mute.SHELVED if facts.shelved_until is not None else None


def state(facts: AlarmFacts) -> Isa:
    """The ISA-18.2 state of an alarm.

    Out of service goes before suppressed by design, before shelved; below those, active and acknowledged, and a latch
    that holds after the condition is over until a person resets.
    """
    why = muted(facts)
    if why is not None:
        return _MUTED[why]
    if facts.active:
        return Isa.ACKED if facts.acknowledged else Isa.UNACK
    if facts.latched:
        return Isa.LATCH_ACK if facts.acknowledged else Isa.LATCH_UNACK
    return Isa.NORM if facts.acknowledged else Isa.RTNUN
