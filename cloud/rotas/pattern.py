"""What a rota says: turns of a repeating cycle, in the wall time of its place. Pure.

A cycle of 7 days is a week, of 1 day every day, of 4 days what crews of four shifts work (day, night, rest, rest).
A turn that ends at or before the hour at which it begins ends on the next day; 08:30 to 08:30 is a whole day.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

MOST_TURNS = 200
MOST_MEMBERS = 20
LONGEST_CYCLE = 366
LONGEST_TURN = timedelta(hours=26)
"""A whole day, and the hour that a day gains when summer time ends."""


class Days(StrEnum):
    """On which days a turn is worked."""

    ANY = "any"
    WORKDAY = "workday"  # Monday to Friday without public holidays, and days that are worked in their place (调休)
    DAY_OFF = "day_off"


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is on a turn (A 角), and who stands in (B 角): ids of people for a post, of responders for the force."""

    id: str
    deputy: str | None = None


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn 班次 of the cycle."""

    name: str
    begins: time
    ends: time
    members: tuple[Member, ...]
    on: tuple[int, ...] | None = None  # days of the cycle, from 0; None: every day
    days: Days = Days.ANY


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole rota as it repeats."""

    zone: str  # IANA name
    anchor: date  # a local date that is day 0 of the cycle
    cycle_days: int
    turns: tuple[Turn, ...]


class Fault(msgspec.Struct, frozen=True):
    """One thing that cannot be so."""

    where: str
    what: str
    fix: str = ""


def zone_of(name: str) -> ZoneInfo:
    """A time zone by name.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone '{name:.64}'") from None


def faults(pattern: Pattern) -> list[Fault]:
    """What is wrong with a pattern; nothing when it can be worked."""
    found = []
    try:
        zone_of(pattern.zone)
    except ValueError as error:
        found.append(Fault("zone", str(error), "take an IANA name, e.g. Asia/Shanghai"))
    if not 1 <= pattern.cycle_days <= LONGEST_CYCLE:
        found.append(Fault("cycle_days", f"is {pattern.cycle_days}", f"1 to {LONGEST_CYCLE} days"))
    if len(pattern.turns) > MOST_TURNS:
        found.append(Fault("turns", f"are {len(pattern.turns)}", f"at most {MOST_TURNS}"))
    for index, turn in enumerate(pattern.turns):
        found += turn_faults(turn, f"turns.{index}", pattern.cycle_days)
    return found


def turn_faults(turn: Turn, where: str, cycle_days: int) -> list[Fault]:
    """What is wrong with one turn."""
    found = []
    if turn.begins.tzinfo is not None or turn.ends.tzinfo is not None:
        found.append(Fault(where, "carries an offset of its own", "give wall times, HH:MM"))
    if not turn.members:
        found.append(Fault(f"{where}.members", "are none", "name at least one, or leave the turn out"))
    if len(turn.members) > MOST_MEMBERS:
        found.append(Fault(f"{where}.members", f"are {len(turn.members)}", f"at most {MOST_MEMBERS}"))
    names = [member.id for member in turn.members]
    if len(set(names)) < len(names):
        found.append(Fault(f"{where}.members", "name somebody twice", "each once"))
    found += [
        Fault(f"{where}.members.{number}.deputy", "is the same person", "a B 角 is somebody else")
        for number, member in enumerate(turn.members)
        if member.deputy == member.id
    ]
    if turn.on is not None and not all(0 <= day < cycle_days for day in turn.on):
        found.append(Fault(f"{where}.on", "names a day that the cycle does not have", f"0 to {cycle_days - 1}"))
    return found


def works_on(turn: Turn, pattern: Pattern, day: date, *, workday: bool) -> bool:
    """Whether a turn begins on a date."""
    if turn.days is not Days.ANY and (turn.days is Days.WORKDAY) != workday:
        return False
    return turn.on is None or (day - pattern.anchor).days % pattern.cycle_days in turn.on


def span_of(turn: Turn, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When a turn that begins on a date begins and ends, in UTC.

    Wall times: on the day on which the clocks change a turn is an hour longer or shorter, and the next one begins
    where it ends. An hour that there is twice is the first of the two; one that there is not is an hour later.
    """
    following = day + timedelta(days=1) if turn.ends <= turn.begins else day
    begins = datetime.combine(day, turn.begins, zone).astimezone(UTC)
    return begins, max(begins, datetime.combine(following, turn.ends, zone).astimezone(UTC))


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hours of one kind of turn, in a rotation."""

    name: str
    begins: time
    ends: time


def rotating(
    zone: str,
    anchor: date,
    crews: Sequence[Sequence[Member]],
    sequence: Sequence[Hours | None],
    *,
    step: int = 1,
) -> Pattern:
    """Crews that go through the same sequence of turns, each `step` days behind the one before.

    `rotating(zone, day, crews, [DAY, NIGHT, None, None])` is 白、夜、休、休 for four crews.

    Raises:
        ValueError: no crew, or no sequence.
    """
    if not crews or not sequence:
        raise ValueError("a rotation needs crews and a sequence of turns")
    turns = [
        Turn(hours.name, hours.begins, hours.ends, tuple(crew), ((place + index * step) % len(sequence),))
        for index, crew in enumerate(crews)
        for place, hours in enumerate(sequence)
        if hours is not None
    ]
    return Pattern(zone, anchor, len(sequence), tuple(turns))


def read(content: Any) -> Pattern:
    """A pattern as it is stored or handed in.

    Raises:
        ValueError: what is wrong, and where.
    """
    return msgspec.convert(content, Pattern)


def written(pattern: Pattern) -> dict[str, Any]:
    """A pattern as it is stored."""
    content: dict[str, Any] = msgspec.to_builtins(pattern)
    return content
