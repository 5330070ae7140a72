"""Photos and voice notes: up, listed, down; erased by an administrator."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from cloud.audit import service as audit
from cloud.desk.bodies import Because
from cloud.dispatch.acts import Did, once
from cloud.incidents import attachments
from cloud.incidents import service as incidents
from cloud.incidents.attachments import TYPES, Store
from cloud.incidents.docket import Docket, by
from cloud.incidents.model import Attachment, Incident
from cloud.people.access import Person, Role, require
from cloud.problems import Problem, not_found
from cloud.services import Services, services_of

router = APIRouter(tags=["attachments"])
Anyone = Annotated[Person, Depends(require())]
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]
Hands = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.RESPONDER, Role.PROPERTY_MANAGER, Role.TRAINER))]
_CONTENT = {name: {"schema": {"type": "string", "format": "binary"}} for name in TYPES}


def store_of(services: Services) -> Store:
    """Where the files lie: `attachments` in the data folder, which all processes of one cloud share."""
    return Store(services.settings.data_dir / "attachments")


@router.post(
    "/incidents/{incident_id}/attachments",
    summary="A photo or a voice note",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
)
async def add(
    request: Request,
    person: Hands,
    incident_id: str,
    note: Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")] = "",
    at: Annotated[AwareDatetime | None, Query(description="When it was taken (offline)")] = None,
) -> JSONResponse:
    """The body is the file itself (photo ≤ 8 MiB, voice ≤ 4 MiB); 415 when it is not what its type says."""
    services = services_of(request)
    async with services.db.reading() as session:
        await incidents.get(session, incident_id, person)  # before anything is written to the disk
    content = await request.body()
    media_type = attachments.judge(request.headers.get("content-type", ""), content)
    digest = await asyncio.to_thread(store_of(services).keep, content)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        if incident.exercise is None and not person.has(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.RESPONDER):
            raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")
        row = await attachments.add(
            work,
            incident,
            by(person),
            digest=digest,
            media_type=media_type,
            size=len(content),
            note=note,
            at=at,
        )

        async def answer() -> Did:
            return 201, attachments.attachment_json(row)

        return answer

    return await once(request, person, run)


@router.get("/incidents/{incident_id}/attachments", summary="Photos and voice notes of an incident")
async def of_incident(request: Request, person: Anyone, incident_id: str) -> dict[str, Any]:
    """In the order in which they came; erased ones without their content."""
    async with services_of(request).db.reading() as session:
        incident = await incidents.get(session, incident_id, person)
        rows = await attachments.of_incident(session, incident.id)
    return {"items": [attachments.attachment_json(row) for row in rows], "next": None}


@router.get(
    "/attachments/{attachment_id}",
    summary="The content of one",
    response_class=Response,
    responses={200: {"content": _CONTENT}},
)
async def content(request: Request, person: Anyone, attachment_id: str) -> Response:
    """To whoever sees its incident. 410 when it was erased, 409 when the file is not what was uploaded."""
    services = services_of(request)
    async with services.db.reading() as session:
        row = await session.get(Attachment, attachment_id)
        incident = await session.get(Incident, row.incident_id) if row else None
    if row is None or incident is None or not incidents.sees(person, incident):
        raise not_found("attachment", attachment_id)
    if row.erased_at is not None:
        raise Problem(410, "erased", "Its content was erased; the timeline keeps that there was one.")
    found = await asyncio.to_thread(store_of(services).read, row.digest)
    if found is None:
        raise Problem(409, "file-damaged", "The file is gone or is not what was uploaded (its digest differs).")
    return Response(
        found,
        media_type=row.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{row.id}.{TYPES[row.media_type].suffix}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, no-store",
        },
    )


@router.post("/attachments/{attachment_id}/erase", summary="Erase the content")
async def erase(request: Request, person: Administrator, attachment_id: str, body: Because) -> JSONResponse:
    """The content goes for good; its digest and who erased it stay, and the chain still verifies."""
    services = services_of(request)
    gone: list[str] = []

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await work.session.get(Attachment, attachment_id)
        incident = await work.session.get(Incident, row.incident_id) if row else None
        if row is None or incident is None or not incidents.sees(person, incident):
            raise not_found("attachment", attachment_id)
        gone.clear()
        if row.erased_at is None:
            row.erased_at, row.note = work.now, ""
            if not await attachments.others_with(work.session, row):
                gone.append(row.digest)
            params = {"attachment": row.id, "reason": body.reason}
            work.write(incident, "attachment_erased", by(person), params)
            await work.session.flush()
            await audit.append(
                work.session,
                kind="attachment_erased",
                now=work.now,
                subject=row.id,
                actor=person.id,
                body={"incident": incident.id, "sha256": row.digest},
            )

        async def answer() -> Did:
            return 200, attachments.attachment_json(row)

        return answer

    answer = await once(request, person, run)
    for digest in gone:
        await asyncio.to_thread(store_of(services).drop, digest)
    return answer
