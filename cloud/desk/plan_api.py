"""The plan of an incident: the cards of its level, and ticking their lines."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from cloud.desk.bodies import Body, Id
from cloud.dispatch.acts import Did, once
from cloud.incidents import plan_ticks
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.people.access import Person, Role, require
from cloud.problems import Problem
from cloud.services import services_of

router = APIRouter(tags=["plans"])
Anyone = Annotated[Person, Depends(require())]
Hands = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.RESPONDER, Role.PROPERTY_MANAGER, Role.TRAINER))]


class TickBody(Body):
    """Which line of whose card."""

    role: Id = Field(description="As the card says it")
    code: Id


@router.get("/incidents/{incident_id}/plan", summary="预案: the cards of the incident's level")
async def plan(request: Request, person: Anyone, incident_id: str) -> dict[str, Any]:
    """By role, each line with its limit, who did it, and whether it is overdue."""
    services = services_of(request)
    async with services.db.reading() as session:
        row = await incidents.get(session, incident_id, person)
        found, steps = await plan_ticks.standing(session, row, services.now())
        return plan_ticks.plan_json(row, found, steps)


@router.post("/incidents/{incident_id}/plan/ticks", summary="处置卡打勾")
async def tick(request: Request, person: Hands, incident_id: str, body: TickBody) -> JSONResponse:
    """The first who says so stands; a second changes nothing. The plan after it."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await incidents.get(work.session, incident_id, person)
        if row.exercise is None and not person.has(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.RESPONDER):
            raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")
        await plan_ticks.tick(work, row, by(person), role=body.role, code=body.code, at=body.at)

        async def answer() -> Did:
            found, steps = await plan_ticks.standing(work.session, row, work.now)
            return 200, plan_ticks.plan_json(row, found, steps)

        return answer

    return await once(request, person, run)
