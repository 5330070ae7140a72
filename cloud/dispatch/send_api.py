"""Who goes where: proposals, the plan for several incidents, reserving, sending, and the catalogue of tasks."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cloud.dispatch import offers, planning, roster, service, snapshots, tasks
from cloud.dispatch.acts import Desk, Did, Id, on_incident, once
from cloud.dispatch.alternatives import alternatives, gaps
from cloud.dispatch.joint import Joint, why
from cloud.dispatch.keeping import reservations_of
from cloud.dispatch.model import Reservation
from cloud.dispatch.policy import Policy
from cloud.dispatch.progress import LIVE
from cloud.dispatch.proposal import Proposal, propose
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.views import incidents_json, instant
from cloud.people.access import Person, Role, require
from cloud.problems import Problem, invalid, not_found
from cloud.services import services_of

router = APIRouter(tags=["dispatch"])
Anyone = Annotated[Person, Depends(require())]
Officer = Annotated[Person, Depends(require(Role.DUTY_OFFICER))]
Task = Annotated[str, Field(min_length=1, max_length=40, description="A code of GET /tasks; none: the role's own")]
MOST_PAIRS = 99


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    at: AwareDatetime | None = Field(None, description="When it happened on the device (offline taps)")


class DispatchBody(_Body):
    """Who is to go, and for what."""

    responder_id: Id
    task: Task | None = None
    move: bool = Field(False, description="Recall them from what is less urgent; never from what is worse")


class ReserveBody(_Body):
    """Whom to keep, and until when."""

    responder_id: Id
    until: AwareDatetime | None = Field(None, description="At most two hours away; none: ten minutes")
    task: Task | None = None


class PairBody(BaseModel):
    """One incident and who is to go there."""

    model_config = ConfigDict(extra="forbid")
    incident_id: Id
    responder_id: Id
    task: Task | None = None


class PlanBody(_Body):
    """A plan, or the part of it that the desk agrees with."""

    pairs: list[PairBody] = Field(min_length=1, max_length=MOST_PAIRS)


def proposal_json(one: Proposal) -> dict[str, Any]:
    """A responder, judged, as the API shows it."""
    return {
        "responder_id": one.responder_id,
        "name": one.name,
        "kind": one.kind,
        "role": one.role,
        "task": one.task,
        "distance_m": one.distance_m,
        "walk_min": one.walk_min,
        "recommended": one.recommended,
        "score": one.score,
        "reasons": [{"code": r.code, "ok": r.ok, "params": r.params} for r in one.reasons],
        "missing": list(one.missing),
    }


def _reservation_json(row: Reservation) -> dict[str, Any]:
    return {
        "id": row.id,
        "incident_id": row.incident_id,
        "responder": {key: row.responder[key] for key in ("id", "name", "kind")},
        "task": row.task,
        "by": row.by,
        "at": instant(row.at),
        "until": instant(row.until),
        "ended_at": instant(row.ended_at),
        "end": row.end,
    }


@router.get("/tasks", summary="任务清单：各岗位必须做、可以协助、绝不做")
async def catalogue(person: Anyone) -> dict[str, Any]:  # noqa: ARG001  any role may read it
    """What each role must do, may help with, and never does; a dispatch that goes against it is refused."""
    return tasks.as_json()


@router.get("/incidents/{incident_id}/proposals", summary="Who should go, and why")
async def proposals(
    request: Request,
    person: Desk,
    incident_id: str,
    task: Annotated[str | None, Query(max_length=40, description="For this task, not each role's own")] = None,
) -> dict[str, Any]:
    """Best first, each with reasons and what is missing; what is missing overall, and what a person could decide."""
    if task is not None and task not in tasks.catalogue().tasks:
        raise invalid("task", f"there is no task '{task:.40}'", "take one of GET /tasks")
    services = services_of(request)
    async with services.db.reading() as session:
        row = await incidents.get(session, incident_id, person)
        forces = await roster.forces(session, row.exercise, services.now())
        standing = await snapshots.assignments_of(session, incident_id)
        kept = await reservations_of(session, incident_id)
        on_it = [assignment.responder_id for assignment in standing if assignment.state in LIVE]
        need = roster.need_of(row, task=task, long_on_h=services.settings.long_duty_hours)
        result = propose(need, forces, asked=on_it)
    return {
        "items": [proposal_json(one) for one in result.items],
        "not_recommended": [{"name": name, "reason": code, "code": code} for name, code in result.not_recommended],
        "gaps": [{"code": code, "count": count} for code, count in gaps(result)],
        "alternatives": [
            {"responder_id": one.responder_id, "name": one.name, "how": one.how, "params": one.params}
            for one in alternatives(need, forces, result)
        ],
        "reservations": [_reservation_json(one) for one in kept],
    }


@router.post("/incidents/{incident_id}/dispatch", summary="派单")
async def dispatch(request: Request, person: Desk, incident_id: str, body: DispatchBody) -> JSONResponse:
    """Offers the incident to a responder; acknowledges and accepts it if nobody has yet.

    Refused (409) with the reason: a task that the role never does, somebody on a worse incident, a non-participant.
    """
    policy = Policy.of(services_of(request).settings)

    async def act(work: Docket, row: Incident) -> None:
        await service.send(work, policy, row, person, body.responder_id, body.at, task=body.task, move=body.move)

    return await on_incident(request, person, incident_id, act)


# ---------------------------------------------------------------- 预派


@router.post("/incidents/{incident_id}/reserve", summary="预派", status_code=201)
async def reserve(request: Request, person: Desk, incident_id: str, body: ReserveBody) -> JSONResponse:
    """Keeps a responder for an incident for a time, without asking him yet. A worse incident may take him over."""
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await incidents.get(work.session, incident_id, person)
        _its_desk(person, row)
        kept = await offers.reserve(
            work, policy, row, body.responder_id, actor=by(person), until=body.until, task=body.task
        )

        async def answer() -> Did:
            return 201, _reservation_json(kept)

        return answer

    return await once(request, person, run)


@router.post("/reservations/{reservation_id}/release", summary="解除预派")
async def release(request: Request, person: Desk, reservation_id: str) -> JSONResponse:
    """Lets a reservation go; again changes nothing."""
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        kept, row = await _kept(work, person, reservation_id)
        await offers.release(work, policy, row, kept, actor=by(person))

        async def answer() -> Did:
            return 200, _reservation_json(kept)

        return answer

    return await once(request, person, run)


@router.post("/reservations/{reservation_id}/offer", summary="预派转派单")
async def offer_reserved(request: Request, person: Desk, reservation_id: str) -> JSONResponse:
    """Asks whoever was kept; the incident after it."""
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        kept, row = await _kept(work, person, reservation_id)
        if kept.ended_at is not None and kept.end != "offered":
            raise Problem(409, "ended", f"This reservation has ended: {kept.end}.")
        await service.send(work, policy, row, person, kept.responder_id, None, task=kept.task)

        async def answer() -> Did:
            return 200, (await incidents_json(work.session, [row]))[0]

        return answer

    return await once(request, person, run)


def _its_desk(person: Person, row: Incident) -> None:
    if row.exercise is None and not person.has(Role.DUTY_OFFICER):
        raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")


async def _kept(work: Docket, person: Person, reservation_id: str) -> tuple[Reservation, Incident]:
    kept = await work.session.get(Reservation, reservation_id)
    if kept is None:
        raise not_found("reservation", reservation_id)
    row = await incidents.get(work.session, kept.incident_id, person)
    _its_desk(person, row)
    return kept, row


# ---------------------------------------------------------------- several incidents at once


@router.get("/dispatch/plan", summary="联合派单：几起事件同时缺人时，谁去哪里")
async def plan(
    request: Request,
    person: Officer,
    exercise: Annotated[str | None, Query(max_length=64, description="Of this exercise; none: the real ones")] = None,
) -> dict[str, Any]:
    """The joint optimum over every incident in sight to which nobody has been sent; it changes nothing.

    The worst level comes first, nobody is pulled off anything, and each pair says why it is not the nearest.
    """
    services = services_of(request)
    async with services.db.reading() as session:
        rows = [one for one in await planning.waiting(session, exercise) if incidents.sees(person, one)]
        joint = await planning.plan_for(session, rows, services.now(), Policy.of(services.settings))
    return _plan_json(rows, joint)


def _plan_json(rows: Sequence[Incident], joint: Joint) -> dict[str, Any]:
    by_id = {row.id: row for row in rows}

    def named(incident_id: str) -> dict[str, Any]:
        row = by_id[incident_id]
        return {"incident_id": row.id, "number": row.number, "level": row.level, "place": row.place["text"]}

    return {
        "pairs": [
            named(pair.need.incident) | {"responder": proposal_json(pair.proposal), "why": why(pair)}
            for pair in joint.pairs
        ],
        "unserved": [named(need.incident) for need in joint.unserved],
    }


@router.post("/dispatch/plan", summary="按联合派单一次派出")
async def send_plan(request: Request, person: Officer, body: PlanBody) -> JSONResponse:
    """Sends all pairs, or none: what no longer holds is refused with the reason, and the plan is asked for anew."""
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        rows = []
        for pair in body.pairs:
            row = await incidents.get(work.session, pair.incident_id, person)
            await service.send(work, policy, row, person, pair.responder_id, body.at, task=pair.task)
            rows.append(row)

        async def answer() -> Did:
            return 200, {"items": await incidents_json(work.session, list({row.id: row for row in rows}.values()))}

        return answer

    return await once(request, person, run)
