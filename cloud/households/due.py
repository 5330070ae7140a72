"""Timers of households: vulnerable doors without an outcome; what has lived its time is erased."""

from datetime import timedelta

from sqlalchemy import select

from cloud.audit import service as audit
from cloud.dispatch.policy import Policy
from cloud.dispatch.service import follow
from cloud.households import cards, knock
from cloud.households.model import KnockList
from cloud.incidents.docket import docket
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER
from cloud.services import Services
from cloud.timers import service as timers
from cloud.timers.service import Due

SWEEP, KEY = "household_sweep", "households"
EVERY = timedelta(days=1)
KNOCK_KEPT = timedelta(days=30)
"""After an incident is over its list forgets who was vulnerable behind which door."""


async def begin(services: Services) -> None:
    """At the start of a process: the sweep is due now, unless one is set."""
    async with services.db.transaction() as session:
        if await timers.get(session, SWEEP, KEY) is None:
            await timers.arm(session, SWEEP, KEY, services.now(), now=services.now())
    services.wake()


async def sweep(services: Services, due: Due) -> None:
    """Erase cards past their retention, and what is personal in lists of incidents long over; audited."""
    now = services.now()
    keep = timedelta(days=services.settings.household_retention_days)
    async with services.db.transaction() as session:
        if not await timers.take(session, due):
            return
        await timers.arm(session, SWEEP, KEY, now + EVERY, now=now)
        await cards.sweep(session, keep=keep, now=now)
        query = (
            select(KnockList)
            .join(Incident, Incident.id == KnockList.incident_id)
            .where(KnockList.cleared_at.is_(None), Incident.state.in_(OVER), Incident.updated_at <= now - KNOCK_KEPT)
        )
        rows = list(await session.scalars(query))
        for row in rows:
            await knock.clear(session, row, now)
        if rows:
            await audit.append(session, kind="knock_lists_cleared", now=now, body={"lists": [row.id for row in rows]})


async def slow(services: Services, due: Due) -> None:
    """Vulnerable doors are without an outcome after the limit."""
    async with docket(services) as work:
        if not await timers.take(work.session, due):
            return
        row = await work.session.get(KnockList, due.key)
        if row is not None:
            await knock.slow(work, row, origin=due.id, rounds=int(due.data.get("round", 0)))
        await follow(work, Policy.of(services.settings))
        await work.finish()


HANDLERS = {SWEEP: sweep, knock.SLOW: slow}
