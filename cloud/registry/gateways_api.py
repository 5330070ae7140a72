"""Routes around edge gateways: enter them, set clocks, look at what they did not take."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud.feed.api import with_position
from cloud.people.access import STAFF, Person, Role, require, within
from cloud.problems import invalid
from cloud.registry import service, timelines
from cloud.registry.model import Edge, RejectionRow
from cloud.services import Services, services_of
from wire.report import Reason
from wire.time import Segment, Timeline

router = APIRouter()
Shared = Annotated[Services, Depends(services_of)]
Staff = Annotated[Person, Depends(require(*STAFF))]
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]
Id = Annotated[str, Path(max_length=64)]
_Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class EdgeOut(BaseModel):
    """An edge gateway and its last heartbeat."""

    id: str
    name: str
    area_path: str
    online: bool
    revision: int
    reported_at: datetime | None
    report: dict[str, Any] | None


class EdgeIn(BaseModel):
    """An edge to be entered."""

    model_config = ConfigDict(extra="forbid")

    id: _Identifier
    name: Annotated[str, Field(min_length=1, max_length=100)]
    area: Annotated[str, Field(max_length=300)]


class EnrolledEdge(BaseModel):
    """An edge with its token, shown this once."""

    edge: EdgeOut
    token: str


class EdgePage(BaseModel):
    """Edges by id."""

    items: Sequence[EdgeOut]
    next: str | None = None


class SegmentIn(BaseModel):
    """From `wall_ms` on, scenario time runs from `scenario_ms` at `rate`."""

    wall_ms: Annotated[int, Field(ge=0, le=253_402_300_799_999)]
    scenario_ms: Annotated[int, Field(ge=0, le=253_402_300_799_999)]
    rate: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class TimelineIn(BaseModel):
    """A named clock."""

    model_config = ConfigDict(extra="forbid")

    segments: Annotated[list[SegmentIn], Field(min_length=1, max_length=timelines.MAX_SEGMENTS)]
    label_zh: Annotated[str, Field(max_length=100)] = ""
    label_en: Annotated[str, Field(max_length=100)] = ""


class RejectionOut(BaseModel):
    """One row of the side table."""

    id: int
    edge_id: str
    device: str | None
    topic: str
    reason: str
    detail: str
    point: str | None
    payload_b64: str
    count: int
    received_at: datetime
    recorded_at: datetime


class RejectionPage(BaseModel):
    """Rejections, newest first."""

    items: Sequence[RejectionOut]
    next: str | None = None


@router.get("/rejections", summary="What was not taken, and why")
async def list_rejections(
    person: Staff,
    services: Shared,
    edge: Annotated[str | None, Query(max_length=64)] = None,
    device: Annotated[str | None, Query(max_length=64)] = None,
    reason: Reason | None = None,
    cursor: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> RejectionPage:
    """The side table, newest first."""
    query = select(RejectionRow).order_by(RejectionRow.id.desc()).limit(limit + 1)
    area = person.area_path.rstrip("/")
    query = query.where(
        (RejectionRow.grid_path == area) | RejectionRow.grid_path.startswith(area + "/", autoescape=True)
    )
    for column, value in ((RejectionRow.edge_id, edge), (RejectionRow.device, device), (RejectionRow.reason, reason)):
        if value is not None:
            query = query.where(column == value)
    if cursor is not None:
        query = query.where(RejectionRow.id < cursor)
    async with services.db.reading() as session:
        rows = list(await session.scalars(query))
    items = [RejectionOut.model_validate(row, from_attributes=True) for row in rows[:limit]]
    return RejectionPage(items=items, next=str(items[-1].id) if len(rows) > limit else None)


@router.get("/edges", summary="Edge gateways", dependencies=[Depends(with_position)])
async def list_edges(person: Staff, services: Shared) -> EdgePage:
    """Edges that serve one's area."""
    async with services.db.reading() as session:
        edges = list(await session.scalars(select(Edge).order_by(Edge.id)))
        near = [e for e in edges if within(person.area_path, e.area_path) or within(e.area_path, person.area_path)]
        items = [EdgeOut.model_validate(await service.edge_out(session, edge)) for edge in near]
    return EdgePage(items=items)


@router.post("/edges", status_code=201, summary="Enter an edge gateway")
async def add_edge(new: EdgeIn, _person: Administrator, services: Shared, response: Response) -> EnrolledEdge:
    """The token is shown this once: put it into the edge's token file (mode 0600)."""
    response.headers["Cache-Control"] = "no-store"
    async with services.db.transaction() as session:
        edge, token = await service.add_edge(session, new.id, new.name, new.area, now=services.now())
        return EnrolledEdge(edge=EdgeOut.model_validate(await service.edge_out(session, edge)), token=token)


@router.post("/edges/{edge_id}/token", summary="Give an edge a new token")
async def renew_edge_token(edge_id: Id, _person: Administrator, services: Shared, response: Response) -> EnrolledEdge:
    """Every earlier token ends at once."""
    response.headers["Cache-Control"] = "no-store"
    async with services.db.transaction() as session:
        token = await service.renew_edge_token(session, edge_id, now=services.now())
        edge = await session.get_one(Edge, edge_id)
        return EnrolledEdge(edge=EdgeOut.model_validate(await service.edge_out(session, edge)), token=token)


@router.put("/timelines/{name}", status_code=204, summary="Set a named clock")
async def put_timeline(name: Id, given: TimelineIn, _person: Administrator, services: Shared) -> None:
    """Only devices registered on it live by it; real time cannot be set, and no device can be moved off it."""
    segments = tuple(Segment(**segment.model_dump()) for segment in given.segments)
    async with services.db.transaction() as session:
        if await service.is_issued(session, name):
            raise invalid("name", f"'{name}' is a drill: its clock is run by the drill")
        value = Timeline(name=name, segments=segments)
        await service.put_timeline(session, value, label_zh=given.label_zh, label_en=given.label_en)
