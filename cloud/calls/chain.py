"""A chain of calls and one call in it. Pure: stamps and the clock come in, states come out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

Event = Literal["ringing", "answered", "confirmed", "no_answer", "busy", "off", "wrong_number", "failed", "ended"]
"""What a telephone gateway says of a call; `confirmed`: the key was pressed that says *on my way*."""
ByHand = Literal["answered", "no_answer", "off", "wrong_number", "busy"]
"""The result buttons: 已接通 / 无人接听 / 关机 / 号码错 / 占线."""


class Result(StrEnum):
    """How a call ended."""

    ON_DUTY = "on_duty"  # answered, and on their way or on their post
    ANSWERED = "answered"  # answered, no more than that
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    OFF = "off"
    WRONG_NUMBER = "wrong_number"
    FAILED = "failed"  # the gateway could not place it


NEEDS_CARE = frozenset({Result.WRONG_NUMBER, Result.OFF})
"""What somebody who keeps the list must look into: a wrong number at once, one that is off when it happens again."""
TIMES_OFF = 2


@dataclass(frozen=True, slots=True)
class Stamps:
    """What is known of one call."""

    answered_at: datetime | None = None
    on_duty_at: datetime | None = None
    ended_at: datetime | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class After:
    """A call after something was said of it."""

    stamps: Stamps
    changed: bool
    move_on: bool = False  # the next contact is called
    reached: bool = False  # somebody is on duty: the chain is done


def told(stamps: Stamps, event: Event, at: datetime) -> After:
    """Apply what the gateway says. Events may come twice, late and in any order.

    A confirmation counts whenever it comes, also for a call that was passed over; who did not answer in time and calls
    back is a confirmation of the same call.
    """
    if event == "ringing":
        return After(stamps, changed=False)
    if event == "confirmed":
        if stamps.on_duty_at is not None:
            return After(stamps, changed=False)
        answered = stamps.answered_at or at
        return After(Stamps(answered, at, stamps.ended_at or at, Result.ON_DUTY), changed=True, reached=True)
    if event == "answered":
        if stamps.answered_at is not None:
            return After(stamps, changed=False)
        late = stamps.ended_at is not None
        result = Result.ANSWERED if late else stamps.result
        return After(Stamps(at, stamps.on_duty_at, stamps.ended_at, result), changed=True)
    if stamps.ended_at is not None:
        return After(stamps, changed=False)
    if event == "ended" or stamps.answered_at is not None:
        result = Result.ANSWERED if stamps.answered_at else Result.NO_ANSWER
    else:
        result = Result(event)
    return After(Stamps(stamps.answered_at, stamps.on_duty_at, at, result), changed=True, move_on=True)


def passed_over(stamps: Stamps, now: datetime, *, placed: bool) -> After:
    """The time to answer, or to press the key, is over: the next contact is called."""
    if stamps.ended_at is not None:
        return After(stamps, changed=False)
    nothing = Result.NO_ANSWER if placed else Result.FAILED
    result = Result.ANSWERED if stamps.answered_at else nothing
    return After(Stamps(stamps.answered_at, stamps.on_duty_at, now, result), changed=True, move_on=True)


def masked_name(name: str) -> str:
    """`陈**`: enough to know whom one speaks of."""
    return name[:1] + "*" * min(max(len(name) - 1, 1), 4) if name else ""


def masked_number(number: str) -> str:
    """`138****5678`: enough to tell two numbers apart."""
    if len(number) <= 6:
        return "*" * len(number)
    return f"{number[:3]}{'*' * (len(number) - 7) or '*'}{number[-4:]}"


def untried(count: int, tried: Sequence[int]) -> int | None:
    """The first contact that nobody has called yet."""
    return next((turn for turn in range(count) if turn not in set(tried)), None)
