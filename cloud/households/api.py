"""Routes of household cards: kept by site, imported by table, read for a stated purpose; and of knock lists."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from cloud.audit import service as audit
from cloud.dispatch.acts import Did, once
from cloud.households import cards, import_table, imports, knock_api
from cloud.households.bodies import CardBody, ReasonBody
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket
from cloud.incidents.states import OVER, State
from cloud.people.access import Person, Role, require
from cloud.problems import Problem, conflict, invalid
from cloud.services import services_of

router = APIRouter(tags=["households"])
router.include_router(knock_api.router)
Keeper = Annotated[Person, Depends(require(Role.PROPERTY_MANAGER, Role.DUTY_OFFICER))]
Eraser = Annotated[Person, Depends(require(Role.PROPERTY_MANAGER, Role.DUTY_OFFICER, Role.ADMINISTRATOR))]


def _keep(request: Request) -> timedelta:
    return timedelta(days=services_of(request).settings.household_retention_days)


@router.get("/households", summary="住户应急信息卡 of a site")
async def list_cards(
    request: Request,
    response: Response,
    person: Keeper,
    site_id: Annotated[str, Query(max_length=64)],
    purpose: Annotated[
        str, Query(max_length=200, description="`incident:<id>` while responding there; else why, e.g. upkeep")
    ],
    building_id: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """For upkeep by whoever looks after the site, or while responding there; every read is audited."""
    response.headers["Cache-Control"] = "no-store"
    services = services_of(request)
    async with services.db.transaction() as session:
        site = await cards.site_of(session, person, site_id)
        if purpose.startswith("incident:"):
            incident = await incidents.get(session, purpose.removeprefix("incident:"), person)
            if State(incident.state) in OVER:
                raise conflict("over", f"Incident {incident.number} is {incident.state}: nobody responds there now.")
            if incident.site_id != site.id:
                raise invalid("purpose", f"incident {incident.number} is not at {site.name}")
        elif len(purpose.strip()) < 2:
            raise invalid("purpose", "is empty", "say what the cards are read for")
        elif not person.has(Role.PROPERTY_MANAGER):
            raise Problem(403, "not-responding", "The desk reads cards while it responds there: purpose=incident:<id>.")
        buildings = [building_id] if building_id else await cards.buildings_of(session, site.id)
        rows = [row for row in await cards.of_buildings(session, buildings) if row.site_id == site.id]
        await cards.note_read(session, person, subject=site.id, purpose=purpose, cards=len(rows), now=services.now())
    keep = _keep(request)
    return {"items": [cards.card_json(row, keep=keep) for row in rows], "flags": cards.flags_json(), "next": None}


@router.put("/households", summary="Enter or replace the card of a door")
async def put(request: Request, person: Keeper, body: CardBody) -> JSONResponse:
    """No names, numbers or illnesses: what looks like one is refused. Flags need the household's consent."""
    keep = _keep(request)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        site = await cards.site_of(work.session, person, body.site_id)
        card = cards.Card(
            body.building_id,
            body.section,
            body.floor,
            body.door,
            body.persons,
            [str(flag) for flag in body.flags],
            body.key_with,
            body.note,
            body.consent,
        )
        row = await cards.put(work.session, site, card, person, work.now)
        await audit.append(work.session, kind="household_put", now=work.now, subject=row.id, actor=person.id)

        async def answer() -> Did:
            return 200, cards.card_json(row, keep=keep)

        return answer

    return await once(request, person, run)


@router.post("/households/{household_id}/review", summary="It is still so")
async def review(request: Request, person: Keeper, household_id: str) -> JSONResponse:
    """Asked at the door: the card is kept for another span."""
    keep = _keep(request)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await cards.review(work.session, household_id, person, work.now)

        async def answer() -> Did:
            return 200, cards.card_json(row, keep=keep)

        return answer

    return await once(request, person, run)


@router.post("/households/{household_id}/erase", summary="Erase a card")
async def erase(request: Request, person: Eraser, household_id: str, body: ReasonBody) -> JSONResponse:
    """For good, as when the household asks for it; that there was one and who erased it stays."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        await cards.erase(work.session, household_id, person, reason=body.reason, now=work.now)

        async def answer() -> Did:
            return 200, {"erased": household_id}

        return answer

    return await once(request, person, run)


@router.get("/households/import/template.csv", summary="An empty table", response_class=Response)
async def template(_person: Keeper) -> Response:
    """Building, stairwell, floor, door, persons, flags, key_with, note, consent. No column for a name."""
    headers = {"Content-Disposition": 'attachment; filename="households-template.csv"'}
    return Response(import_table.template().encode(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/households/import", summary="Household cards from a table", openapi_extra={
    "requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}, "multipart/form-data": {
        "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}}}})  # fmt: skip
async def import_cards(
    request: Request,
    response: Response,
    person: Keeper,
    site_id: Annotated[str, Query(max_length=64)],
    dry_run: Annotated[bool, Query(description="Judge only")] = True,
) -> imports.ImportResult:
    """A verdict per row; nothing is applied if any row is wrong. What the table says again counts as reviewed."""
    data = await _uploaded(request)
    response.headers["Cache-Control"] = "no-store"
    services = services_of(request)
    async with services.db.transaction() as session:
        site = await cards.site_of(session, person, site_id)
        judged = await imports.judge(session, site, data)
        if dry_run or judged.result.counts["error"]:
            return judged.result
        done = await imports.apply(session, site, judged, person, services.now())
        body = {key: count for key, count in done.counts.items() if count}
        await audit.append(
            session, kind="households_imported", now=services.now(), subject=site.id, actor=person.id, body=body
        )
        return done


async def _uploaded(request: Request) -> bytes:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=5) as form:
        file = form.get("file")
        if file is None or isinstance(file, str):
            raise invalid("file", "is missing", "send the table in a form field named file")
        return await file.read()
