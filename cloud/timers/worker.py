"""Carries out what falls due. Any number of processes may run one; each act happens once (see `service.py`)."""

import asyncio
import logging
import os
import secrets
from datetime import timedelta

from prometheus_client import Counter, Gauge

from cloud.services import Services
from cloud.timers import service
from cloud.timers.service import Due

LONGEST_WAIT_S = 5.0
"""A timer set by another process is seen at the latest after so long; every limit is longer."""

LONGEST_ACT_S = 60.0
"""An act that takes longer is broken off (and rolled back), so that it holds up no other for good."""

_log = logging.getLogger(__name__)
_done = Counter("shouwang_timers_done_total", "Timers carried out", ["kind"])
_failed = Counter("shouwang_timers_failed_total", "Tries that came to nothing; each is tried again", ["kind"])
_behind = Gauge("shouwang_timers_behind_seconds", "How late the last timer carried out here was")


def worker_name() -> str:
    """A name that no other worker has."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


async def work(services: Services, worker: str) -> None:
    """Until the process stops; woken by the feed (whoever sets a timer also writes to it) and by the next due time."""
    while not services.stopping.is_set():
        seen = services.feed.position
        if await run_due(services, worker):
            continue
        async with services.db.reading() as session:
            now = services.now()
            at = await service.next_due(session, now)
        wait_s = min(LONGEST_WAIT_S, (at - now).total_seconds()) if at else LONGEST_WAIT_S
        if wait_s > 0:
            await services.feed.wait_beyond(seen, wait_s)


async def run_due(services: Services, worker: str) -> int:
    """Lease what is due and carry it out, each in a transaction of its own; how many were leased."""
    async with services.db.reading() as session:  # the usual case takes no lock
        at = await service.next_due(session, services.now())
    if at is None or at > services.now():
        return 0
    span = timedelta(seconds=services.settings.timer_lease_s)
    leased = await service.lease(services.db, worker, services.now(), span)
    for due in leased:
        await carry_out(services, due)
    return len(leased)


async def carry_out(services: Services, due: Due) -> None:
    """One that fails holds up no other: it is written down, counted, and tried again."""
    try:
        async with asyncio.timeout(LONGEST_ACT_S):
            await services.due[due.kind](services, due)
    except Exception as error:  # noqa: BLE001  a supervisor: whatever it was, it is logged, counted, tried again
        _failed.labels(due.kind).inc()
        _log.exception("timer %s of %s failed, attempt %d", due.kind, due.key, due.attempt)
        await service.failed(services.db, due, f"{type(error).__name__}: {error}", services.now())
    else:
        _done.labels(due.kind).inc()
        _behind.set((services.now() - due.due_at).total_seconds())
