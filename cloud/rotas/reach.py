"""Who can be reached: by a way that was tested, or because they answered lately.

The one place that knows where such proof lies: ways that the person tested and that have not failed since, messages
that they acknowledged, calls that they answered. A telephone number alone proves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.notify import ways as notify_ways
from cloud.notify.model import Notification
from cloud.rotas.model import ReachCheck

PROOF_HOLDS = timedelta(days=35)
"""A month's test, and some days to make up for one that was missed."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The newest proof that somebody can be reached."""

    at: datetime
    by: str  # way, acknowledged, call


async def reached(session: AsyncSession, now: datetime) -> Mapping[str, Proof]:
    """By person, the newest proof that still holds; who is not in it counts as out of reach."""
    since = now - PROOF_HOLDS
    found: dict[str, Proof] = {}

    def take(person: str, proof: Proof) -> None:
        if person not in found or found[person].at < proof.at:
            found[person] = proof

    for reach in await notify_ways.reach(session):
        if reach.tested:
            tested = [one.tested_at for one in reach.ways if one.tested_at and not one.failed_at and one.kind != "feed"]
            if (newest := max(tested)) > since:
                take(reach.person.id, Proof(newest, "way"))
    answers = select(Notification.person_id, func.max(Notification.acknowledged_at))
    answers = answers.where(Notification.acknowledged_at > since, Notification.exercise.is_(None))
    for person, at in await session.execute(answers.group_by(Notification.person_id)):
        if at is not None:
            take(person, Proof(at, "acknowledged"))
    for person, at, by in await _calls(session, since):
        take(person, Proof(at, by))
    return found


async def _calls(session: AsyncSession, since: datetime) -> list[tuple[str, datetime, str]]:
    """The last call to each person, where it was answered: a later one that was not takes the proof away."""
    last: dict[str, ReachCheck] = {}
    query = select(ReachCheck).where(ReachCheck.at > since).order_by(ReachCheck.at, ReachCheck.id)
    for row in await session.scalars(query):
        last[row.person_id] = row
    return [(person, row.at, "call") for person, row in last.items() if row.reached]
