"""The one mechanism for what falls due: leases, failures, and kill -9 of its workers."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duty_worker
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from cloud.app import create_services, due_handlers
from cloud.dispatch.model import Assignment
from cloud.dispatch.policy import Policy
from cloud.dispatch.service import follow
from cloud.incidents import arrivals, places
from cloud.incidents import service as incidents
from cloud.incidents.docket import docket
from cloud.incidents.model import Incident, TimelineEntry
from cloud.notify.model import Notification
from cloud.people import service as people
from cloud.settings import Settings
from cloud.timers import service as timers
from cloud.timers.model import Timer
from cloud.timers.worker import run_due
from wire.alert import Hazard
from wire.level import Level

START = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
SPAN = timedelta(seconds=30)


@pytest.fixture
async def quiet(database, settings):
    """The cloud's parts without background tasks, on a clock that stands still; timers of kind `note` write a row."""
    services = create_services(settings)
    services.now = lambda: START
    yield services
    await services.db.close()


async def armed(db) -> dict[str, datetime]:
    async with db.reading() as session:
        return {row.key: row.due_at for row in await session.scalars(select(Timer))}


async def test_the_most_urgent_goes_first_and_one_that_fails_holds_up_no_other(quiet):
    done = []

    async def handle(services, due):
        async with services.db.transaction() as session:
            assert await timers.take(session, due)
            if due.key == "bad":
                raise ValueError("no such thing")
            done.append(due.key)

    quiet.due = {"test": handle}
    async with quiet.db.transaction() as session:
        for key, urgency in (("later", 3), ("bad", 0), ("urgent", 1)):
            await timers.arm(session, "test", key, START, now=START, urgency=urgency)
    assert await run_due(quiet, "w") == 3
    assert done == ["urgent", "later"]
    async with quiet.db.reading() as session:
        [left] = await session.scalars(select(Timer))
    assert (left.key, left.error, left.leased_by) == ("bad", "ValueError: no such thing", None)
    assert left.leased_until == START + timers.pause_after(1)
    assert await run_due(quiet, "w") == 0, "it rests"
    quiet.now = lambda: START + timers.pause_after(1)
    assert await run_due(quiet, "w") == 1, "and is tried again: it never gives up"


async def test_two_that_hold_the_same_timer_act_once(quiet):
    """The lease ran out while the first was busy; both come to the act at the same moment."""
    async with quiet.db.transaction() as session:
        await timers.arm(session, "test", "x", START, now=START)
    [first] = await timers.lease(quiet.db, "one", START, SPAN)
    [second] = await timers.lease(quiet.db, "two", START + SPAN, SPAN)

    async def take(due):
        async with quiet.db.transaction() as session:
            return await timers.take(session, due)

    assert await asyncio.gather(take(first), take(second)) == [False, True]
    assert await armed(quiet.db) == {}


async def test_a_timer_set_anew_is_not_the_one_that_was_leased(quiet):
    async with quiet.db.transaction() as session:
        await timers.arm(session, "test", "x", START, now=START)
    [due] = await timers.lease(quiet.db, "one", START, SPAN)
    async with quiet.db.transaction() as session:
        await timers.arm(session, "test", "x", START + SPAN, now=START)
    async with quiet.db.transaction() as session:
        assert not await timers.take(session, due)
    assert await armed(quiet.db) == {"x": START + SPAN}


async def test_what_was_leased_by_somebody_is_seen_when_the_lease_ends(quiet):
    async with quiet.db.transaction() as session:
        await timers.arm(session, "test", "x", START, now=START)
    await timers.lease(quiet.db, "dead", START, SPAN)
    async with quiet.db.reading() as session:
        assert await timers.next_due(session, START) == START + SPAN


def test_every_kind_that_is_set_has_somebody_who_carries_it_out():
    assert {"acknowledge", "accept", "dispatch", "close", "audit", "drill_end", "pending"} <= due_handlers().keys()


# ---------------------------------------------------------------- kill -9


CASES = 12


async def _open_many(services) -> None:
    """Smoke of level II in many stairwells an hour ago, untouched: every clock of theirs is overdue."""
    real, services.now = services.now, lambda: datetime.now(UTC) - timedelta(hours=1)
    async with docket(services) as work:
        officer = await people.person(work.session, "per_duty")
        placed = await places.of_zone(work.session, "wh-7-s1-3f")
        for number in range(CASES):
            incident = await work.open(
                hazard=Hazard.SMOKE,
                level=Level.II,
                fold_key=f"case-{number}",
                placed=placed,
                origin="sensor",
                actor=arrivals.SYSTEM,
                exercise=None,
            )
            if number % 2:
                incidents.acknowledge(work, incident, arrivals.by(officer))
        await follow(work, Policy.of(services.settings))
        await work.finish()
    services.now = real


@contextlib.asynccontextmanager
async def _workers(url: str, folder: Path, how_many: int) -> AsyncIterator[list[int]]:
    """Ids of processes that begin to work at SIGUSR1; all are dead at the end."""
    command = [sys.executable, duty_worker.__file__, url, str(folder), "2", str(how_many)]
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    children = [int(one) for one in (await parent.stdout.readline()).split()]
    try:
        assert len(children) == how_many
        yield children
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        await asyncio.wait_for(parent.wait(), 20)


@pytest.mark.postgres
async def test_kill_9_of_workers_does_nothing_twice_and_loses_nothing(originals, postgres, tmp_path):
    """Two workers on one database; each is killed in the middle of it, and a third finishes."""
    admin = create_async_engine(postgres + "postgres", isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await originals.postgres("world", postgres, "killed", connection)
    services = create_services(Settings(data_dir=tmp_path, database_url=postgres + "killed"))
    await _open_many(services)
    async with services.db.reading() as session:
        before = await session.scalar(select(func.count()).select_from(Timer))
    assert before >= CASES
    async with _workers(postgres + "killed", tmp_path, 3) as children:
        for child in children[:2]:
            os.kill(child, signal.SIGUSR1)
        for share, child in ((0.8, children[0]), (0.5, children[1])):
            await _until(services, lambda due, share=share: due <= before * share)
            os.kill(child, signal.SIGKILL)
        os.kill(children[2], signal.SIGUSR1)
        await _until(services, lambda due: due == 0)
    await _nothing_twice(services)
    await services.db.close()
    async with admin.connect() as connection:
        await connection.execute(text("DROP DATABASE killed WITH (FORCE)"))
    await admin.dispose()


async def _nothing_twice(services) -> None:
    async with services.db.reading() as session:
        rows = list(await session.scalars(select(Incident)))
        lines = list(await session.scalars(select(TimelineEntry)))
        keys = list(await session.scalars(select(Notification.key)))
        offers = list(await session.scalars(select(Assignment)))
        for row in rows:
            assert await incidents.first_break(session, row) is None
    escalated = [line for line in lines if line.kind == "escalated"]
    for row in rows:
        steps = Counter(line.params["step"] for line in escalated if line.incident_id == row.id)
        assert steps, f"{row.number}: lost"
        assert set(steps.values()) == {1}, (row.number, steps)
        assert steps["acknowledge"] == (row.acknowledged_at is None)
    acts = [(line.incident_id, line.params["set_off_by"]) for line in lines if "set_off_by" in line.params]
    assert len(acts) == len(set(acts)), "one timer, two acts"
    expired = Counter(line.params["assignment"] for line in lines if line.kind == "expired")
    assert set(expired.values()) <= {1}
    assert {offer.id for offer in offers if offer.state == "expired"} == set(expired)
    assert len(keys) == len(set(keys))


async def _until(services, holds) -> None:
    for _ in range(600):
        async with services.db.reading() as session:
            query = select(func.count()).select_from(Timer).where(Timer.due_at <= datetime.now(UTC))
            if holds(await session.scalar(query)):
                return
        await asyncio.sleep(0.02)
    raise AssertionError("the workers did not get there")
