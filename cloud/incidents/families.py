"""A storm's incidents under one: the parent of an area (a street, a stream) and its children, by rule and by hand.

Children stay incidents of their own – each with its alarms, people, measures and clocks. The parent is where the whole
is led: its level is the worst of its children's, it can't close before them, and taking it takes those of its
children that are not urgent. An urgent child is always taken by itself: a storm hides no true alarm.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents import places
from cloud.incidents.docket import SYSTEM, Actor, Change, Docket, exercise_of
from cloud.incidents.model import Incident
from cloud.incidents.service import acknowledge
from cloud.incidents.states import HANDLED, OVER, State
from cloud.people.service import chain
from cloud.problems import conflict
from wire.alert import Hazard
from wire.level import Level, worst

ENOUGH: Mapping[Hazard, int] = {Hazard.WATER_LEVEL: 3, Hazard.CURTAIN_WALL: 3, Hazard.DEVICE: 3}
"""So many incidents of one hazard in one street make one of the whole. Fires have no parent: each is its own."""
ENOUGH_ON_STREAM = 2
WITHIN = timedelta(minutes=60)
STREET_DEPTH = 3  # city / district / street
STREAM = "stream:"
"""A zone's section that begins so names a river or canal: its gauges are one event wherever they stand."""
NOT_URGENT = (Level.III, Level.IV)


@dataclass(frozen=True, slots=True)
class Family:
    """What belongs together: the fold key of the parent, the area it stands for, how many make one."""

    key: str
    path: str
    enough: int
    why: Literal["same_street", "same_stream"]


def family_of(hazard: Hazard, grid_path: str, section: str | None, exercise: str | None) -> Family | None:
    """The family that an incident belongs to, if there is one for its hazard. Pure."""
    if hazard not in ENOUGH:
        return None
    street = list(reversed(chain(grid_path)))[:STREET_DEPTH][-1]
    head = f"{exercise or 'real'}|{hazard.value}"
    if hazard is Hazard.WATER_LEVEL and section and section.startswith(STREAM):
        return Family(f"{head}|area={section}", street, ENOUGH_ON_STREAM, "same_stream")
    return Family(f"{head}|area={street}", street, ENOUGH[hazard], "same_street")


@dataclass(frozen=True, slots=True)
class Member:
    """An incident that might become a child."""

    id: str
    site: str | None
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Gathered:
    """Who is to stand under one parent (empty: nobody yet), and why."""

    children: tuple[str, ...]
    reason: str


def gather(family: Family, members: Iterable[Member], *, standing: bool, now: datetime) -> Gathered:
    """Judge whether incidents become a family. Pure.

    Args:
        family: that they belong to.
        members: open ones without a parent.
        standing: whether the family has its parent already.
        now: wall time.
    """
    fresh = sorted((m for m in members if now - m.opened_at <= WITHIN), key=lambda m: (m.opened_at, m.id))
    ids = tuple(member.id for member in fresh)
    if standing:
        return Gathered(ids, "parent_open")
    places_ = {member.site or member.id for member in fresh}  # three alarms of one underpass are no storm
    if len(places_) < family.enough:
        return Gathered((), "too_few")
    return Gathered(ids, family.why)


async def keep(docket: Docket) -> None:
    """Bring families up to date with what happened in this transaction."""
    opened, docket.opened = docket.opened, []
    seen: set[str] = set()
    for incident in opened:
        family = family_of(
            Hazard(incident.hazard), incident.grid_path, incident.place.get("section"), incident.exercise
        )
        if family is None or family.key in seen or incident.late or incident.children is not None:
            continue
        seen.add(family.key)
        await _gather(docket, family, incident)
    for change in list(docket.changes):
        if change.what == "acknowledged" and change.incident.children:
            await _take_children(docket, change.incident)
    parents = {one.parent_id for one in docket.touched() if one.parent_id}
    for parent_id in sorted(parents):
        parent = await docket.session.get(Incident, parent_id)
        if parent is not None:
            await renew(docket, parent)


async def _gather(docket: Docket, family: Family, incident: Incident) -> None:
    session = docket.session
    await session.flush()
    parent = await session.scalar(
        select(Incident).where(Incident.fold_key == family.key, Incident.state.in_(HANDLED)).limit(1)
    )
    query = select(Incident).where(
        Incident.state.in_(HANDLED),
        Incident.hazard == incident.hazard,
        Incident.parent_id.is_(None),
        Incident.late.is_(False),
        Incident.opened_at >= docket.now - WITHIN,
        Incident.exercise == incident.exercise if incident.exercise else Incident.exercise.is_(None),
    )
    found = await session.scalars(query)
    rows = {row.id: row for row in found if row.children is None and family_key_of(row) == family.key}
    members = [Member(row.id, row.site_id, row.opened_at) for row in rows.values()]
    gathered = gather(family, members, standing=parent is not None, now=docket.now)
    if not gathered.children:
        return
    children = [rows[one] for one in gathered.children]
    if parent is None:
        parent = await open_parent(docket, family, children, SYSTEM, reason=gathered.reason)
    for child in children:
        await attach(docket, child, parent, reason=gathered.reason)


def family_key_of(incident: Incident) -> str | None:
    """The key of an incident's family."""
    found = family_of(Hazard(incident.hazard), incident.grid_path, incident.place.get("section"), incident.exercise)
    return found.key if found else None


def common_area(paths: Sequence[str]) -> str:
    """The lowest area that holds all of some paths. Pure."""
    chains = [list(reversed(chain(path))) for path in paths]
    common = [level[0] for level in zip(*chains, strict=False) if len(set(level)) == 1]
    return common[-1] if common else chains[0][0]


async def open_parent(
    docket: Docket, family: Family | None, children: Sequence[Incident], actor: Actor, *, reason: str
) -> Incident:
    """An incident for the whole of an area, over some children."""
    first = children[0]
    path = common_area([child.grid_path for child in children])
    if family is not None and family.why == "same_street":
        path = family.path
    parent = await docket.open(
        hazard=Hazard(first.hazard),
        level=worst([Level(child.level) for child in children]) or Level.IV,
        fold_key=family.key if family else f"{first.exercise or 'real'}|{first.hazard}|area={path}#{first.id}",
        placed=await places.of_area(docket.session, path),
        origin="rule" if actor is SYSTEM else "phone",
        actor=actor,
        exercise=exercise_of(first),
        timeline_name=first.timeline,
        said={"children": len(children), "reason": reason},
    )
    parent.children = []
    return parent


async def children_of(session: AsyncSession, parent_id: str) -> list[Incident]:
    """Children in the order in which they opened."""
    query = select(Incident).where(Incident.parent_id == parent_id).order_by(Incident.opened_at, Incident.id)
    return list(await session.scalars(query))


async def attach(
    docket: Docket, child: Incident, parent: Incident, actor: Actor = SYSTEM, *, reason: str = "by_hand"
) -> None:
    """Put an incident under an area's incident.

    Raises:
        Problem: 409 for a family within a family, or a drill beside the real.
    """
    if child.id == parent.id or child.children or parent.parent_id:
        raise conflict("not-a-family", "A parent stands under nobody, and a child has no children.")
    if child.exercise != parent.exercise:
        raise conflict("other-exercise", "A real incident and an exercise's never stand together.")
    if State(parent.state) in OVER:
        raise conflict("over", f"Incident {parent.number} is {parent.state}.")
    if child.parent_id == parent.id:
        return
    former, child.parent_id = child.parent_id, parent.id
    if parent.children is None:
        parent.children = []
    await docket.session.flush()
    docket.write(child, "parent_set", actor, {"parent": parent.id, "number": parent.number, "reason": reason})
    docket.write(parent, "child_joined", actor, {"child": child.id, "number": child.number, "reason": reason})
    if former and (before := await docket.session.get(Incident, former)):
        docket.touch(before)
        await renew(docket, before)
    await renew(docket, parent)


async def detach(docket: Docket, child: Incident, actor: Actor = SYSTEM, *, reason: str = "by_hand") -> bool:
    """Take an incident out of its family; False when it has none."""
    if child.parent_id is None:
        return False
    parent = await docket.session.get(Incident, child.parent_id)
    assert parent is not None  # incidents are never deleted
    child.parent_id = None
    await docket.session.flush()
    docket.write(child, "parent_left", actor, {"parent": parent.id, "number": parent.number, "reason": reason})
    docket.write(parent, "child_left", actor, {"child": child.id, "number": child.number, "reason": reason})
    await renew(docket, parent)
    return True


def child_json(row: Incident) -> dict[str, Any]:
    """A child as its parent shows it."""
    return {"id": row.id, "number": row.number, "state": row.state, "level": row.level, "place": row.place["text"]}


async def renew(docket: Docket, parent: Incident) -> None:
    """What a parent carries of its children, its level and its headline."""
    await docket.session.flush()
    rows = await children_of(docket.session, parent.id)
    carried = [child_json(row) for row in rows]
    if carried == parent.children:
        return
    parent.children = carried
    active = [row for row in rows if State(row.state) not in OVER]
    parent.headline = {"code": "area", "params": {"count": len(active), "of": len(rows), "hazard": parent.hazard}}
    docket.touch(parent)
    before = Level(parent.level)
    floor = Level(parent.level_floor) if parent.level_floor else None
    level = worst([Level(row.level) for row in active] + ([floor] if floor else [])) or before
    parent.level = level.value
    if level.rank > Level(parent.highest_level).rank:
        parent.highest_level = level.value
        params = {"from": before.value, "to": level.value, "reason": "children"}
        docket.write(parent, "level_raised", SYSTEM, params)
        docket.changes.append(Change(parent, "level_raised"))


async def _take_children(docket: Docket, parent: Incident) -> None:
    who = parent.acknowledged_by or {}
    actor = Actor("person", str(who.get("id", "")), str(who.get("name", "")))
    for child in await children_of(docket.session, parent.id):
        waits = State(child.state) not in OVER and child.acknowledged_at is None
        if waits and Level(child.level) in NOT_URGENT:
            acknowledge(docket, child, actor)


async def by_hand(docket: Docket, rows: Sequence[Incident], actor: Actor, *, reason: str) -> Incident:
    """One incident over several, by a person who takes it with that.

    Raises:
        Problem: 409 for incidents that are over, or real ones beside a drill's.
    """
    if len({row.exercise for row in rows}) > 1:
        raise conflict("other-exercise", "A real incident and an exercise's never stand together.")
    for row in rows:
        if State(row.state) in OVER:
            raise conflict("over", f"Incident {row.number} is {row.state}.")
    parent = await open_parent(docket, None, rows, actor, reason=reason)
    for row in rows:
        await attach(docket, row, parent, actor, reason=reason)
    acknowledge(docket, parent, actor)
    return parent
