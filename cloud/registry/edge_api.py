"""What an edge asks: its whole configuration, and every change after a revision."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from cloud.feed import stream
from cloud.feed.service import EDGE_KIND, Entry, Reset
from cloud.people.access import edge_of
from cloud.problems import Problem
from cloud.registry import service
from cloud.services import Services, services_of
from wire.configuration import EdgeChange

router = APIRouter(prefix="/edge", tags=["edge"])
Shared = Annotated[Services, Depends(services_of)]
OwnEdge = Annotated[str, Depends(edge_of)]
_BEAT_S = 10.0


@router.get("/configuration", summary="Everything the edge needs", response_class=Response)
async def get_configuration(edge: OwnEdge, services: Shared) -> Response:
    """A `wire.configuration.EdgeDocument`; follow `/edge/changes` after its revision."""
    async with services.db.reading() as session:
        document = await service.document(session, edge, now=services.now())
    return Response(msgspec.json.encode(document), media_type="application/json")


@router.get("/changes", summary="Follow changes of the configuration", response_class=EventSourceResponse)
async def follow_changes(
    edge: OwnEdge,
    services: Shared,
    after: Annotated[int, Query(ge=0, description="Revision already known")] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventSourceResponse:
    """Server-sent events `change`, id = revision, data = `wire.configuration.EdgeChange`; 410 = list again."""
    position = int(last_event_id) if last_event_id and last_event_id.isdigit() and len(last_event_id) < 19 else after
    kind = EDGE_KIND + edge
    if isinstance(await services.feed.after(position, kind=kind), Reset):
        raise Problem(410, "list-again", f"Revision {position} is older than what is kept: get the configuration.")

    async def chosen(page: Sequence[Entry]) -> list[bytes]:
        return [_change(entry) for entry in page if entry.kind == kind]

    async def beat() -> ServerSentEvent | None:
        return ServerSentEvent(comment="alive")

    events: AsyncIterator[ServerSentEvent | bytes] = stream.events(
        services.feed,
        position,
        chosen=chosen,
        reset=lambda _reset: ServerSentEvent(comment="list again"),
        heartbeat=beat,
        heartbeat_s=_BEAT_S,
        goes_on=lambda _reset: False,
        kind=kind,
    )
    return stream.response(events)


def _change(entry: Entry) -> bytes:
    value = entry.value or {}
    body = None if value["value"] is None else msgspec.Raw(msgspec.json.encode(value["value"]))
    change = EdgeChange(revision=entry.position, kind=value["kind"], key=entry.key, value=body)
    return ServerSentEvent(msgspec.json.encode(change).decode(), event="change", id=str(entry.position)).encode()
