"""Reading whistles: who may see which. What changes them: calling.py, answers.py, disputes.py, ratings.py."""

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents import service as incidents
from cloud.incidents.model import Incident
from cloud.people.access import Person, Role, within
from cloud.problems import not_found
from cloud.whistles import record, views
from cloud.whistles.calling import street_calls
from cloud.whistles.cause import Cause, area_of_tier
from cloud.whistles.model import Department, Whistle, WhistleCall


async def get(session: AsyncSession, whistle_id: str, person: Person) -> Whistle:
    """One that a person may see: by one of its incidents, or because their department has to do with it.

    Raises:
        Problem: 404.
    """
    row = await session.get(Whistle, whistle_id)
    if row is None or not await sees(session, row, person):
        raise not_found("whistle", whistle_id)
    return row


async def sees(session: AsyncSession, whistle: Whistle, person: Person) -> bool:
    """See `get`."""
    if whistle.exercise is not None and whistle.exercise not in person.exercises and not person.has(Role.TRAINER):
        return False
    if person.id in await record.concerned(session, whistle):
        return True
    rows = await session.scalars(select(WhistleCall).where(WhistleCall.whistle_id == whistle.id))
    for row in rows:
        if incidents.sees(person, await session.get_one(Incident, row.incident_id)):
            return True
    return False


async def page(session: AsyncSession, person: Person, *, state: str, limit: int) -> list[dict[str, Any]]:
    """Whistles in a person's sight, the newest first."""
    query = select(Whistle).order_by(Whistle.called_at.desc(), Whistle.id)
    if state != "all":
        query = query.where(Whistle.open_key.is_not(None) if state == "open" else Whistle.open_key.is_(None))
    found: list[dict[str, Any]] = []
    for row in await session.scalars(query.limit(5 * limit)):
        if await sees(session, row, person):
            found.append(await views.whistle_json(session, row))
        if len(found) == limit:
            break
    return found


def may_call(person: Person, incident: Incident) -> bool:
    """Whether a person calls for an incident directly; otherwise the street confirms."""
    return street_calls(person, area_of_tier(incident.grid_path, "street"))


async def calls_of_incident(session: AsyncSession, incident: Incident) -> list[WhistleCall]:
    """Calls and proposals for an incident, in order."""
    query = select(WhistleCall).where(WhistleCall.incident_id == incident.id)
    return list(await session.scalars(query.order_by(WhistleCall.at, WhistleCall.id)))


async def open_for(
    session: AsyncSession, department: Department, incident: Incident, causes: list[Cause]
) -> list[dict[str, Any]]:
    """Open whistles of a department that an incident may belong to, those of a proposed cause first."""
    keys = [one.key for one in causes]
    query = select(Whistle).where(
        Whistle.open_key.is_not(None),
        or_(Whistle.holder_id == department.id, Whistle.first_id == department.id),
        Whistle.exercise == incident.exercise if incident.exercise else Whistle.exercise.is_(None),
    )
    rows = [row for row in await session.scalars(query) if _near(row, incident, keys)]
    rows.sort(key=lambda row: (row.cause not in keys, -row.called_at.timestamp()))
    return [
        {
            "id": row.id,
            "number": row.number,
            "cause": row.cause,
            "cause_text": row.cause_text,
            "state": row.state,
            "same_cause": row.cause in keys,
        }
        for row in rows
    ]


def _near(row: Whistle, incident: Incident, keys: list[str]) -> bool:
    """Of a proposed cause, or somewhere in the same district."""
    return row.cause in keys or within(area_of_tier(row.area_path, "district"), incident.grid_path)


async def open_proposals(session: AsyncSession, person: Person) -> list[dict[str, Any]]:
    """Proposals in a person's sight that wait for the street, the longest first."""
    query = select(WhistleCall).where(WhistleCall.state == "proposed").order_by(WhistleCall.proposed_at)
    return [
        await views.call_json(session, row) | {"mine": street_calls(person, row.street_path)}
        for row in await session.scalars(query.limit(500))
        if incidents.sees(person, await session.get_one(Incident, row.incident_id))
    ]
