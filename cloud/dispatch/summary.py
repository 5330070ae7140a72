"""The figures on the console, for what a person may see. An exercise never counts among the real ones."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.model import Assignment, Unattended
from cloud.dispatch.progress import LIVE, AssignmentState
from cloud.incidents import measures
from cloud.incidents.model import Incident
from cloud.incidents.service import in_sight
from cloud.incidents.states import OVER, State
from cloud.people.access import Person, Role, within
from cloud.registry.model import Edge, IssuedExercise

FLOOD = 10
FLOOD_WINDOW = timedelta(minutes=10)
"""More than ten new incidents in ten minutes is a flood (UX: the console then groups)."""


async def figures(session: AsyncSession, person: Person, now: datetime) -> dict[str, Any]:
    """Body of `GET /summary`."""
    waiting_now = in_sight(select(Incident.clock_from), person).where(
        Incident.state.not_in(OVER), Incident.exercise.is_(None), Incident.acknowledged_at.is_(None)
    )
    waiting = list(await session.scalars(waiting_now))
    fresh = in_sight(select(func.count()).select_from(Incident), person).where(
        Incident.exercise.is_(None), Incident.opened_at > now - FLOOD_WINDOW, Incident.state != State.VOID
    )
    by_state = (
        select(Assignment.state, func.count().label("people"))
        .where(Assignment.incident_id.in_(in_sight(select(Incident.id), person)))
        .where(Assignment.exercise.is_(None), Assignment.state.in_(LIVE))
        .group_by(Assignment.state)
    )
    busy: dict[str, int] = {row.state: row.people for row in await session.execute(by_state)}
    forgotten = select(func.count(func.distinct(Unattended.incident_id))).where(
        Unattended.ended_at.is_(None),
        Unattended.incident_id.in_(in_sight(select(Incident.id), person).where(Incident.exercise.is_(None))),
    )
    running = list(await session.scalars(select(IssuedExercise.id).where(IssuedExercise.state == "running")))
    edges = [
        edge
        for edge in await session.scalars(select(Edge))
        if within(person.area_path, edge.area_path)
        or (person.has(Role.DUTY_OFFICER, Role.ADMINISTRATOR) and within(edge.area_path, person.area_path))
    ]
    return {
        "unacknowledged": len(waiting),
        "unattended": await session.scalar(forgotten) or 0,
        "oldest_unacknowledged_s": round((now - min(waiting)).total_seconds()) if waiting else None,
        "people_on_the_way": busy.get(AssignmentState.EN_ROUTE, 0),
        "people_on_scene": busy.get(AssignmentState.ON_SCENE, 0),
        "measures_in_force": await measures.count_in_force(session, person),
        "edges_offline": sum(not edge.online for edge in edges),
        "edges": len(edges),
        "drills_running": len([drill for drill in running if drill in person.exercises or person.has(Role.TRAINER)]),
        "flood": (await session.scalar(fresh) or 0) > FLOOD,
    }
