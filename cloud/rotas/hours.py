"""How long somebody has been on, from their own stamps. Pure.

Hours on are counted back from now through breaks that are too short to rest: four hours on, one off and four on are
nine hours without rest, not four.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

RESTED = timedelta(hours=8)
"""A break so long ends a stretch; shorter ones are part of it (DESIGN leaves the number to a setting)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """On (到岗) or off (离岗), by the person's own tap."""

    at: datetime
    on: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """Since when somebody has been on without a rest, and how long."""

    since: datetime | None  # None: has rested, or never stamped
    on: timedelta
    worked: timedelta  # of that, without the breaks
    on_now: bool


def stretch(stamps: Sequence[Stamp], now: datetime, rested: timedelta = RESTED) -> Stretch:
    """The stretch that runs at an instant.

    Args:
        stamps: in any order; several of one kind in a row count as the first of them.
        now: stamps after it are passed over.
        rested: a break so long ends a stretch.
    """
    spans: list[tuple[datetime, datetime]] = []
    began: datetime | None = None
    for stamp in sorted((one for one in stamps if one.at <= now), key=lambda one: (one.at, one.on)):
        if stamp.on and began is None:
            began = stamp.at
        elif not stamp.on and began is not None:
            spans.append((began, stamp.at))
            began = None
    on_now = began is not None
    if began is not None:
        spans.append((began, now))
    if not spans or (not on_now and now - spans[-1][1] >= rested):
        return Stretch(None, timedelta(0), timedelta(0), on_now)
    first = len(spans) - 1
    while first > 0 and spans[first][0] - spans[first - 1][1] < rested:
        first -= 1
    since = spans[first][0]
    worked = sum((ends - begins for begins, ends in spans[first:]), timedelta(0))
    return Stretch(since, spans[-1][1] - since, worked, on_now)
