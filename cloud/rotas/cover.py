"""Is every hour and every grid covered by somebody who can be reached? Pure.

Asked for the days to come, so that a hole is red before the night and not in it. Somebody covers a need when a rota
names them, their account is open, they can be reached, and they stand nowhere else at the time that comes first.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from itertools import pairwise

from cloud.people.access import within
from cloud.rotas.duties import Duty, Hole
from cloud.rotas.pattern import Turn, span_of, zone_of

RANK = {"duty_officer": 0, "duty_leader": 1, "responder": 2, "standby": 3}
"""Of two places at once the first counts; in the other the person is double-booked."""


@dataclass(frozen=True, slots=True)
class Need:
    """What must be covered: so many of a post (or of a role, of those who go) in an area, in these hours."""

    id: str
    area: str
    post: str
    role: str | None = None  # of responders; None: any
    count: int = 1
    each_grid: bool = False  # in every grid of the area, by whoever's own area holds the grid
    begins: time | None = None  # None: around the clock
    ends: time | None = None
    zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Force:
    """Who a duty stands for: a person, or a responder with its people."""

    id: str
    name: str
    people: tuple[str, ...]
    role: str = ""
    kind: str = "person"
    area: str = ""
    open: bool = True  # the account, or the responder; volunteers: they have opted in


@dataclass(frozen=True, slots=True)
class Why:
    """One reason for a gap, with whom it is about."""

    code: str  # no_one_rostered | no_channel | on_leave | double_booked | account_closed
    name: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which a need is not met."""

    need: str
    area: str
    post: str
    role: str | None
    since: datetime
    until: datetime
    wanted: int
    have: int
    why: tuple[Why, ...]

    @property
    def key(self) -> str:
        """What makes it the same gap when it is looked for again."""
        return f"{self.need}|{self.area}|{self.since.isoformat()}"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the judgement rests on."""

    duties: Sequence[Duty]
    holes: Sequence[Hole] = ()
    forces: Mapping[str, Force] = field(default_factory=dict)
    reachable: Collection[str] = frozenset()  # person ids
    closed: Collection[str] = frozenset()  # person ids whose accounts are closed
    grids: Sequence[str] = ()  # paths of every grid


def gaps(needs: Iterable[Need], facts: Facts, since: datetime, until: datetime) -> list[Gap]:
    """Where and when somebody is missing, the earliest first.

    Args:
        needs: what must be covered.
        facts: who stands where, and who can be reached.
        since: from when on.
        until: to when.
    """
    booked = _booked(facts)
    found = []
    for need in needs:
        areas = [grid for grid in facts.grids if within(need.area, grid)] if need.each_grid else [need.area]
        for area in areas:
            for begins, ends in _hours(need, since, until):
                found += _of_area(replace(need, area=area), facts, booked, begins, ends)
    return sorted(found, key=lambda gap: (gap.since, RANK.get(gap.post, 9), gap.area, gap.role or "", gap.need))


def _hours(need: Need, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    if need.begins is None or need.ends is None:
        return [(since, until)]
    zone = zone_of(need.zone)
    day, last = since.astimezone(zone).date() - timedelta(days=2), until.astimezone(zone).date()
    window = Turn("", need.begins, need.ends, ())
    found: list[tuple[datetime, datetime]] = []
    while day <= last:
        begins, ends = span_of(window, day, zone)
        begins, ends = max(begins, since), min(ends, until)
        if begins < ends:
            if found and found[-1][1] >= begins:
                found[-1] = (found[-1][0], ends)
            else:
                found.append((begins, ends))
        day += timedelta(days=1)
    return found


def _fits(need: Need, duty: Duty | Hole, who: str, facts: Facts) -> bool:
    """Whether a duty is of the kind that a need asks for."""
    if duty.post != need.post:
        return False
    if need.post != "responder":
        return duty.area == need.area
    force = facts.forces.get(who)
    if need.role is not None and (force is None or force.role != need.role):
        return False
    return within(duty.area, need.area) or within(need.area, duty.area)


_Booked = Mapping[str, Sequence[tuple[datetime, datetime, tuple[int, int, str, str]]]]


def _place(duty: Duty, facts: Facts) -> tuple[int, int, str, str]:
    force = facts.forces.get(duty.who)
    team = int(force is not None and force.kind == "team")  # somebody who is called alone is not there with the team
    return (RANK.get(duty.post, 9), team, duty.area, duty.who)


def _booked(facts: Facts) -> _Booked:
    found = defaultdict(list)
    for duty in facts.duties:
        place = _place(duty, facts)
        for person in _people(duty, facts):
            found[person].append((duty.since, duty.until, place))
    return found


def _people(duty: Duty, facts: Facts) -> tuple[str, ...]:
    force = facts.forces.get(duty.who)
    return force.people if force else (duty.who,)


def _of_area(need: Need, facts: Facts, booked: _Booked, since: datetime, until: datetime) -> list[Gap]:
    duties = [
        duty
        for duty in facts.duties
        if duty.since < until and duty.until > since and _fits(need, duty, duty.who, facts)
    ]
    holes = [
        hole
        for hole in facts.holes
        if hole.since < until and hole.until > since and _fits(need, hole, hole.planned, facts)
    ]
    edges = {since, until}
    edges |= {at for hole in holes for at in (hole.since, hole.until)}
    for duty in duties:
        edges |= {duty.since, duty.until}
        for person in _people(duty, facts):
            edges |= {at for begins, ends, _ in booked[person] for at in (begins, ends)}
    cuts = sorted(at for at in edges if since <= at <= until)
    found: list[Gap] = []
    for begins, ends in pairwise(cuts):
        have, why = _count(facts, booked, duties, holes, begins)
        if have >= need.count:
            continue
        gap = Gap(need.id, need.area, need.post, need.role, begins, ends, need.count, have, why)
        if found and found[-1].until == begins and (found[-1].have, found[-1].why) == (have, why):
            found[-1] = replace(found[-1], until=ends)
        else:
            found.append(gap)
    return found


def _count(
    facts: Facts, booked: _Booked, duties: Sequence[Duty], holes: Sequence[Hole], at: datetime
) -> tuple[int, tuple[Why, ...]]:
    """How many there are at an instant, and why those who are rostered do not count."""
    counted: set[str] = set()
    why = []
    there = [duty for duty in duties if duty.since <= at < duty.until]
    for duty in there:
        lacking = _lacks(duty, facts, booked, at)
        if lacking is None:
            counted.add(duty.who)
        else:
            why.append(Why(lacking, _name(duty.who, facts), duty.who))
    away = [hole for hole in holes if hole.since <= at < hole.until]
    why += [Why(hole.why, _name(hole.planned, facts), hole.planned) for hole in away]
    if not there and not away:
        why.append(Why("no_one_rostered"))
    unique = sorted(set(why), key=lambda one: (one.code, one.id))
    return len(counted), tuple(unique)


def _name(who: str, facts: Facts) -> str:
    force = facts.forces.get(who)
    return force.name if force else who


def _lacks(duty: Duty, facts: Facts, booked: _Booked, at: datetime) -> str | None:
    """Why nobody of a duty counts; None when somebody does."""
    force = facts.forces.get(duty.who)
    if force is not None and not force.open:
        return "account_closed"
    people = [person for person in _people(duty, facts) if person not in facts.closed]
    if not people:
        return "account_closed"
    reached = [person for person in people if person in facts.reachable]
    if not reached:
        return "no_channel"
    mine = _place(duty, facts)
    for person in reached:
        if not any(begins <= at < ends and place < mine for begins, ends, place in booked[person]):
            return None
    return "double_booked"
