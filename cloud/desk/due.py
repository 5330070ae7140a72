"""Timers of the desk: a pending incident comes back on its date; files that nothing names are swept."""

import asyncio
from datetime import timedelta

from cloud.audit import service as audit
from cloud.desk.attachments_api import store_of
from cloud.dispatch import service as dispatch
from cloud.dispatch.clocks import PENDING
from cloud.dispatch.policy import Policy
from cloud.incidents import attachments
from cloud.incidents import service as incidents
from cloud.incidents.docket import SYSTEM, docket, lock
from cloud.incidents.model import Incident
from cloud.services import Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def pending_is_over(services: Services, due: Due) -> None:
    """挂账 until today: somebody has to take it again."""
    async with docket(services) as work:
        if not await timers.take(work.session, due):
            return
        incident = await work.session.get(Incident, due.key)
        if incident is not None and incidents.come_back(work, incident, SYSTEM, reason="date"):
            await dispatch.follow(work, Policy.of(services.settings))
        await work.finish()


SWEEP, SWEEP_KEY = "attachment_sweep", "attachments"
SWEEP_EVERY = timedelta(days=1)
ORPHAN_AFTER = timedelta(days=1)
"""An upload writes its file before the row that names it; a file that no row names after so long never gets one."""
_AT_ONCE = 500


async def begin(services: Services) -> None:
    """At the start of a process: the sweep of files is due now, unless one is set."""
    async with services.db.transaction() as session:
        if await timers.get(session, SWEEP, SWEEP_KEY) is None:
            await timers.arm(session, SWEEP, SWEEP_KEY, services.now(), now=services.now())
    services.wake()


async def sweep(services: Services, due: Due) -> None:
    """Files that no attachment names go (broken-off uploads, erasures that died half-way); audited."""
    now = services.now()
    async with services.db.transaction() as session:
        if not await timers.take(session, due):
            return
        await timers.arm(session, SWEEP, SWEEP_KEY, now + SWEEP_EVERY, now=now)
    store, before = store_of(services), (now - ORPHAN_AFTER).timestamp()
    gone: list[str] = []
    size = 0
    old = await asyncio.to_thread(store.old, before)
    for start in range(0, len(old), _AT_ONCE):
        some = old[start : start + _AT_ONCE]
        async with services.db.transaction() as session:  # nobody names one of them while it goes
            await lock(session)
            for digest in sorted(set(some) - await attachments.named(session, some)):
                if dropped := await asyncio.to_thread(store.drop_old, digest, before):
                    gone.append(digest)
                    size += dropped
    if gone:
        async with services.db.transaction() as session:
            body = {"files": len(gone), "bytes": size, "sha256": gone[:100]}
            await audit.append(session, kind="attachments_swept", now=services.now(), body=body)


HANDLERS = {PENDING: pending_is_over, SWEEP: sweep}
