"""Routes of the rulebook: what holds for a device and why, layers of places, their history, back to an earlier one."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people.access import STAFF, Person, Role, may_see, require
from cloud.problems import Problem, invalid, not_found
from cloud.registry import service as registry
from cloud.registry.layers import Author, Scope
from cloud.registry.model import Edge, RuleLayerRevision
from cloud.rulebook import service
from cloud.rulebook.service import Outcome, Place, State
from cloud.services import Services, services_of
from rules.layers import Traced

router = APIRouter(prefix="/rulebook", tags=["rulebook"])
Shared = Annotated[Services, Depends(services_of)]
Staff = Annotated[Person, Depends(require(*STAFF))]
Author_ = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.ADMINISTRATOR))]
ScopeName = Annotated[Scope, Path(description="site, building, zone or device")]
Id = Annotated[str, Path(max_length=64)]
_Key = Annotated[str, Field(min_length=1, max_length=64)]
Declarations = Annotated[dict[_Key, dict[str, Any] | None], Field(max_length=50)]
Why = Annotated[str, Field(min_length=2, max_length=500, description="The reason; kept with the revision")]
IfMatch = Annotated[str | None, Header(description="The revision that was looked at, as its ETag; 0: none yet")]
DryRun = Annotated[bool, Query(description="Judge only: what would it do?")]


class LayerIn(BaseModel):
    """What a place (or a device) is to say, whole."""

    model_config = ConfigDict(extra="forbid")

    rules: Declarations = Field({}, description="By rule, over what lies below; null takes a rule away")
    quality: Declarations = Field({}, description="By point; null takes its tests away")
    why: Why


class RevertIn(BaseModel):
    """Back to what an earlier revision left."""

    model_config = ConfigDict(extra="forbid")

    revision: Annotated[int, Field(ge=0, description="0: as before the first change")]
    why: Why


class LayerOut(BaseModel):
    """What a place says of rules and tests; empty where it says nothing."""

    scope: Scope
    id: str
    name: str
    site_id: str
    revision: int
    rules: dict[str, dict[str, Any] | None]
    quality: dict[str, dict[str, Any] | None]
    changed_at: datetime | None
    changed_by: str | None
    why: str | None


class EasedOut(BaseModel):
    """Where the rules call later than those of the model (defaults of its family, profile)."""

    profile: str
    devices: int
    rule: str
    key: str = Field(description="Empty: the rule is taken away")
    standard: Any
    now: Any


class ToldEdge(BaseModel):
    """An edge that is told, and whether it has it."""

    edge: str
    revision: int = Field(description="Of its configuration, with the change")
    running: int | None = Field(description="That it said it runs, last")


class ChangeOut(BaseModel):
    """What a change did, or would do."""

    layer: LayerOut
    devices: int = Field(description="Under it")
    changed: list[str] = Field(description="Whose rules or tests became others; the first 1,000")
    unused: list[str] = Field(description="What fits no device under it: mistyped, or for devices to come")
    eased: list[EasedOut]
    edges: list[ToldEdge]


class RevisionOut(BaseModel):
    """One change."""

    revision: int
    act: Literal["put", "revert", "delete"]
    at: datetime
    by: str | None
    by_name: str
    why: str
    before: dict[str, Any] | None = Field(description="{rules, quality}; null: nothing")
    after: dict[str, Any] | None
    eased: list[dict[str, Any]]


class History(BaseModel):
    """The newest first."""

    items: list[RevisionOut]
    next: int | None = Field(description="`before` of the next page")


class TracedOut(BaseModel):
    """A rule, or the tests of a point, with the layer that each value comes from."""

    declaration: dict[str, Any]
    origin: dict[str, str] = Field(description="By key path: family, profile, `site '…'`, …, `device '…'`")


class LayerRef(BaseModel):
    """A layer that lies over a device."""

    scope: Scope
    id: str
    revision: int


class EffectiveOut(BaseModel):
    """What holds for a device."""

    device: str
    profile: str
    revision: int = Field(description="Of its own rules")
    rules: dict[str, TracedOut]
    quality: dict[str, TracedOut]
    taken_away: dict[str, str] = Field(description="Rules (quality.<point>) that a layer took away: which")
    layers: list[LayerRef]
    edge: ToldEdge


class ScopeOut(BaseModel):
    """A place that may have a layer."""

    scope: Scope
    id: str
    name: str
    site_id: str
    building_id: str | None
    devices: int
    revision: int
    rules: list[str]
    quality: list[str]


class Scopes(BaseModel):
    """Site, then buildings, then zones."""

    items: list[ScopeOut]


async def _place(session: AsyncSession, person: Person, scope: Scope, place_id: str) -> Place:
    place = await service.place_of(session, scope, place_id)
    if not may_see(person, place.site.grid_path, None, site=place.site.id):
        raise not_found(scope, place_id)
    return place


def _expected(given: str | None) -> int:
    if given is None:
        raise Problem(428, "which-revision", "Say in If-Match which revision you looked at (its ETag).")
    found = re.fullmatch(r'"?(\d{1,9})"?', given.strip())
    if found is None:
        raise invalid("If-Match", f"'{given[:40]}' is no revision", "send the ETag of the layer")
    return int(found[1])


def _layer(state: State) -> LayerOut:
    last = state.last
    return LayerOut(
        scope=state.place.scope, id=state.place.id, name=state.place.name, site_id=state.place.site.id,
        revision=state.revision, rules=state.content["rules"], quality=state.content["quality"],
        changed_at=last.at if last else None, changed_by=last.by_name if last else None,
        why=last.why if last else None,
    )  # fmt: skip


async def _told(session: AsyncSession, edges: Mapping[str, int]) -> list[ToldEdge]:
    rows = await session.execute(select(Edge.id, Edge.report).where(Edge.id.in_(edges)).order_by(Edge.id))
    return [ToldEdge(edge=name, revision=edges[name], running=(report or {}).get("revision")) for name, report in rows]


async def _change(session: AsyncSession, outcome: Outcome, response: Response) -> ChangeOut:
    response.headers["ETag"] = f'"{outcome.state.revision}"'
    verdict = outcome.verdict
    return ChangeOut(
        layer=_layer(outcome.state), devices=verdict.devices, changed=verdict.changed[:1000], unused=verdict.unused,
        eased=[EasedOut.model_validate(one) for one in verdict.eased], edges=await _told(session, outcome.edges),
    )  # fmt: skip


@router.get("/scopes", summary="Places that may have rules of their own")
async def list_scopes(person: Staff, services: Shared, site: Annotated[str, Query(max_length=64)]) -> Scopes:
    """A site with its buildings and zones, what each says, and how many devices are under it."""
    async with services.db.reading() as session:
        place = await _place(session, person, "site", site)
        found = await service.scopes(session, place.site)
    return Scopes(items=[ScopeOut.model_validate(msgspec.to_builtins(one)) for one in found])


@router.get("/devices/{device_id}", summary="What holds for a device, and where it comes from")
async def get_effective(device_id: Id, person: Staff, services: Shared) -> EffectiveOut:
    """Rules and tests of all layers together, with the layer of each value."""
    async with services.db.reading() as session:
        place = await _place(session, person, "device", device_id)
        assert place.device is not None
        found = await service.effective(session, place.device)
        revision = await registry.revision(session, place.device.edge_id)
        edge = (await _told(session, {place.device.edge_id: revision}))[0]
    return EffectiveOut(
        device=device_id,
        profile=place.device.profile,
        revision=found.revision,
        rules=_traced(found.origins.rules),
        quality=_traced(found.origins.quality),
        taken_away=dict(found.origins.taken_away),
        layers=[LayerRef(scope=one.scope, id=one.id, revision=one.revision) for one in found.layers],
        edge=edge,
    )


def _traced(parts: Mapping[str, Traced]) -> dict[str, TracedOut]:
    return {
        name: TracedOut(declaration=dict(part.declaration), origin=dict(part.origin)) for name, part in parts.items()
    }


@router.get("/layers/{scope}/{place_id}", summary="What a place says")
async def get_layer(scope: ScopeName, place_id: Id, person: Staff, services: Shared, response: Response) -> LayerOut:
    """Its revision is the ETag; a change must name it."""
    async with services.db.reading() as session:
        state = await service.state_of(session, await _place(session, person, scope, place_id))
    response.headers["ETag"] = f'"{state.revision}"'
    return _layer(state)


@router.put("/layers/{scope}/{place_id}", summary="Let a place say something else")
async def put_layer(
    scope: ScopeName,
    place_id: Id,
    given: LayerIn,
    person: Author_,
    services: Shared,
    response: Response,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> ChangeOut:
    """Judged against every device under it as edges do; a new revision, with who, when and why. Edges are told."""
    content = {"rules": given.rules, "quality": given.quality}
    expected, by = _expected(if_match), Author(person.id, person.name, given.why)
    async with services.db.reading() if dry_run else services.db.transaction() as session:
        place = await _place(session, person, scope, place_id)
        outcome = await service.put(
            session, place, content, expected=expected, by=by, now=services.now(), dry_run=dry_run
        )
        return await _change(session, outcome, response)


@router.delete("/layers/{scope}/{place_id}", summary="Let a place say nothing any more")
async def delete_layer(
    scope: ScopeName,
    place_id: Id,
    person: Author_,
    services: Shared,
    response: Response,
    why: Annotated[str, Query(min_length=2, max_length=500)],
    if_match: IfMatch = None,
) -> ChangeOut:
    """Its history stays."""
    expected, by = _expected(if_match), Author(person.id, person.name, why)
    async with services.db.transaction() as session:
        place = await _place(session, person, scope, place_id)
        outcome = await service.put(
            session, place, service.EMPTY, expected=expected, by=by, now=services.now(), act="delete"
        )
        return await _change(session, outcome, response)


@router.post("/layers/{scope}/{place_id}/revert", summary="Back to an earlier revision")
async def revert_layer(
    scope: ScopeName,
    place_id: Id,
    given: RevertIn,
    person: Author_,
    services: Shared,
    response: Response,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> ChangeOut:
    """What that revision left becomes a new revision; judged like any other change."""
    expected, by = _expected(if_match), Author(person.id, person.name, given.why)
    async with services.db.reading() if dry_run else services.db.transaction() as session:
        place = await _place(session, person, scope, place_id)
        outcome = await service.revert(
            session, place, given.revision, expected=expected, by=by, now=services.now(), dry_run=dry_run
        )
        return await _change(session, outcome, response)


@router.get("/layers/{scope}/{place_id}/history", summary="Every change of what a place says")
async def get_history(
    scope: ScopeName,
    place_id: Id,
    person: Staff,
    services: Shared,
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> History:
    """Who, when, why, before and after; the newest first."""
    async with services.db.reading() as session:
        place = await _place(session, person, scope, place_id)
        rows: Sequence[RuleLayerRevision] = await service.history(session, place, before=before, limit=limit + 1)
    items = [RevisionOut.model_validate(row, from_attributes=True) for row in rows[:limit]]
    return History(items=items, next=items[-1].revision if len(rows) > limit else None)
