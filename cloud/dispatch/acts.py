"""A person's act on an incident: in one transaction, followed up, told to the feed, and done once."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from cloud import idempotency
from cloud.dispatch import service
from cloud.dispatch.service import Policy
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, docket
from cloud.incidents.model import Incident
from cloud.incidents.views import incidents_json
from cloud.notify import service as notify
from cloud.people.access import Person, Role, require
from cloud.problems import Problem
from cloud.retrying import retrying
from cloud.services import services_of

Desk = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.TRAINER))]
Id = Annotated[str, StringConstraints(min_length=1, max_length=260, pattern=r"^[^\x00]*$")]
Did = tuple[int, dict[str, Any]]


async def once(
    request: Request, person: Person, act: Callable[[Docket], Awaitable[Callable[[], Awaitable[Did]]]]
) -> JSONResponse:
    """Run an act in one transaction, follow it up, tell the feed, answer; the same idempotency key, once."""
    services = services_of(request)
    key = request.headers.get(idempotency.HEADER)
    print_ = idempotency.fingerprint(request.method, request.url.path, await request.body())

    async def run() -> Did:
        async with docket(services) as work:
            if key is not None:
                before = await idempotency.answered(work.session, person.id, key, print_)
                if before is not None:
                    return before
            answer = await act(work)
            await service.follow(work, Policy.of(services.settings))
            await work.finish()
            status, body = await answer()
            if key is not None:
                idempotency.keep(work.session, person.id, key, print_, status=status, answer=body, now=work.now)
            return status, body

    status, body = await retrying(run)
    return JSONResponse(body, status)


async def on_incident(
    request: Request, person: Person, incident_id: str, act: Callable[[Docket, Incident], Awaitable[None]]
) -> JSONResponse:
    """Do something with an incident that a person sees, once; the incident after it."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await incidents.get(work.session, incident_id, person)
        if row.exercise is None and not person.has(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.RESPONDER):
            raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")
        await notify.acted(work.session, person.id, row.id, work.now)  # whoever acts has heard of it
        await act(work, row)

        async def answer() -> Did:
            return 200, (await incidents_json(work.session, [row]))[0]

        return answer

    return await once(request, person, run)
