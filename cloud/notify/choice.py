"""Which way comes next, when quiet hours hold, what goes out together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone

LOCAL = timezone(timedelta(hours=8))  # China has no summer time
URGENT = frozenset({"I", "II"})
RECEIPT_WITHIN = timedelta(seconds=15)
"""No receipt for so long, at level I or II: the person's next way."""
BURST = 2
"""So many messages of one kind to one person go out one by one; further ones within the window go out as one."""
WINDOW_URGENT, WINDOW = timedelta(seconds=5), timedelta(seconds=60)
NAMED = 20
"""So many are named in one bundled message; it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A way as the choice sees it."""

    id: str
    kind: str
    turn: int
    tested: bool
    failed: bool = False


def in_order(ways: Sequence[Choice]) -> list[Choice]:
    """The person's order; ways whose test nobody has confirmed, and those that failed last, come after the others.

    Nothing is left out: a way that was never tested is better than none.
    """
    return sorted(ways, key=lambda way: (not way.tested, way.failed, way.turn, way.id))


def following(ways: Sequence[Choice], used: Sequence[str]) -> Choice | None:
    """The first way of a person that this message has not taken yet."""
    return next((way for way in in_order(ways) if way.id not in used), None)


Span = tuple[time, time]


def read_spans(spans: Sequence[Sequence[str]]) -> list[Span]:
    """`[["22:00", "07:00"]]` as times.

    Raises:
        ValueError: it is none.
    """
    found = []
    for span in spans:
        begin, end = (time.fromisoformat(text) for text in span)
        if begin.tzinfo or end.tzinfo or begin == end:
            raise ValueError(f"{span[0]}-{span[1]} is no span of a day")
        found.append((begin, end))
    return found


def quiet_until(spans: Sequence[Span], now: datetime) -> datetime | None:
    """When the quiet hours that hold now are over; None outside of any. A span may pass midnight."""
    local = now.astimezone(LOCAL)
    ends = []
    for begin, end in spans:
        for day in (-1, 0):
            start = datetime.combine(local.date() + timedelta(days=day), begin, LOCAL)
            stop = datetime.combine(start.date(), end, LOCAL)
            if end <= begin:
                stop += timedelta(days=1)
            if start <= local < stop:
                ends.append(stop)
    return max(ends).astimezone(now.tzinfo) if ends else None


@dataclass(frozen=True, slots=True)
class When:
    """When a message goes out on a person's own way."""

    at: datetime
    silent: bool = False


def when(level: str | None, now: datetime, spans: Sequence[Span], how: str, *, on_duty: bool) -> When:
    """At once for levels I and II and for whoever is on duty; in quiet hours others wait for their end or go silent."""
    if level in URGENT or on_duty:
        return When(now)
    end = quiet_until(spans, now)
    if end is None:
        return When(now)
    return When(now, silent=True) if how == "silent" else When(end)


def window(level: str | None) -> timedelta:
    """How long further messages of one kind are gathered."""
    return WINDOW_URGENT if level in URGENT else WINDOW


def held_until(level: str | None, sent: Sequence[datetime], now: datetime) -> datetime | None:
    """Until when a further message of a kind is gathered, given when earlier ones were sent; None: it goes now."""
    span = window(level)
    lately = [at for at in sent if at > now - span]
    return max(lately) + span if len(lately) >= BURST else None


def together(texts: Sequence[str], head: str, more: str) -> str:
    """Several messages as one text that names them all (beyond `NAMED`: says how many more)."""
    lines = [f"{number}. {text}" for number, text in enumerate(texts[:NAMED], 1)]
    if len(texts) > NAMED:
        lines.append(more.format(count=len(texts) - NAMED))
    return "\n".join([head.format(count=len(texts)), *lines])
