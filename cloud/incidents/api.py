"""Reading incidents. What people do with them stands in `cloud/dispatch/api.py`, where desk and assignments meet."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from cloud.feed import service as feed
from cloud.incidents import service
from cloud.incidents.verification import anchored
from cloud.incidents.views import entry_json, incidents_json
from cloud.people.access import Person, require
from cloud.services import services_of

router = APIRouter(tags=["incidents"])
Anyone = Annotated[Person, Depends(require())]
POSITION = "X-Feed-Position"


@router.get("/incidents", summary="Incidents in one's sight, newest first")
async def incidents(
    request: Request,
    response: Response,
    person: Anyone,
    state: Literal["open", "closed", "all"] = "open",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> dict[str, Any]:
    """A page; `X-Feed-Position` is where to go on with the feed, so that list and feed have no hole."""
    async with services_of(request).db.reading() as session:
        response.headers[POSITION] = str(await feed.position(session))
        rows, following = await service.page(session, person, state=state, cursor=cursor, limit=limit)
        return {"items": await incidents_json(session, rows), "next": following}


@router.get("/incidents/{incident_id}", summary="One incident")
async def incident(request: Request, response: Response, person: Anyone, incident_id: str) -> dict[str, Any]:
    """404 for one that does not exist and for one that the person may not know of, alike."""
    async with services_of(request).db.reading() as session:
        response.headers[POSITION] = str(await feed.position(session))
        row = await service.get(session, incident_id, person)
        return (await incidents_json(session, [row]))[0]


@router.get("/incidents/{incident_id}/timeline", summary="处置过程")
async def timeline(request: Request, response: Response, person: Anyone, incident_id: str) -> dict[str, Any]:
    """Every line in order; `chain_intact`: the hash chain holds, and the audit chain holds its head."""
    async with services_of(request).db.snapshot() as session:  # lines, incident and audit chain of one moment
        response.headers[POSITION] = str(await feed.position(session))
        row = await service.get(session, incident_id, person)
        lines = await service.entries(session, incident_id)
        intact = await service.first_break(session, row) is None and await anchored(session, row)
        return {"items": [entry_json(line) for line in lines], "next": None, "chain_intact": intact}
