"""The worker of time limits. Any number of processes may run one."""

import os
import secrets

from cloud.dispatch import service, timers
from cloud.dispatch.service import Policy
from cloud.incidents.docket import docket
from cloud.services import Services

LONGEST_WAIT_S = 5.0
"""A timer set by another process is seen at the latest after so long; every limit is longer."""


async def background(services: Services) -> None:
    """Carry out what falls due; woken by the feed (whoever sets a timer also writes to it) and by the next due time."""
    worker = f"{os.getpid()}-{secrets.token_hex(4)}"
    while not services.stopping.is_set():
        seen = services.feed.position
        if await run_due(services, worker):
            continue
        async with services.db.reading() as session:
            now = services.now()
            at = await timers.next_due(session, now)
        wait_s = min(LONGEST_WAIT_S, (at - now).total_seconds()) if at else LONGEST_WAIT_S
        if wait_s > 0:
            await services.feed.wait_beyond(seen, wait_s)


async def run_due(services: Services, worker: str) -> int:
    """Lease what is due and carry it out, each in a transaction of its own; how many."""
    async with services.db.reading() as session:  # the usual case takes no lock
        at = await timers.next_due(session, services.now())
    if at is None or at > services.now():
        return 0
    leased = await timers.lease(services.db, worker, services.now())
    for timer_id in leased:
        async with docket(services) as work:
            timer = await timers.held(work.session, timer_id, worker, work.now)
            if timer is None:
                continue  # disarmed or moved since
            policy = Policy.of(services.settings)
            await service.due(work, policy, timer)
            await service.follow(work, policy)
            await work.finish()
    return len(leased)
