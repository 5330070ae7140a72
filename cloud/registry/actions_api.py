"""Routes of actions: what an edge may move by itself, how it stands, a person's word on it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people.access import STAFF, Person, Role, may_see, require
from cloud.problems import not_found
from cloud.registry import actions
from cloud.registry.actions import Verb
from cloud.registry.layers import Author
from cloud.registry.model import ActionRow, Edge, Site
from cloud.services import Services, services_of

router = APIRouter(prefix="/edges/{edge_id}/actions", tags=["registry"])
Shared = Annotated[Services, Depends(services_of)]
Staff = Annotated[Person, Depends(require(*STAFF))]
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]
Desk = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.ADMINISTRATOR))]
Id = Annotated[str, Path(max_length=64)]
Why = Annotated[str, Field(min_length=2, max_length=400)]


class ActionIn(BaseModel):
    """An action as its edge must know it."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any] = Field(description="wire.action.ActionConfig (docs/schemas/configuration.json)")
    why: Why


class Reasoned(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    why: Why


class DecisionIn(BaseModel):
    """A person's word on an action."""

    model_config = ConfigDict(extra="forbid")

    verb: Verb
    until: AwareDatetime | None = Field(None, description="Held so until then; none: see docs/edge.md")
    expires_s: float = Field(60.0, gt=0, le=3600, description="Never carried out later than this")
    why: Why


class ActionOut(BaseModel):
    """An action and how it stands, by the newest heartbeat of its edge."""

    id: str
    site: str
    config: dict[str, Any]
    state: dict[str, Any] | None
    updated_at: datetime
    updated_by: str
    why: str


class Actions(BaseModel):
    """Those that one may see."""

    items: list[ActionOut]


class Told(BaseModel):
    """The revision of the edge's configuration that has it."""

    revision: int


class Sent(BaseModel):
    """A decision on its way."""

    decision: str
    expires_at: datetime


async def _check(session: AsyncSession, person: Person, site_id: str, action_id: str) -> None:
    site = await session.get(Site, site_id)
    if site is None or not may_see(person, site.grid_path, None, site=site.id):
        raise not_found("action", action_id)


def _out(row: ActionRow, edge: Edge) -> ActionOut:
    stands = (edge.report or {}).get("actions") or []
    state = next((each for each in stands if each.get("action") == row.id), None)
    return ActionOut(
        id=row.id, site=row.site_id, config=row.config, state=state, updated_at=row.updated_at,
        updated_by=row.updated_by, why=row.why,
    )  # fmt: skip


@router.get("", summary="What an edge may move by itself")
async def list_actions(edge_id: Id, person: Staff, services: Shared) -> Actions:
    """Of the sites that one may see."""
    async with services.db.reading() as session:
        edge = await session.get(Edge, edge_id)
        if edge is None:
            raise not_found("edge", edge_id)
        found = []
        for row in await actions.rows(session, edge_id):
            site = await session.get(Site, row.site_id)
            if site is not None and may_see(person, site.grid_path, None, site=site.id):
                found.append(_out(row, edge))
        return Actions(items=found)


@router.put("", summary="Declare an action, or another in its place")
async def put_action(edge_id: Id, given: ActionIn, person: Administrator, services: Shared) -> Told:
    """Named by `config.id`; checked by the code that the edge runs."""
    by = Author(person.id, person.name, given.why)
    async with services.db.transaction() as session:
        await _check(session, person, str(given.config.get("site", "")), str(given.config.get("id", "")))
        return Told(revision=await actions.put(session, edge_id, given.config, by=by, now=services.now()))


@router.delete("/{action_id}", summary="Take an action away")
async def delete_action(
    edge_id: Id, action_id: Id, _given: Annotated[Reasoned, Body()], person: Administrator, services: Shared
) -> Told:
    """The edge switches off what is on, unless an interlock bars it."""
    async with services.db.transaction() as session:
        row = await actions.row_of(session, edge_id, action_id)
        await _check(session, person, row.site_id, action_id)
        return Told(revision=await actions.remove(session, edge_id, action_id))


@router.post("/{action_id}/decisions", summary="Move an action by hand, or hand it back", status_code=202)
async def decide(edge_id: Id, action_id: Id, given: DecisionIn, person: Desk, services: Shared) -> Sent:
    """Carried out once by the edge; what became of it comes back as a report."""
    by = Author(person.id, person.name, given.why)
    async with services.db.transaction() as session:
        row = await actions.row_of(session, edge_id, action_id)
        await _check(session, person, row.site_id, action_id)
        decision = await actions.decide(
            session, edge_id, action_id, given.verb, until=given.until, by=by, expires_s=given.expires_s,
            now=services.now(),
        )  # fmt: skip
        return Sent(decision=decision.id, expires_at=decision.expires_at)
