"""Routes: whom to call for a place; numbers that lead nowhere."""

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.calls import contacts, service
from cloud.calls.contacts import Scope
from cloud.calls.model import ContactFault, ContactList
from cloud.idempotency import Did, once
from cloud.notify.vault import vault
from cloud.people.access import Person, Role, may_see, require
from cloud.problems import Problem, invalid, not_found
from cloud.registry.model import Site
from cloud.services import Services, services_of

router = APIRouter(tags=["calls"])
Shared = Annotated[Services, Depends(services_of)]
Keeper = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.ADMINISTRATOR))]
PlaceId = Annotated[str, Path(max_length=300)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[^\x00]*$")]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=400, pattern=r"^[^\x00]*$")]
IfMatch = Annotated[str | None, Header(description="The revision that was looked at, as its ETag; 0: none yet")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ContactIn(_Body):
    """Somebody to call."""

    id: Annotated[str | None, Field(max_length=40, description="Of the one that stands; none: a new one")] = None
    name: Word
    role: Word
    number: Annotated[str | None, Field(max_length=40, description="Left out: as it was")] = None
    person_id: Annotated[str | None, Field(max_length=64)] = None
    note: Annotated[str, Field(max_length=200)] = ""


class ListIn(_Body):
    """The contacts of a place, whole, in the order in which they are called."""

    contacts: Annotated[list[ContactIn], Field(max_length=contacts.MOST)]
    why: Why


class RevealIn(_Body):
    """Why one needs the numbers."""

    why: Why


class CheckedIn(_Body):
    """What was found."""

    why: Why


def _expected(given: str | None) -> int:
    if given is None:
        raise Problem(428, "which-revision", "Say in If-Match which revision you looked at (its ETag).")
    found = re.fullmatch(r'"?(\d{1,9})"?', given.strip())
    if found is None:
        raise invalid("If-Match", f"'{given[:40]}' is no revision", "send the ETag of the list")
    return int(found[1])


def _etag(body: dict[str, Any]) -> dict[str, str]:
    return {"ETag": f'"{body["revision"]}"'}


def _out(services: Services, row: ContactList | None, scope: str, place_id: str, *, full: bool) -> dict[str, Any]:
    found = contacts.unsealed(vault(services.settings), row.sealed) if row else []
    return {
        "scope": scope,
        "place_id": place_id,
        "revision": row.revision if row else 0,
        "changed_at": row.at.isoformat() if row else None,
        "changed_by": row.by_name if row else None,
        "why": row.why if row else None,
        "contacts": [one.open() if full else one.masked() for one in found],
    }


@router.get("/contacts/missing", summary="Sites for which nobody would be called")
async def missing(person: Keeper, services: Shared) -> dict[str, Any]:
    """Sites in one's sight without a list of their own or of their grid."""
    async with services.db.reading() as session:
        have = {
            (row.scope, row.place_id)
            for row in await session.scalars(select(ContactList).order_by(ContactList.revision))
            if row.count
        }
        sites = list(await session.scalars(select(Site).order_by(Site.id)))
    return {
        "items": [
            {"site_id": site.id, "name": site.name, "name_en": site.name_en}
            for site in sites
            if may_see(person, site.grid_path, None, site=site.id)
            and ("site", site.id) not in have
            and ("grid", site.grid_path) not in have
        ],
        "next": None,
    }


@router.get("/contacts/faults", summary="Numbers that lead nowhere")
async def list_faults(
    person: Keeper, services: Shared, state: Annotated[Literal["open", "all"], Query()] = "open"
) -> dict[str, Any]:
    """号码错、关机: to be put right in the list, or checked and found right."""
    query = select(ContactFault).order_by(ContactFault.since.desc(), ContactFault.id).limit(500)
    async with services.db.reading() as session:
        rows = [
            row
            for row in await session.scalars(query if state == "all" else query.where(ContactFault.ended_at.is_(None)))
            if may_see(person, row.grid_path, None, site=row.site_id) and (state == "all" or service.counts(row))
        ]
    return {"items": [_fault_out(row) for row in rows], "next": None}


@router.post("/contacts/faults/{fault_id}/checked", summary="It was looked into and is right")
async def checked(request: Request, fault_id: str, person: Keeper, services: Shared, body: CheckedIn) -> JSONResponse:
    """A changed number ends it by itself."""

    async def act(session: AsyncSession) -> Did:
        row = await session.get(ContactFault, fault_id)
        if row is None or not may_see(person, row.grid_path, None, site=row.site_id):
            raise not_found("fault", fault_id)
        if row.ended_at is None:
            row.ended_at, row.ended_by, row.end = services.now(), person.id, "checked"
            key = f"contacts:{row.scope}:{row.place_id}"
            said = {"fault": row.id, "why": body.why}
            await audit.append(
                session, kind="contact_checked", now=services.now(), subject=key, actor=person.id, body=said
            )
        return 200, _fault_out(row)

    return await once(request, person, act)


def _fault_out(row: ContactFault) -> dict[str, Any]:
    return {
        "id": row.id,
        "scope": row.scope,
        "place_id": row.place_id,
        "contact_id": row.contact_id,
        "code": row.code,
        "times": row.times,
        "since": row.since.isoformat(),
        "incident_id": row.incident_id,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
        "end": row.end,
    }


@router.get("/contacts/{scope}/{place_id:path}/history", summary="Every change of a list")
async def get_history(scope: Scope, place_id: PlaceId, person: Keeper, services: Shared) -> dict[str, Any]:
    """Who, when, why; no numbers."""
    async with services.db.reading() as session:
        await contacts.where(session, person, scope, place_id)
        rows = await contacts.history(session, scope, place_id)
    items = [
        {"revision": one.revision, "at": one.at.isoformat(), "by_name": one.by_name, "why": one.why, "count": one.count}
        for one in rows
    ]
    return {"items": items, "next": None}


@router.post("/contacts/{scope}/{place_id:path}/reveal", summary="With names and numbers (留痕)")
async def reveal(
    request: Request, scope: Scope, place_id: PlaceId, person: Keeper, services: Shared, body: RevealIn
) -> JSONResponse:
    """Who looked and why goes into the audit chain."""
    del request
    async with services.db.transaction() as session:
        await contacts.where(session, person, scope, place_id)
        row = await contacts.newest(session, scope, place_id)
        key = f"contacts:{scope}:{place_id}"
        said = {"why": body.why, "revision": row.revision if row else 0}
        await audit.append(session, kind="contacts_read", now=services.now(), subject=key, actor=person.id, body=said)
        shown = _out(services, row, scope, place_id, full=True)
    return JSONResponse(shown, headers=_etag(shown) | {"Cache-Control": "no-store"})


@router.get("/contacts/{scope}/{place_id:path}", summary="Whom to call for a place")
async def get_list(scope: Scope, place_id: PlaceId, person: Keeper, services: Shared) -> JSONResponse:
    """In order, masked; its revision is the ETag, and a change must name it."""
    async with services.db.reading() as session:
        await contacts.where(session, person, scope, place_id)
        shown = _out(services, await contacts.newest(session, scope, place_id), scope, place_id, full=False)
    return JSONResponse(shown, headers=_etag(shown))


@router.put("/contacts/{scope}/{place_id:path}", summary="Set whom to call for a place")
async def put_list(
    request: Request,
    scope: Scope,
    place_id: PlaceId,
    person: Keeper,
    services: Shared,
    body: ListIn,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Whole, as a new revision; an id without a number keeps the number that it had."""
    expected = _expected(if_match)

    async def act(session: AsyncSession) -> Did:
        given = [one.model_dump() for one in body.contacts]
        row = await contacts.put(
            session, vault(services.settings), person, scope, place_id, given, expected=expected, why=body.why,
            now=services.now(),
        )  # fmt: skip
        return 200, _out(services, row, scope, place_id, full=False)

    return await once(request, person, act, _etag)
