"""The door for edges."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.exc import OperationalError

from cloud.intake.accept import accept
from cloud.intake.parse import BatchError, parse_batch
from cloud.people.access import edge_of
from cloud.problems import Problem
from cloud.services import services_of
from wire.event import Verdicts

router = APIRouter(tags=["edge"])


@router.post("/edge/events", summary="A batch of CloudEvents from an edge")
async def events(request: Request, edge_id: Annotated[str, Depends(edge_of)]) -> Response:
    """Takes a JSON list of CloudEvents; answers after the commit with a verdict an item (`wire.event.Verdicts`)."""
    try:
        items = parse_batch(await request.body(), edge_id)
    except BatchError as error:
        raise Problem(422, "no-batch", str(error)) from None
    try:
        verdicts = await accept(services_of(request), edge_id, items)
    except OperationalError as error:
        raise Problem(503, "database-away", "The database is away: send the batch again.") from error
    return Response(msgspec.json.encode(Verdicts(verdicts)), media_type="application/json")
