"""The audit chain for administrators: is all as it was written; what was decided; what is to be forgotten."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from cloud.audit import service as audit
from cloud.audit.service import Head
from cloud.desk.bodies import Because, Short
from cloud.dispatch.acts import Did, once
from cloud.incidents import forgetting
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.incidents.verification import verify
from cloud.incidents.views import incidents_json, instant
from cloud.people.access import Person, Role, require
from cloud.problems import invalid
from cloud.services import services_of

router = APIRouter(tags=["audit"])
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]


class ForgetBody(Because):
    """Which values of which line."""

    seq: int = Field(ge=1, description="Line of the timeline")
    fields: Annotated[list[Short], Field(min_length=1, max_length=50, description="`text`, `caller`, `actor.name`, …")]


@router.get("/audit/verify", summary="Was anything changed unseen?")
async def verify_all(
    request: Request,
    person: Administrator,
    expected: Annotated[str | None, Query(description="A head noted earlier, SEQ:HASH", max_length=100)] = None,
) -> dict[str, Any]:
    """Walks the audit chain and every timeline; says `intact`, or where it broke. Note the head somewhere else."""
    del person
    try:
        head = Head.read(expected) if expected else None
    except ValueError as error:
        raise invalid("expected", str(error)) from None
    async with services_of(request).db.snapshot() as session:
        return (await verify(session, head)).json()


@router.get("/audit/lines", summary="The audit chain, line by line")
async def list_lines(
    request: Request,
    person: Administrator,
    after: Annotated[int, Query(ge=0)] = 0,
    kind: Annotated[str | None, Query(max_length=40)] = None,
    subject: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """In order; people stand in it by id only."""
    del person
    async with services_of(request).db.reading() as session:
        rows = await audit.lines(session, after=after, kind=kind, subject=subject, limit=limit + 1)
    items = [
        {
            "seq": row.seq,
            "at": instant(row.at),
            "kind": row.kind,
            "subject": row.subject,
            "actor": row.actor,
            "body": row.body,
            "hash": row.hash,
        }
        for row in rows[:limit]
    ]
    return {"items": items, "next": rows[limit - 1].seq if len(rows) > limit else None}


@router.post("/incidents/{incident_id}/forget", summary="Forget personal values of a line")
async def forget(request: Request, person: Administrator, incident_id: str, body: ForgetBody) -> JSONResponse:
    """The values and their salts go for good; the chain still verifies, and says who had them forgotten, and why."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await incidents.get(work.session, incident_id, person)
        await forgetting.forget(work, row, body.seq, body.fields, by(person), reason=body.reason)

        async def answer() -> Did:
            return 200, (await incidents_json(work.session, [row]))[0]

        return answer

    return await once(request, person, run)
