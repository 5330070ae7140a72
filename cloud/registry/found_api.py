"""Routes of found devices: list them, put them aside, take that back; and which sources an edge may listen to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from cloud.feed.api import with_position
from cloud.people.access import STAFF, Person, Role, require
from cloud.registry import addresses, found
from cloud.services import Services, services_of

router = APIRouter()
Shared = Annotated[Services, Depends(services_of)]
Staff = Annotated[Person, Depends(require(*STAFF))]
Keeper = Annotated[Person, Depends(require(Role.PROPERTY_MANAGER, Role.ADMINISTRATOR))]
FoundId = Annotated[int, Path(ge=1, le=2**62)]


class FoundOut(BaseModel):
    """An address that speaks and is registered nowhere; name, vendor and model are its own words."""

    id: int
    edge_id: str
    source: str
    address: str
    topic: str
    name: str | None
    vendor: str | None
    model: str | None
    suggested_profile: str | None
    first_seen: datetime
    last_seen: datetime
    messages: int = Field(description="Since its edge started")
    state: found.Kept
    ignored_at: datetime | None
    ignored_by: str | None = Field(description="A person's id")


class FoundPage(BaseModel):
    """Found devices, newest found first."""

    items: Sequence[FoundOut]
    next: str | None = None


class SourceOut(BaseModel):
    """A convention: what stands before the colon of an address."""

    name: str
    label_zh: str
    label_en: str
    form: str = Field(description="How its addresses are written: eui, ieee, text")
    own_account: bool = Field(description="Whether a device signs in itself, not through a network server or bridge")


class SourcePage(BaseModel):
    """Conventions besides the native one, by name."""

    items: Sequence[SourceOut]
    next: str | None = None


@router.get("/sources", summary="Conventions that devices may speak")
async def list_sources(_person: Staff) -> SourcePage:
    """What may stand before the colon of a device's address."""
    documents = [source.document for _, source in sorted(addresses.sources().items())]
    return SourcePage(
        items=[
            SourceOut(
                name=one.source,
                label_zh=one.label.zh,
                label_en=one.label.en,
                form=one.form,
                own_account=bool(one.own),
            )
            for one in documents
        ]
    )


@router.get(
    "/found-devices", summary="Addresses that speak and are not registered", dependencies=[Depends(with_position)]
)
async def list_found(
    person: Staff,
    services: Shared,
    edge: Annotated[str | None, Query(max_length=64)] = None,
    state: found.State = "new",
    cursor: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> FoundPage:
    """Of the edges that serve one's area. Registering a device with such an address takes it off the list."""
    async with services.db.reading() as session:
        rows = await found.listing(session, person, edge=edge, state=state, before=cursor, limit=limit + 1)
    items = [FoundOut.model_validate(found.found_json(row)) for row in rows[:limit]]
    return FoundPage(items=items, next=str(items[-1].id) if len(rows) > limit else None)


@router.post("/found-devices/{found_id}/ignore", summary="Put a found device aside")
async def ignore_found(found_id: FoundId, person: Keeper, services: Shared) -> FoundOut:
    """It stays put aside however often it speaks. Again changes nothing."""
    return await _set(services, person, found_id, ignored=True)


@router.post("/found-devices/{found_id}/restore", summary="Take a found device back on the list")
async def restore_found(found_id: FoundId, person: Keeper, services: Shared) -> FoundOut:
    """Undoes `ignore`."""
    return await _set(services, person, found_id, ignored=False)


async def _set(services: Services, person: Person, found_id: int, *, ignored: bool) -> FoundOut:
    async with services.db.transaction() as session:
        row = await found.set_ignored(session, person, found_id, ignored=ignored, now=services.now())
        return FoundOut.model_validate(found.found_json(row))
