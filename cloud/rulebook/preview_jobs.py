"""Previews as jobs of one process: one runs at a time, each bounded, told by polling, forgotten after a while."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import duckdb

from cloud.problems import Problem
from cloud.registry import timelines
from cloud.rulebook.preview import Plan
from cloud.rulebook.preview_work import Work, cut_of, slices
from cloud.services import Services
from cloud.telemetry import bulk
from cloud.telemetry.store import StoreClosed
from wire.time import to_ms

MOST_SECONDS = 60.0
"""Of work; what is not judged then is cut off, and the answer says so."""
MOST_WAITING = 8
KEPT = 40
"""Finished previews of all people."""
_log = logging.getLogger(__name__)
State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(slots=True)
class Job:
    """One preview."""

    id: str
    person: str
    state: State = "waiting"
    rows: int = 0
    total: int = 0
    result: dict[str, Any] | None = None
    problem: str | None = None
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    @property
    def progress(self) -> float:
        """0 to 1."""
        if self.state in ("done", "failed", "cancelled"):
            return 1.0
        return round(self.rows / self.total, 3) if self.total else 0.0


class Previews:
    """The previews of one process."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.most_seconds = MOST_SECONDS
        self._jobs: dict[str, Job] = {}
        self._turn = asyncio.Semaphore(1)

    def start(self, person: str, days: int, utc_offset_h: float, what: Plan) -> Job:
        """Begin a preview; the one that this person still has running ends.

        Raises:
            Problem: 429 when too many wait.
        """
        for job in list(self._jobs.values()):
            if job.person == person and not job.finished.is_set():
                self.cancel(job)
        if sum(not job.finished.is_set() for job in self._jobs.values()) > MOST_WAITING:
            raise Problem(
                429, "busy", "Too many previews are running: try again in a minute.", headers={"Retry-After": "30"}
            )
        job = Job(f"prv_{secrets.token_hex(8)}", person)
        self._jobs[job.id] = job
        for old in [each.id for each in self._jobs.values() if each.finished.is_set()][:-KEPT]:
            del self._jobs[old]
        job.task = asyncio.create_task(self._run(job, lambda: self._judge(job, days, utc_offset_h, what)))
        return job

    def get(self, job_id: str, person: str) -> Job | None:
        """A person's own preview."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.person == person else None

    def cancel(self, job: Job) -> None:
        """End a preview; a part that is being judged in a thread ends by itself."""
        if job.task is not None and not job.finished.is_set():
            job.state = "cancelled"
            job.task.cancel()

    async def _run(self, job: Job, work: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        try:
            async with self._turn:
                job.state = "running"
                job.result = await work()
            job.state = "done"
        except asyncio.CancelledError:
            job.state = "cancelled"
            raise
        except (StoreClosed, duckdb.Error) as error:
            job.state, job.problem = "failed", f"the stored readings could not be read: {error}"[:300]
            _log.warning("preview %s: %s", job.id, job.problem)
        except (ArithmeticError, LookupError, ValueError, TypeError, AssertionError):
            job.state, job.problem = "failed", "the service failed at this; the fault is in its log"
            _log.exception("preview %s failed", job.id)
        finally:
            job.finished.set()

    async def _judge(self, job: Job, days: int, utc_offset_h: float, what: Plan) -> dict[str, Any]:
        store = self.services.telemetry
        until = await self._latest(what)
        stock = await store.ask(lambda cursor: bulk.stock(cursor, what.devices, until=until, days=days))
        stretch = slices(stock, days)
        job.total = max(stretch.rows, 1)
        work = await asyncio.to_thread(Work, what, stock)
        cut = stretch.cut
        loop = asyncio.get_running_loop()
        began = loop.time()
        nothing = not what.changed and not what.quality_changed
        for start, stop in [] if nothing else stretch.parts:
            if loop.time() - began > self.most_seconds or self.services.stopping.is_set():
                asked = stretch.span.stop - days * bulk.DAY_MS
                cut = cut_of("seconds", asked, stretch.span.start, work.judged_to or stretch.span.start)
                break
            stored = await store.ask(lambda cursor, start=start, stop=stop: bulk.read(cursor, stock, start, stop))  # type: ignore[misc]
            await asyncio.to_thread(work.step, stored, stop)
            job.rows = work.rows
        return await asyncio.to_thread(work.result, stretch.span, cut, utc_offset_h)

    async def _latest(self, what: Plan) -> int:
        """Readings beyond the clocks of their devices come of a wrong clock."""
        now = to_ms(self.services.now())
        latest = now
        async with self.services.db.reading() as session:
            for name in {subject.after.timeline for subject in what.subjects}:
                clock = await timelines.timeline(session, name)
                if clock is not None:
                    latest = max(latest, clock.scenario(now))
        return latest + 60_000
