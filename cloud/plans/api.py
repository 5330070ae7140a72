"""预案: what holds at a site, its history; changed with the reason, whole, against the revision one has seen."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.idempotency import Did, once
from cloud.people.access import STAFF, Person, Role, may_see, require
from cloud.plans import service
from cloud.plans.library import shipped
from cloud.plans.plan import written
from cloud.plans.service import Effective
from cloud.problems import Problem, invalid, not_found
from cloud.registry.model import Site
from cloud.services import Services, services_of
from wire.alert import Hazard

router = APIRouter(prefix="/plans", tags=["plans"])
Shared = Annotated[Services, Depends(services_of)]
Staff = Annotated[Person, Depends(require(*STAFF))]
Author = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.ADMINISTRATOR))]
SiteId = Annotated[str, Path(max_length=64)]
Why = Annotated[str, Field(min_length=2, max_length=500, description="The reason; kept with the revision")]
IfMatch = Annotated[str | None, Header(description="The revision that was looked at, as its ETag; 0: none yet")]


class PlanIn(BaseModel):
    """A site's own plan, whole: `levels` and `cards` as the shipped ones have them."""

    model_config = ConfigDict(extra="forbid")

    plan: dict[str, Any]
    why: Why


class RevertIn(BaseModel):
    """Back to what an earlier revision said."""

    model_config = ConfigDict(extra="forbid")

    revision: Annotated[int, Field(ge=0, description="0: as shipped")]
    why: Why


class PlanOut(BaseModel):
    """What holds."""

    hazard: Hazard
    site_id: str | None
    own: bool = Field(description="The site's own; false: as shipped")
    revision: int
    changed_at: datetime | None
    changed_by: str | None
    why: str | None
    plan: dict[str, Any]


class RevisionOut(BaseModel):
    """One change."""

    revision: int
    act: Literal["put", "revert", "delete"]
    at: datetime
    by: str
    by_name: str
    why: str
    content: dict[str, Any] = Field(description="The plan, whole; empty: as shipped again")


class History(BaseModel):
    """The newest first."""

    items: list[RevisionOut]
    next: None = None


class Plans(BaseModel):
    """One a hazard."""

    items: list[PlanOut]
    next: None = None


def _out(found: Effective, site_id: str | None) -> PlanOut:
    last = found.last
    return PlanOut(
        hazard=found.plan.hazard, site_id=site_id, own=found.own, revision=found.revision,
        changed_at=last.at if last else None, changed_by=last.by_name if last else None,
        why=last.why if last else None, plan=written(found.plan),
    )  # fmt: skip


async def _site(session: AsyncSession, person: Person, site_id: str) -> Site:
    site = await session.get(Site, site_id)
    if site is None or not may_see(person, site.grid_path, None, site=site.id):
        raise not_found("site", site_id)
    return site


def _headers(answer: dict[str, Any]) -> dict[str, str]:
    return {"ETag": f'"{answer["revision"]}"'}


def _answer(found: Effective, site_id: str) -> Did:
    return 200, _out(found, site_id).model_dump(mode="json")


def _expected(given: str | None) -> int:
    if given is None:
        raise Problem(428, "which-revision", "Say in If-Match which revision you looked at (its ETag).")
    found = re.fullmatch(r'"?(\d{1,9})"?', given.strip())
    if found is None:
        raise invalid("If-Match", f"'{given[:40]}' is no revision", "send the ETag of the plan")
    return int(found[1])


@router.get("", summary="预案 of every hazard")
async def list_plans(
    person: Staff,
    services: Shared,
    site: Annotated[str | None, Query(max_length=64, description="As they hold at this site; else as shipped")] = None,
) -> Plans:
    """As shipped, or as they hold at a site."""
    async with services.db.reading() as session:
        if site is not None:
            await _site(session, person, site)
        found = [await service.effective(session, site, hazard) for hazard in shipped()]
    return Plans(items=[_out(one, site) for one in found])


@router.get("/{hazard}/sites/{site_id}", summary="预案 of a site")
async def get_plan(hazard: Hazard, site_id: SiteId, person: Staff, services: Shared, response: Response) -> PlanOut:
    """What holds there; its revision is the ETag, and a change must name it."""
    async with services.db.reading() as session:
        await _site(session, person, site_id)
        found = await service.effective(session, site_id, hazard)
    response.headers["ETag"] = f'"{found.revision}"'
    return _out(found, site_id)


@router.put("/{hazard}/sites/{site_id}", summary="修订预案", response_model=PlanOut)
async def put_plan(
    request: Request,
    hazard: Hazard,
    site_id: SiteId,
    given: PlanIn,
    person: Author,
    services: Shared,
    if_match: IfMatch = None,
) -> JSONResponse:
    """A plan of the site's own, whole; 422 names every fault (more than seven lines, a role that is none, …)."""
    expected, plan = _expected(if_match), service.judged(given.plan, hazard)

    async def act(session: AsyncSession) -> Did:
        site = await _site(session, person, site_id)
        found = await service.put(
            session, site, hazard, plan, expected=expected, person=person, why=given.why, now=services.now()
        )
        return _answer(found, site_id)

    return await once(request, person, act, _headers)


@router.delete("/{hazard}/sites/{site_id}", summary="恢复通用预案", response_model=PlanOut)
async def delete_plan(
    request: Request,
    hazard: Hazard,
    site_id: SiteId,
    person: Author,
    services: Shared,
    why: Annotated[str, Query(min_length=2, max_length=500)],
    if_match: IfMatch = None,
) -> JSONResponse:
    """The shipped plan holds again; the history stays."""
    expected = _expected(if_match)

    async def act(session: AsyncSession) -> Did:
        site = await _site(session, person, site_id)
        found = await service.put(
            session, site, hazard, None, expected=expected, person=person, why=why, now=services.now(), act="delete"
        )
        return _answer(found, site_id)

    return await once(request, person, act, _headers)


@router.post("/{hazard}/sites/{site_id}/revert", summary="恢复到较早版本", response_model=PlanOut)
async def revert_plan(
    request: Request,
    hazard: Hazard,
    site_id: SiteId,
    given: RevertIn,
    person: Author,
    services: Shared,
    if_match: IfMatch = None,
) -> JSONResponse:
    """What that revision said becomes a new one."""
    expected = _expected(if_match)

    async def act(session: AsyncSession) -> Did:
        site = await _site(session, person, site_id)
        found = await service.revert(
            session,
            site,
            hazard,
            given.revision,
            expected=expected,
            person=person,
            why=given.why,
            now=services.now(),
        )
        return _answer(found, site_id)

    return await once(request, person, act, _headers)


@router.get("/{hazard}/sites/{site_id}/history", summary="Every change of a site's 预案")
async def get_history(hazard: Hazard, site_id: SiteId, person: Staff, services: Shared) -> History:
    """Who, when, why; the newest first."""
    async with services.db.reading() as session:
        await _site(session, person, site_id)
        rows = await service.history(session, site_id, hazard)
    return History(items=[RevisionOut.model_validate(row, from_attributes=True) for row in rows])
