"""Rotas as the pure functions take them, read from the tables. Writes nothing."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people import force
from cloud.people import service as people
from cloud.people.model import Account
from cloud.rotas.cover import Force
from cloud.rotas.duties import Calendar, Change, Duty, Extra, Hole, Laid, Revision, Rota, lay
from cloud.rotas.model import CalendarDay, RotaChange, RotaDay, RotaRevision, RotaRow
from cloud.rotas.pattern import LONGEST_TURN, Turn, read

BACK = timedelta(days=3)
"""Decisions about turns that ended earlier change nothing from now on."""


@dataclass(frozen=True, slots=True)
class Book:
    """Rotas with everything that was decided about them."""

    rotas: tuple[Rota, ...]
    names: Mapping[str, str]
    calendar: Calendar
    changes: tuple[Change, ...]

    def lay(self, since: datetime, until: datetime) -> Laid:
        """Who stands on any of these rotas in a span."""
        duties: list[Duty] = []
        holes: list[Hole] = []
        for rota in self.rotas:
            laid = lay(rota, self.calendar, self.changes, since, until)
            duties += laid.duties
            holes += laid.holes
        return Laid(tuple(duties), tuple(holes))


async def book(
    session: AsyncSession,
    *,
    since: datetime,
    rota_ids: Collection[str] | None = None,
    areas: Collection[str] | None = None,
) -> Book:
    """Read rotas: those named, those of some areas, or all.

    Args:
        session: any.
        since: what was decided about turns before it is passed over.
        rota_ids: these only.
        areas: of exactly these areas only.
    """
    query = select(RotaRow).order_by(RotaRow.area_path, RotaRow.post, RotaRow.id)
    if rota_ids is not None:
        query = query.where(RotaRow.id.in_(rota_ids))
    if areas is not None:
        query = query.where(RotaRow.area_path.in_(areas))
    rows = list(await session.scalars(query))
    ids = [row.id for row in rows]
    revisions = await _revisions(session, ids)
    days = await _days(session, ids, (since - BACK).date())
    changes, extras = await _changes(session, since - LONGEST_TURN)
    rotas = tuple(
        Rota(row.id, row.area_path, row.post, revisions[row.id], days[row.id], tuple(extras[row.id])) for row in rows
    )
    marked = {row.day: row.works for row in await session.scalars(select(CalendarDay))}
    return Book(rotas, {row.id: row.name for row in rows}, Calendar(marked), changes)


def in_force(rows: Sequence[RotaRevision]) -> tuple[Revision, ...]:
    """Revisions as they hold: a newer one takes the place of those that were to begin at or after it. Pure."""
    found: list[Revision] = []
    for row in sorted(rows, key=lambda one: one.number):
        found = [one for one in found if one.since < row.since]
        found.append(Revision(row.number, row.since, read(row.pattern) if row.pattern is not None else None))
    return tuple(found)


async def _revisions(session: AsyncSession, ids: Sequence[str]) -> Mapping[str, tuple[Revision, ...]]:
    by_rota: dict[str, list[RotaRevision]] = defaultdict(list)
    for row in await session.scalars(select(RotaRevision).where(RotaRevision.rota_id.in_(ids))):
        by_rota[row.rota_id].append(row)
    return {one: in_force(by_rota[one]) for one in ids}


async def _days(session: AsyncSession, ids: Sequence[str], first: date) -> Mapping[str, dict[date, tuple[Turn, ...]]]:
    query = select(RotaDay).where(RotaDay.rota_id.in_(ids), RotaDay.ended_at.is_(None), RotaDay.day >= first)
    found: dict[str, dict[date, tuple[Turn, ...]]] = defaultdict(dict)
    for row in await session.scalars(query.order_by(RotaDay.at, RotaDay.id)):
        found[row.rota_id][row.day] = msgspec.convert(row.turns, tuple[Turn, ...])
    return found


async def _changes(session: AsyncSession, since: datetime) -> tuple[tuple[Change, ...], Mapping[str, list[Extra]]]:
    alone = await _alone(session)
    late = or_(RotaChange.until > since, RotaChange.back_until > since)
    query = select(RotaChange).where(RotaChange.state == "agreed", late).order_by(RotaChange.order, RotaChange.id)
    found: list[Change] = []
    extras: dict[str, list[Extra]] = defaultdict(list)
    for row in await session.scalars(query):
        if row.kind == "extra" and row.rota_id is not None:
            extras[row.rota_id].append(Extra(row.id, row.who, row.since, row.until))
            continue
        found.append(Change(row.id, row.kind, row.who, row.by, row.since, row.until, row.rota_id, row.order))
        if row.kind == "leave" and row.who in alone:
            found += [
                Change(row.id, "leave", one, None, row.since, row.until, row.rota_id, row.order)
                for one in alone[row.who]
            ]
        if row.by is not None and row.back_since is not None and row.back_until is not None:
            back = Change(row.id, row.kind, row.by, row.who, row.back_since, row.back_until, row.rota_id, row.order)
            found.append(back)
    return tuple(found), extras


async def _alone(session: AsyncSession) -> Mapping[str, list[str]]:
    """By person, the responders that are this person and nobody else: on leave as one, on leave as the other."""
    kinds = {row.id: row.kind for row in await people.responders(session, active=False)}
    found: dict[str, list[str]] = defaultdict(list)
    for responder, members in (await people.all_members(session)).items():
        if kinds.get(responder) == "person" and len(members) == 1:
            found[members[0]].append(responder)
    return found


async def forces(session: AsyncSession) -> dict[str, Force]:
    """Everybody who can stand on a rota: people and responders, by id."""
    accounts = list(await session.scalars(select(Account)))
    found = {row.id: Force(row.id, row.name, (row.id,), "", "person", row.area_path, row.active) for row in accounts}
    members = await people.all_members(session)
    for row in await people.responders(session, active=False):
        staff = tuple(sorted(members.get(row.id, ())))
        found[row.id] = Force(row.id, row.name, staff, row.role, row.kind, row.area_path, force.available(row))
    return found
