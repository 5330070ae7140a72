"""Who stands where at any instant: revisions, single days and changes laid over one another. Pure.

What holds: the revision in force at an instant answers for that instant. A day given by itself replaces the turns
that begin on that date. On what remains, swaps and stand-ins put one person in another's place, the newest first; then
leave puts the deputy (B 角) there, or nobody: a hole, with its reason. Exceptions always win over the repeating rota.
The answer for an instant does not depend on the span that was asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise

from cloud.rotas.pattern import LONGEST_TURN, Member, Pattern, Turn, span_of, works_on, zone_of


@dataclass(frozen=True, slots=True)
class Revision:
    """A pattern, and from when it holds; `pattern` None: from then on the rota is over."""

    number: int
    since: datetime
    pattern: Pattern | None


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody is not there, or somebody else is there for them.

    `by` None is leave: the deputy stands in. `rota` None: in every rota that they stand on.
    """

    id: str
    kind: str  # leave | swap | stand_in
    who: str
    by: str | None
    since: datetime
    until: datetime
    rota: str | None = None
    order: int = 0  # of several the newest counts


@dataclass(frozen=True, slots=True)
class Extra:
    """One turn more, for one time."""

    id: str
    who: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Rota:
    """A rota with everything that was decided about it."""

    id: str
    area: str
    post: str
    revisions: tuple[Revision, ...]  # in the order of `since`
    days: Mapping[date, tuple[Turn, ...]] = field(default_factory=dict)
    extras: tuple[Extra, ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """Public holidays (False) and days worked in their place (True); other days go by the week."""

    days: Mapping[date, bool] = field(default_factory=dict)

    def workday(self, day: date) -> bool:
        """Whether people work on a date."""
        return self.days.get(day, day.weekday() < 5)


@dataclass(frozen=True, slots=True)
class Duty:
    """Somebody on a post from one instant to another."""

    rota: str
    area: str
    post: str
    who: str
    since: datetime
    until: datetime
    turn: str
    planned: str  # A 角: who the rota names
    deputy: str | None = None  # B 角
    why: str = ""  # how they come to stand there, where it is not their own turn: leave, swap, stand_in, extra


@dataclass(frozen=True, slots=True)
class Hole:
    """A turn of the rota on which nobody stands."""

    rota: str
    area: str
    post: str
    since: datetime
    until: datetime
    turn: str
    planned: str
    why: str = "on_leave"


@dataclass(frozen=True, slots=True)
class Laid:
    """What comes of a rota."""

    duties: tuple[Duty, ...]
    holes: tuple[Hole, ...]


@dataclass(frozen=True, slots=True)
class _Planned:
    member: Member
    turn: str
    since: datetime
    until: datetime
    why: str = ""


def lay(rota: Rota, calendar: Calendar, changes: Iterable[Change], since: datetime, until: datetime) -> Laid:
    """Who stands on a rota in a span: everything that touches it, whole.

    Args:
        rota: the rota.
        calendar: public holidays.
        changes: leave, swaps, stand-ins; those of others are passed over.
        since: aware.
        until: after it.
    """
    mine = [one for one in changes if one.rota in (None, rota.id) and one.since < one.until]
    duties: list[Duty] = []
    holes: list[Hole] = []
    for planned in _planned(rota, calendar, since, until):
        for begins, ends, who, why in _standing(planned, mine):
            if ends <= since or begins >= until:
                continue
            common = (rota.id, rota.area, rota.post)
            if who is None:
                holes.append(Hole(*common, begins, ends, planned.turn, planned.member.id))
            else:
                of = planned.member
                duties.append(Duty(*common, who, begins, ends, planned.turn, of.id, of.deputy, why or planned.why))
    duties.sort(key=lambda duty: (duty.since, duty.who, duty.until))
    holes.sort(key=lambda hole: (hole.since, hole.planned))
    return Laid(tuple(_joined(duties)), tuple(holes))


def on_call(rota: Rota, calendar: Calendar, changes: Iterable[Change], at: datetime) -> tuple[Duty, ...]:
    """Who stands on a rota at an instant."""
    found = lay(rota, calendar, changes, at, at + timedelta(microseconds=1)).duties
    return tuple(duty for duty in found if duty.since <= at < duty.until)


def _planned(rota: Rota, calendar: Calendar, since: datetime, until: datetime) -> Iterable[_Planned]:
    for revision, following in zip(rota.revisions, [*rota.revisions[1:], None], strict=True):
        ends = following.since if following else until + LONGEST_TURN
        if revision.pattern is None or ends <= since or revision.since >= until:
            continue
        yield from _of_pattern(rota, revision, calendar, (since, until), ends)
    for extra in rota.extras:
        if extra.since < until and extra.until > since:
            yield _Planned(Member(extra.who), "", extra.since, extra.until, "extra")


def _of_pattern(
    rota: Rota, revision: Revision, calendar: Calendar, span: tuple[datetime, datetime], in_force_until: datetime
) -> Iterable[_Planned]:
    pattern = revision.pattern
    assert pattern is not None  # or `_planned` would have passed it over
    zone = zone_of(pattern.zone)
    day = span[0].astimezone(zone).date() - timedelta(days=2)
    last = span[1].astimezone(zone).date()
    while day <= last:
        given = rota.days.get(day)
        turns: Sequence[Turn] = pattern.turns if given is None else given
        workday = calendar.workday(day)
        for turn in turns:
            if given is None and not works_on(turn, pattern, day, workday=workday):
                continue
            begins, ends = span_of(turn, day, zone)
            begins, ends = max(begins, revision.since), min(ends, in_force_until)
            if begins < ends and begins < span[1] and ends > span[0]:
                for member in turn.members:
                    yield _Planned(member, turn.name, begins, ends)
        day += timedelta(days=1)


def _standing(planned: _Planned, changes: Sequence[Change]) -> list[tuple[datetime, datetime, str | None, str]]:
    """A planned turn in pieces: who stands there (None: nobody), and why it is them."""
    near = [one for one in changes if one.since < planned.until and one.until > planned.since]
    if not near:
        return [(planned.since, planned.until, planned.member.id, "")]
    edges = {planned.since, planned.until}
    edges |= {at for one in near for at in (one.since, one.until) if planned.since < at < planned.until}
    cuts = sorted(edges)
    pieces: list[tuple[datetime, datetime, str | None, str]] = []
    for begins, ends in pairwise(cuts):
        who, why = _stands(planned.member, [one for one in near if one.since <= begins < one.until])
        if pieces and pieces[-1][2:] == (who, why):
            pieces[-1] = (pieces[-1][0], ends, who, why)
        else:
            pieces.append((begins, ends, who, why))
    return pieces


def _stands(member: Member, changes: Sequence[Change]) -> tuple[str | None, str]:
    who, why = member.id, ""
    left = sorted((one for one in changes if one.by is not None), key=lambda one: (-one.order, one.id))
    while (change := next((one for one in left if one.who == who), None)) is not None:
        assert change.by is not None
        left.remove(change)  # each counts once: two who stand in for one another make no ring
        who, why = change.by, change.kind
    away = {one.who for one in changes if one.by is None}
    if who not in away:
        return who, why
    if member.deputy is not None and member.deputy != who and member.deputy not in away:
        return member.deputy, "leave"
    return None, "on_leave"


def _joined(duties: Sequence[Duty]) -> list[Duty]:
    """Of one person who stands on one rota twice at once, one; cut pieces that differ in nothing, together."""
    found: list[Duty] = []
    for duty in duties:
        same = next((index for index, one in enumerate(found) if _continues(one, duty)), None)
        if same is None:
            found.append(duty)
        else:
            found[same] = replace(found[same], until=max(found[same].until, duty.until))
    return found


def _continues(one: Duty, other: Duty) -> bool:
    """Whether two duties of one rota are the same person at the same time, by the same decision."""
    alike = (one.who, one.turn, one.planned, one.why) == (other.who, other.turn, other.planned, other.why)
    return alike and other.since < one.until and one.since < other.until
