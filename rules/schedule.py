"""When a rule may enter: a stretch of the day on some days of the week, by event time at a fixed offset from UTC.

Outside of it nothing is entered; what is on stays on while it is high, and may clear. China has one time zone and no
summer time, so an offset says all.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rules import parts
from rules.parts import DeclarationError
from rules.scan import Bools, Ints

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MS = 86_400_000
_THURSDAY = 3
"""The first of January 1970."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """From one time of day to another; what ends before it begins runs over midnight, and belongs to the day before."""

    from_ms: int = 0
    to_ms: int = DAY_MS
    days: int = 127  # a bit each, Monday the lowest
    offset_ms: int = 8 * 3_600_000


def parse(where: str, text: Any) -> Schedule:
    """A schedule as people write it.

    Raises:
        DeclarationError: naming the key.
    """
    text = parts.mapping(where, text)
    parts.only(where, text, ("from", "to", "days", "utc_offset_h"))
    days = text.get("days", list(DAYS))
    if not isinstance(days, list | tuple) or not days:
        raise DeclarationError(f"{where}.days", f"{days!r:.60} is not a list of {', '.join(DAYS)}")
    bits = sum({1 << DAYS.index(parts.choice(f"{where}.days", day, DAYS)) for day in days})
    offset = parts.number(f"{where}.utc_offset_h", text.get("utc_offset_h", 8.0), -12.0, 14.0)
    from_ms = _time(f"{where}.from", text.get("from", "00:00"))
    return Schedule(from_ms, _time(f"{where}.to", text.get("to", "24:00")), bits, round(offset * 3_600_000))


def _time(where: str, value: Any) -> int:
    hour, _, minute = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not (hour.isdecimal() and minute.isdecimal() and len(hour) == len(minute) == 2):
        raise DeclarationError(where, f"{value!r:.60} is not a time of day such as '22:00' (in quotes)")
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > 1440:
        raise DeclarationError(where, f"{value!r} is not a time of day")
    return minutes * 60_000


class Times(Protocol):
    """The columns of schedules."""

    from_ms: Ints
    to_ms: Ints
    days: Ints
    offset_ms: Ints


def inside(ts: Ints, times: Times, kind: Ints) -> Bools:
    """Whether event times lie in their schedules.

    Args:
        ts: event times.
        times: schedules.
        kind: which of them, by row.
    """
    local = ts + times.offset_ms[kind]
    day = local // DAY_MS
    time = local - day * DAY_MS
    weekday = (day + _THURSDAY) % 7
    days, begin, end = times.days[kind], times.from_ms[kind], times.to_ms[kind]
    over_midnight = end <= begin
    today = ((days >> weekday) & 1 == 1) & (time >= begin) & (over_midnight | (time < end))
    since_yesterday = ((days >> ((weekday + 6) % 7)) & 1 == 1) & over_midnight & (time < end)
    return np.asarray(today | since_yesterday)
