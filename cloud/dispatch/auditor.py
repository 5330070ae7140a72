"""The auditor: finds incidents that nobody is working on, makes that visible, tells those above, and mends clocks.

It is a timer like any other, so that it survives restarts and any worker may run it. It does not trust the rest of
dispatch: it compares what runs with what must run, from the tables, and says so where they differ.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import roster
from cloud.dispatch.clocks import Clock, Facts
from cloud.dispatch.keeping import keep
from cloud.dispatch.messages import UNATTENDED, tell, text_of_unattended
from cloud.dispatch.model import Assignment, Deferral, HandOff, Reservation, Unattended
from cloud.dispatch.policy import Policy
from cloud.dispatch.progress import LIVE, AssignmentState
from cloud.dispatch.watch import Finding, Owner, View, findings
from cloud.incidents.docket import SYSTEM, Docket, docket
from cloud.incidents.model import Incident
from cloud.incidents.service import entries
from cloud.incidents.states import OVER, State
from cloud.people import service as people
from cloud.people.model import Account
from cloud.people.service import new_id
from cloud.services import Services
from cloud.timers import service as timers
from cloud.timers.model import Timer
from cloud.timers.service import Due
from wire.level import Level

KIND, KEY = "audit", "incidents"
EVERY = timedelta(seconds=60)
REMIND = timedelta(minutes=30)
"""What stays forgotten is told again."""

_unattended = Gauge("shouwang_incidents_unattended", "Open findings of the auditor, exercises not counted")
_last_round = Gauge("shouwang_audit_last_round_timestamp_seconds", "When the auditor last looked at everything")


async def begin(services: Services) -> None:
    """Have the auditor look now."""
    async with services.db.transaction() as session:
        await timers.arm(session, KIND, KEY, services.now(), now=services.now())
    services.wake()


async def look_again(services: Services, due: Due) -> None:
    """One round; the next is set before it begins, so that nothing that goes wrong in it is the last."""
    async with services.db.transaction() as session:
        if not await timers.take(session, due):
            return
        await timers.arm(session, KIND, KEY, services.now() + EVERY, now=services.now())
    async with services.db.reading() as session:
        standing = set(await session.scalars(select(Unattended.incident_id).where(Unattended.ended_at.is_(None))))
        views = await gather(session, services.now())
    suspects = [one for one, view in views.items() if findings(view)]
    for incident_id in sorted({*suspects, *standing}):
        await _see_to(services, incident_id)
    async with services.db.reading() as session:
        query = select(func.count()).select_from(Unattended).join(Incident, Incident.id == Unattended.incident_id)
        _unattended.set(
            await session.scalar(query.where(Unattended.ended_at.is_(None), Incident.exercise.is_(None))) or 0
        )
    _last_round.set(services.now().timestamp())


async def _see_to(services: Services, incident_id: str) -> None:
    """Write down, mend and tell, in a transaction of its own, of one incident."""
    async with docket(services) as work:
        incident = await work.session.get_one(Incident, incident_id)
        views = await gather(work.session, work.now, incident_id)
        found = {one.code: one for one in findings(views[incident_id])} if incident_id in views else {}
        query = select(Unattended).where(Unattended.incident_id == incident_id, Unattended.ended_at.is_(None))
        rows = {row.code: row for row in await work.session.scalars(query)}
        for code, row in rows.items():
            if code not in found:
                row.ended_at = work.now
                work.touch(incident)
        for code, finding in found.items():
            await _note(work, incident, finding, rows.get(code))
        if "no_clock" in found:
            await keep(work, Policy.of(services.settings), incident)
        await work.finish()


async def _note(work: Docket, incident: Incident, finding: Finding, row: Unattended | None) -> None:
    if row is None:
        row = Unattended(
            id=new_id("una"),
            incident_id=incident.id,
            code=finding.code,
            params=finding.params,
            found_at=work.now,
            seen_at=work.now,
            told=0,
            ended_at=None,
        )
        work.session.add(row)
        text = UNATTENDED[finding.code][0]
        work.write(incident, "note", SYSTEM, {"code": f"unattended_{finding.code}", **finding.params, "text": text})
    row.params, row.seen_at = finding.params, work.now
    if row.told and work.now < row.found_at + REMIND * row.told:
        return
    row.told += 1
    told = set(await roster.leaders(work.session, incident, work.now))
    way = await roster.desks(work.session, incident, work.now)
    told |= {person for person in (way[0].desk.person, (incident.owner or {}).get("id")) if person}
    if not set(await roster.leaders(work.session, incident, work.now)):
        told |= {person for person in (way[-1].desk.person,) if person}
    for person in sorted(told):
        key = f"unattended:{row.id}:{row.told}"
        await tell(work, incident, person, "unattended", key, text_of_unattended(incident, finding.code))


# ---------------------------------------------------------------- the facts, of all open incidents at once


async def gather(session: AsyncSession, now: datetime, only: str | None = None) -> dict[str, View]:
    """How every open incident is looked after, by id."""
    query = select(Incident).where(Incident.state.not_in(OVER))
    rows = list(await session.scalars(query.where(Incident.id == only) if only else query))
    assignments: dict[str, list[Assignment]] = defaultdict(list)
    ids = [row.id for row in rows]
    for one in await session.scalars(select(Assignment).where(Assignment.incident_id.in_(ids))):
        assignments[one.incident_id].append(one)
    deferrals = await _open(session, Deferral, ids)
    hand_offs = await _open(session, HandOff, ids)
    kept = await _open(session, Reservation, ids)
    clocks: dict[str, list[Timer]] = defaultdict(list)
    for timer in await session.scalars(select(Timer).where(Timer.subject.in_(ids))):
        clocks[timer.subject or ""].append(timer)
    owners = await _owners(session, rows, now)
    open_ids = set(await session.scalars(select(Incident.id).where(Incident.state.not_in(OVER))))
    views = {}
    for row in rows:
        facts = Facts(
            incident=row.id,
            state=State(row.state),
            acknowledged=row.acknowledged_at is not None,
            assignments=[(one.id, AssignmentState(one.state)) for one in assignments[row.id]],
            deferral=next(iter(deferrals[row.id]), None),
            hand_off=next(iter(hand_offs[row.id]), None),
            reservations=kept[row.id],
            part_of_open=row.parent_id in open_ids,
        )
        view = View(
            facts=facts,
            level=Level(row.level),
            owner=owners[row.id],
            running=frozenset(Clock(timer.kind, timer.key) for timer in clocks[row.id]),
            overdue=max((now - timer.due_at for timer in clocks[row.id]), default=timedelta(0)),
            idle=now - _last_act(row, assignments[row.id]),
            late=row.late,
        )
        if any(one.code == "idle" for one in findings(view)):  # somebody may have written a note
            said = [line.at for line in await entries(session, row.id) if line.actor["kind"] == "person"]
            view = _but(view, idle=now - max([_last_act(row, assignments[row.id]), *said]))
        views[row.id] = view
    return views


def _but(view: View, *, idle: timedelta) -> View:
    return View(view.facts, view.level, view.owner, view.running, view.overdue, idle, view.late)


async def _open(
    session: AsyncSession, table: type[Deferral] | type[HandOff] | type[Reservation], ids: Sequence[str]
) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    query = select(table.incident_id, table.id).where(table.incident_id.in_(ids), table.ended_at.is_(None))
    for incident, row in await session.execute(query):
        found[incident].append(row)
    return found


def _last_act(row: Incident, assignments: Sequence[Assignment]) -> datetime:
    stamps: list[datetime | None] = [row.clock_from, row.acknowledged_at]
    for one in assignments:
        stamps += [one.acknowledged_at, one.en_route_at, one.on_scene_at, one.cleared_at, one.declined_at]
        if one.state in LIVE:
            stamps.append(one.offered_at)
    return max(at for at in stamps if at is not None)


async def _owners(session: AsyncSession, rows: Sequence[Incident], now: datetime) -> dict[str, Owner]:
    active = {one.id for one in await session.scalars(select(Account).where(Account.active))}
    shifts = [shift for shift in await people.shifts_at(session, now) if shift.person_id is not None]
    on_duty = {shift.person_id for shift in shifts}

    def stands(row: Incident) -> Owner:
        if row.owner is None:
            return Owner.NONE
        if row.owner["id"] not in active:
            return Owner.GONE
        areas = set(people.chain(row.grid_path))
        others = any(shift.area_path in areas and shift.post in roster.POSTS for shift in shifts)
        if row.exercise is None and others and row.owner["id"] not in on_duty:
            return Owner.OFF_DUTY
        return Owner.THERE

    return {row.id: stands(row) for row in rows}


# ---------------------------------------------------------------- for the screens


async def failing(session: AsyncSession, now: datetime) -> list[dict[str, Any]]:
    """Timers that have failed, or that are overdue: a worker that is dead shows here."""
    late = select(Timer).where(Timer.due_at < now - timedelta(seconds=30))
    rows = list(await session.scalars(late.order_by(Timer.due_at).limit(100)))
    return [
        {
            "kind": row.kind,
            "subject": row.subject,
            "behind_s": round((now - row.due_at).total_seconds()),
            "attempts": row.attempts,
            "error": row.error,
        }
        for row in rows
    ]
