"""Incidents, assignments and escalation as a state machine over the real services: people, timers, crashes, races."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import delete, event, select, text

from cloud.app import create_services
from cloud.database import Database
from cloud.dispatch import auditor, offers, owners, service
from cloud.dispatch.clocks import Clock, wanted
from cloud.dispatch.keeping import facts_of
from cloud.dispatch.model import Assignment, Deferral, HandOff, Reservation
from cloud.dispatch.policy import Policy
from cloud.dispatch.progress import LIVE, TAKEN, Tap
from cloud.incidents import arrivals, places
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by, docket
from cloud.incidents.model import Incident, TimelineEntry
from cloud.incidents.states import HANDLED, OVER, Outcome, State
from cloud.notify.model import Notification
from cloud.people import service as people
from cloud.people.access import Person
from cloud.people.model import Account, Shift
from cloud.problems import Problem
from cloud.settings import Settings
from cloud.timers import service as timers
from cloud.timers.model import Timer
from cloud.timers.worker import carry_out, run_due
from wire.alert import Hazard
from wire.level import Level

PLACES = [("wh-7-s1-3f", Hazard.SMOKE), ("sn-12-s1-2f", Hazard.SMOKE), ("up-low", Hazard.WATER_LEVEL)]
OFFICERS = ["duty", "leader", "district"]
RESPONDERS = {"rsp_zhou": "zhou", "rsp_lu": "lu", "rsp_shen": "shen", "rsp_wanghu-mfs": "guard"}
MOST_OPEN = 3
PICK = st.integers(0, 3)
SECONDS = st.sampled_from([5, 61, 61, 121, 300, 3600])


class Crash(BaseException):
    """The process dies here. Not an Exception: nothing may catch it and carry on."""


@contextlib.contextmanager
def crashing(db: Database, nth: int, *, committed: bool) -> Any:
    """Die at the nth commit from now: just before it, or just after."""
    original, count = db.transaction, 0

    @contextlib.asynccontextmanager
    async def transaction() -> AsyncIterator[Any]:
        nonlocal count
        count += 1
        mine = count
        async with original() as session:
            yield session
            if mine == nth and not committed:
                raise Crash
        if mine == nth:
            raise Crash

    db.transaction = transaction  # type: ignore[method-assign]
    try:
        yield
    finally:
        db.transaction = original  # type: ignore[method-assign]


def quick(db: Database) -> None:
    """Nothing has to outlive the test."""
    if db.is_sqlite:
        event.listen(db.engine.sync_engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous=OFF"))


class DutyModel(RuleBasedStateMachine):
    """Subclass with `fresh` (makes a seeded database; gives its URL) and `folder`."""

    fresh: Callable[[], Awaitable[str]]
    folder: Any

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.workers = 0
        self.at = datetime.now(UTC)
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        settings = Settings(data_dir=self.folder, database_url=await type(self).fresh())
        self.services = create_services(settings)
        self.services.now = lambda: self.at
        quick(self.services.db)
        self.policy = Policy.of(settings)
        await auditor.begin(self.services)

    def _drain(self) -> None:
        """Whatever was going on: in the next hour every clock that runs out leads to another, or to its end."""
        for minutes in (2, 58):
            self.at += timedelta(minutes=minutes)
            self.runner.run(self._to_the_end(1))
            self.nobody_is_forgotten()

    def teardown(self) -> None:
        try:
            self._drain()
            self.runner.run(self._nothing_twice())
        finally:
            self.runner.run(self.services.db.close())
        self.runner.close()

    # ------------------------------------------------------------ helpers

    def does(self, act: Callable[[Docket], Awaitable[None]], crash: int = 0) -> None:
        """A person's act in a transaction of its own, as the API does it; a refusal is an answer."""
        self.runner.run(self._does(act, crash))

    async def _does(self, act: Callable[[Docket], Awaitable[None]], crash: int) -> None:
        async def run() -> None:
            async with docket(self.services) as work:
                await act(work)
                await service.follow(work, self.policy)
                await work.finish()

        with contextlib.suppress(Problem):
            if crash:  # dies before the commit; the person's phone sends it again
                with crashing(self.services.db, 1, committed=False), contextlib.suppress(Crash):
                    await run()
            await run()

    async def person(self, work: Docket, pick: int) -> Person:
        found = await people.person(work.session, f"per_{OFFICERS[pick % len(OFFICERS)]}")
        assert found is not None
        return found

    async def one(self, work: Docket, pick: int, *states: State) -> Incident | None:
        query = select(Incident).order_by(Incident.opened_at.desc(), Incident.number.desc())
        rows = list(await work.session.scalars(query.where(Incident.state.in_(states)) if states else query))
        return rows[pick % len(rows)] if rows else None

    # ------------------------------------------------------------ what happens

    @rule(where=st.sampled_from(PLACES), level=st.sampled_from(list(Level)), crash=st.sampled_from([0, 0, 1]))
    def reported(self, where: tuple[str, Hazard], level: Level, crash: int) -> None:
        async def act(work: Docket) -> None:
            open_now = list(await work.session.scalars(select(Incident).where(Incident.state.not_in(OVER))))
            placed = await places.of_zone(work.session, where[0])
            assert placed is not None
            if len(open_now) < MOST_OPEN or any(row.fold_key.endswith(where[0]) for row in open_now):
                await arrivals.open_by_hand(
                    work,
                    person=await self.person(work, 0),
                    hazard=where[1],
                    placed=placed,
                    what="烟",
                    caller="",
                    origin="phone",
                    level=level,
                    exercise=None,
                    occurred_at=None,
                )

        self.does(act, crash)

    @initialize(level=st.sampled_from([Level.I, Level.II, Level.III]), taken=st.booleans(), sent=st.booleans())
    def a_case_in_hand(self, level: Level, taken: bool, sent: bool) -> None:
        self.reported(PLACES[0], level, 0)
        if taken:
            self.acknowledges(0, 0, 0)
        if sent:
            self.sends(0, 0, "rsp_zhou", move=False, keep=False)

    @rule(pick=PICK, who=PICK, crash=st.sampled_from([0, 0, 1]))
    def acknowledges(self, pick: int, who: int, crash: int) -> None:
        async def act(work: Docket) -> None:
            if (row := await self.one(work, pick, *HANDLED, State.RESOLVED)) is not None:
                incidents.acknowledge(work, row, by(await self.person(work, who)))

        self.does(act, crash)

    @rule(pick=PICK, who=PICK, whom=st.sampled_from(sorted(RESPONDERS)), move=st.booleans(), keep=st.booleans())
    def sends(self, pick: int, who: int, whom: str, move: bool, keep: bool) -> None:
        async def act(work: Docket) -> None:
            if (row := await self.one(work, pick, *HANDLED)) is None:
                return
            person = await self.person(work, who)
            if keep:
                await offers.reserve(work, self.policy, row, whom, actor=by(person))
            else:
                await service.send(work, self.policy, row, person, whom, None, move=move)

        self.does(act)

    @rule(
        pick=PICK,
        what=st.sampled_from([*Tap, Tap.ACCEPT, Tap.DECLINE]),
        late_s=st.sampled_from([0, 0, 90]),
        crash=st.sampled_from([0, 0, 1]),
    )
    def taps(self, pick: int, what: Tap, late_s: int, crash: int) -> None:
        async def act(work: Docket) -> None:
            rows = list(await work.session.scalars(select(Assignment).order_by(Assignment.offered_at, Assignment.id)))
            if rows:
                row = rows[-1 - pick % len(rows)]
                person = await people.person(work.session, f"per_{RESPONDERS.get(row.responder_id, 'duty')}")
                found, incident = await service.assignment_for(work.session, row.id, person)
                at = self.at - timedelta(seconds=late_s)
                await service.tapped(work, self.policy, found, incident, person, what, at=at)

        self.does(act, crash)

    @rule(pick=PICK, end=st.sampled_from(["resolve", "verify", "close", "unknown", "void", "reopen", "put_off"]))
    def ends(self, pick: int, end: str) -> None:
        async def act(work: Docket) -> None:
            row = await self.one(work, pick)
            if row is None:
                return
            actor = by(await self.person(work, 0))
            if end == "resolve":
                incidents.resolve(work, row, actor)
            elif end == "verify":
                incidents.verify(work, row, actor)
            elif end in ("close", "unknown"):
                outcome = Outcome.UNKNOWN if end == "unknown" else Outcome.DANGER_CAUGHT
                incidents.close(work, row, actor, outcome=outcome)
            elif end == "void":
                incidents.void(work, row, actor, reason="重复")
            elif end == "reopen":
                incidents.reopen(work, row, actor, reason="复查")
            else:
                incidents.put_off(work, row, actor, reason="等备件", until=self.at + timedelta(hours=1))

        self.does(act)

    @rule(pick=PICK, who=PICK, minutes=st.sampled_from([5, 14]), crash=st.sampled_from([0, 0, 1]))
    def defers(self, pick: int, who: int, minutes: int, crash: int) -> None:
        async def act(work: Docket) -> None:
            if (row := await self.one(work, pick, *HANDLED, State.RESOLVED)) is not None:
                person, until = await self.person(work, who), self.at + timedelta(minutes=minutes)
                await owners.defer(work, self.policy, row, person, until=until, reason="等物业", at=None)

        self.does(act, crash)

    @rule(pick=PICK, to=st.sampled_from(OFFICERS), end=st.sampled_from([None, "accepted", "declined"]))
    def hands_off(self, pick: int, to: str, end: Any) -> None:
        async def act(work: Docket) -> None:
            row = await self.one(work, pick, *HANDLED)
            owner = await people.person(work.session, row.owner["id"]) if row is not None and row.owner else None
            if row is not None and owner is not None:
                asked = await owners.hand_off(work, self.policy, row, owner, to=f"per_{to}", note="", at=None)
                taker = await people.person(work.session, asked.to_person)
                if end is not None and taker is not None:
                    await owners.answer(work, self.policy, row, asked, taker, end)

        self.does(act)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)

    @rule(seconds=SECONDS, workers=st.integers(1, 3))
    def workers_run(self, seconds: int, workers: int) -> None:
        """One, or several racing for the same timers; what a dead one had leased comes free first."""
        self.at += timedelta(seconds=max(seconds, 31))
        self.runner.run(self._to_the_end(workers))

    @rule(seconds=SECONDS, nth=st.integers(1, 4), committed=st.booleans())
    def a_worker_dies(self, seconds: int, nth: int, committed: bool) -> None:
        """Between any two steps: before or after its first, second … commit."""
        self.at += timedelta(seconds=seconds)
        with crashing(self.services.db, nth, committed=committed), contextlib.suppress(Crash):
            self.runner.run(self._work())

    @rule(seconds=SECONDS)
    def a_worker_is_slow(self, seconds: int) -> None:
        """It leases, sleeps beyond its lease while another does it all, and then goes on where it was."""
        self.at += timedelta(seconds=seconds)
        leased = self.runner.run(timers.lease(self.services.db, "slow", self.at, timedelta(seconds=30)))
        self.at += timedelta(seconds=31)
        self.runner.run(self._to_the_end(1))
        for due in leased:
            self.runner.run(carry_out(self.services, due))

    async def _to_the_end(self, workers: int) -> None:
        for _ in range(40):
            if not sum(await asyncio.gather(*(self._work() for _ in range(workers)))):
                break
        async with self.services.db.reading() as session:
            left = list(await session.scalars(select(Timer).where(Timer.due_at <= self.at)))
        assert not left, f"still due: {[(row.kind, row.error) for row in left]}"

    async def _work(self) -> int:
        self.workers += 1
        return await run_due(self.services, f"worker-{self.workers}")

    @precondition(lambda self: self.workers > 0)
    @rule(pick=PICK)
    def a_clock_is_lost(self, pick: int) -> None:
        """A bug, or a row deleted by hand: the auditor finds the incident and starts the clock again."""
        self.runner.run(self._lose(pick))
        self.at += timedelta(seconds=61)
        self.runner.run(self._to_the_end(1))

    async def _lose(self, pick: int) -> None:
        async with self.services.db.transaction() as session:
            ids = list(await session.scalars(select(Timer.id).where(Timer.kind != "audit").order_by(Timer.id)))
            if ids:
                await session.execute(delete(Timer).where(Timer.id == ids[pick % len(ids)]))

    @rule(gone=st.sampled_from(["shifts", "duty", "back"]))
    def the_rota_breaks(self, gone: str) -> None:
        """Nobody on duty anywhere, or the officer's account closed: somebody is told all the same."""

        async def act() -> None:
            async with self.services.db.transaction() as session:
                if gone == "shifts":
                    await session.execute(delete(Shift).where(Shift.person_id.is_not(None)))
                else:
                    account = await session.get_one(Account, "per_duty")
                    account.active = gone == "back"

        self.runner.run(act())

    # ------------------------------------------------------------ what always holds

    @invariant()
    def nobody_is_forgotten(self) -> None:
        self.runner.run(self._check())

    async def _check(self) -> None:
        async with self.services.db.reading() as session:
            for row in await session.scalars(select(Incident)):
                facts = await facts_of(session, row)
                must = wanted(facts)
                rows = await session.scalars(select(Timer).where(Timer.subject == row.id))
                running = {Clock(timer.kind, timer.key) for timer in rows}
                assert running == must, f"{row.number} {row.state}: runs {running}, must {must}"
                if State(row.state) in OVER:
                    assert not running
                    assert not [one for one in facts.assignments if one[1] in LIVE], row.number
                    assert facts.deferral is None
                    assert facts.hand_off is None
                    assert not facts.reservations
                    continue
                assert running, f"{row.number} {row.state}: nobody's clock runs"
                assert row.acknowledged_at is None or row.owner is not None, f"{row.number} has no owner"
                assert row.deadline is not None
                live = {state for _, state in facts.assignments} & LIVE
                assert not (row.state == State.DISPATCHED and not live), f"{row.number}: dispatched, and nobody is"
                assert not (live & TAKEN and row.state in (State.RAISED, State.ACCEPTED))
            for table in (Deferral, HandOff):
                open_rows = list(await session.scalars(select(table.incident_id).where(table.ended_at.is_(None))))
                assert len(open_rows) == len(set(open_rows)), f"two {table.__tablename__} of one incident"
            held = select(Reservation.responder_id).where(Reservation.ended_at.is_(None))
            kept = list(await session.scalars(held))
            assert len(kept) == len(set(kept)), "one responder kept for two"

    async def _nothing_twice(self) -> None:
        """Nothing was done twice: an offer expires once, a message has one key, and no timeline is broken."""
        async with self.services.db.reading() as session:
            for row in await session.scalars(select(Incident)):
                assert await incidents.first_break(session, row) is None
            lines = list(await session.scalars(select(TimelineEntry).where(TimelineEntry.kind == "expired")))
            expired = [line.params["assignment"] for line in lines]
            assert len(expired) == len(set(expired)), "an offer expired twice"
            told = await session.scalars(select(TimelineEntry).where(TimelineEntry.params.is_not(None)))
            acts = [(line.incident_id, line.params["set_off_by"]) for line in told if "set_off_by" in line.params]
            assert len(acts) == len(set(acts)), "one timer, two acts"
            keys = list(await session.scalars(select(Notification.key)))
            assert len(keys) == len(set(keys))
            if self.services.db.is_sqlite:
                assert (await session.execute(text("PRAGMA integrity_check"))).scalar_one() == "ok"
