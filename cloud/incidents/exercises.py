"""Which exercise ids the cloud has issued. An id once issued stays exercise for good; any other is treated as real."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.docket import Exercise
from cloud.registry.model import IssuedExercise


async def issued(session: AsyncSession, ids: Collection[str | None]) -> dict[str, Exercise]:
    """The issued ones among some ids, with their names."""
    wanted = sorted({exercise for exercise in ids if exercise is not None})
    if not wanted:
        return {}
    query = select(IssuedExercise.id, IssuedExercise.name).where(IssuedExercise.id.in_(wanted))
    return {found: Exercise(found, name) for found, name in await session.execute(query)}
