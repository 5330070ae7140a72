"""Routes of people: session, accounts, areas, responders, shifts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cloud.people import passwords, service
from cloud.people.access import COOKIE, EVERYONE, Person, Role, may_see, require, to_person, token_of, within
from cloud.people.model import Account, Area
from cloud.problems import Problem
from cloud.services import Services, services_of

router = APIRouter(tags=["people"])
Item = TypeVar("Item")
Shared = Annotated[Services, Depends(services_of)]
AnyPerson = Annotated[Person, Depends(require(*EVERYONE))]
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]

_Username = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,63}$")]
_Password = Annotated[str, Field(min_length=passwords.MIN_LENGTH, max_length=passwords.MAX_LENGTH)]
_Name = Annotated[str, Field(min_length=1, max_length=100)]


class Credentials(BaseModel):
    """A sign-in."""

    username: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=passwords.MAX_LENGTH)]


class PersonOut(BaseModel):
    """A person as everyone may see them."""

    id: str
    username: str
    name: str
    name_en: str
    roles: list[Role]
    area_path: str


class AccountOut(PersonOut):
    """A person as an administrator sees them."""

    site_ids: list[str]
    phone: str | None
    active: bool
    created_at: datetime


class DemoClock(BaseModel):
    """The timeline that a demonstration runs on."""

    rate: float
    timeline: str
    label_zh: str
    label_en: str


class SessionOut(BaseModel):
    """Who is signed in."""

    token: str | None = Field(None, description="Only in the answer to signing in; the same as the cookie")
    person: PersonOut
    server_time: datetime
    demo: DemoClock | None = None


class AccountIn(BaseModel):
    """A new account."""

    model_config = ConfigDict(extra="forbid")

    username: _Username
    password: _Password
    name: _Name
    name_en: Annotated[str, Field(max_length=100)] = ""
    roles: Annotated[list[Role], Field(min_length=1, max_length=5)]
    area_path: Annotated[str, Field(max_length=300)]
    site_ids: Annotated[list[str], Field(max_length=500)] = []
    phone: Annotated[str | None, Field(max_length=40)] = None


class AccountChange(BaseModel):
    """What is to be changed of an account; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    password: _Password | None = None
    name: _Name | None = None
    name_en: Annotated[str | None, Field(max_length=100)] = None
    roles: Annotated[list[Role] | None, Field(min_length=1, max_length=5)] = None
    area_path: Annotated[str | None, Field(max_length=300)] = None
    site_ids: Annotated[list[str] | None, Field(max_length=500)] = None
    phone: Annotated[str | None, Field(max_length=40)] = None
    active: bool | None = None


class PasswordChange(BaseModel):
    """One's own password."""

    old: Annotated[str, Field(max_length=passwords.MAX_LENGTH)]
    new: _Password


class AreaOut(BaseModel):
    """A node of the responsibility tree."""

    path: str
    name: str
    name_en: str
    tier: str
    parent_path: str | None
    lon: float | None
    lat: float | None


class ShiftOut(BaseModel):
    """Somebody on duty."""

    id: str
    post: str
    area_path: str
    person_id: str | None
    responder_id: str | None
    starts_at: datetime
    ends_at: datetime
    rota_id: str | None = Field(None, description="The rota that it comes of")
    turn: str | None = Field(None, description="班次")
    planned_id: str | None = Field(None, description="A 角: whom the rota names")
    deputy_id: str | None = Field(None, description="B 角: who stands in")
    why: str | None = Field(None, description="leave, swap, stand_in, extra: why it is not the planned one")


class Page(BaseModel, Generic[Item]):
    """A list."""

    items: Sequence[Item]
    next: str | None = None


def _account_out(account: Account) -> AccountOut:
    return AccountOut.model_validate(account, from_attributes=True)


def _person_out(person: Person) -> PersonOut:
    return PersonOut(
        id=person.id,
        username=person.username,
        name=person.name,
        name_en=person.name_en,
        roles=sorted(person.roles),
        area_path=person.area_path,
    )


async def _session_out(services: Services, person: Person, token: str | None = None) -> SessionOut:
    demo = None
    if services.settings.demo_timeline and services.demo_clock:
        async with services.db.reading() as session:
            clock = await services.demo_clock(session, services.settings.demo_timeline, services.now())
        demo = DemoClock.model_validate(clock) if clock else None
    return SessionOut(token=token, person=_person_out(person), server_time=services.now(), demo=demo)


@router.post("/session", summary="Sign in")
async def sign_in(credentials: Credentials, request: Request, response: Response, services: Shared) -> SessionOut:
    """Opens a session: as an HttpOnly cookie, and as `token` for programs (`Authorization: Bearer`)."""
    now = services.now()
    keys = (f"name:{credentials.username.lower()}", f"address:{request.client.host if request.client else '-'}")
    wait_s = services.throttle.wait_s(now.timestamp(), *keys)
    if wait_s > 0:
        raise Problem(
            429,
            "too-many-tries",
            "Too many failed sign-ins: wait, then try again.",
            headers={"Retry-After": str(int(wait_s) + 1)},
        )
    async with services.db.reading() as session:
        account = await service.account_by_username(session, credentials.username)
    right = await passwords.matches(credentials.password, account.password_hash if account else None)
    if account is None or not right or not account.active:
        services.throttle.failed(now.timestamp(), *keys)
        raise Problem(401, "wrong-password", "Name or password is wrong.")
    services.throttle.succeeded(keys[0])
    lifetime = timedelta(hours=services.settings.session_hours)
    async with services.db.transaction() as session:
        agent = request.headers.get("user-agent", "")
        token = await service.open_session(session, account, now=now, lifetime=lifetime, client=agent)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(lifetime.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=services.settings.secure_cookies,
    )
    response.headers["Cache-Control"] = "no-store"
    return await _session_out(services, to_person(account), token)


@router.get("/session", summary="Who am I?")
async def who(person: AnyPerson, services: Shared) -> SessionOut:
    """The signed-in person, and the server's time."""
    return await _session_out(services, person)


@router.delete("/session", status_code=204, summary="Sign out")
async def sign_out(request: Request, response: Response, services: Shared) -> None:
    """Ends the session; without one there is nothing to do."""
    token = token_of(request)
    if token:
        async with services.db.transaction() as session:
            await service.close_session(session, token)
    response.delete_cookie(COOKIE, path="/")


@router.put("/session/password", status_code=204, summary="Change one's own password")
async def change_own_password(change: PasswordChange, person: AnyPerson, services: Shared) -> None:
    """Ends every session of the person, this one too."""
    async with services.db.reading() as session:
        account = await service.account_by_username(session, person.username)
    if account is None or not await passwords.matches(change.old, account.password_hash):
        raise Problem(403, "wrong-password", "The old password is wrong.")
    async with services.db.transaction() as session:
        await service.change_person(session, person.id, {"password": change.new})


@router.get("/people", summary="Accounts")
async def list_people(_person: Administrator, services: Shared) -> Page[AccountOut]:
    """All accounts."""
    async with services.db.reading() as session:
        return Page[AccountOut](items=[_account_out(account) for account in await service.people(session)])


@router.get("/people/participants", summary="Who can take part in a drill")
async def list_candidates(
    person: Annotated[Person, Depends(require(Role.TRAINER, Role.ADMINISTRATOR))], services: Shared
) -> Page[PersonOut]:
    """Active people whose area lies within one's own, or holds it."""
    async with services.db.reading() as session:
        found = [to_person(account) for account in await service.people(session) if account.active]
    near = [one for one in found if within(person.area_path, one.area_path) or within(one.area_path, person.area_path)]
    return Page[PersonOut](items=[_person_out(one) for one in near])


@router.post("/people", status_code=201, summary="Open an account")
async def add_person(account: AccountIn, _person: Administrator, services: Shared) -> AccountOut:
    """A new account."""
    async with services.db.transaction() as session:
        return _account_out(await service.add_person(session, now=services.now(), **account.model_dump()))


@router.put("/people/{person_id}", summary="Change an account")
async def change_person(person_id: str, change: AccountChange, person: Administrator, services: Shared) -> AccountOut:
    """Changes what is given; a new password, other roles or closing end the sessions of the account."""
    if person_id == person.id and (change.active is False or (change.roles and Role.ADMINISTRATOR not in change.roles)):
        raise Problem(409, "own-account", "An administrator cannot lock themselves out.")
    async with services.db.transaction() as session:
        changes: dict[str, Any] = change.model_dump(exclude_none=True)
        if "roles" in changes:
            changes["roles"] = [str(role) for role in changes["roles"]]
        return _account_out(await service.change_person(session, person_id, changes))


@router.get("/areas", summary="The responsibility tree")
async def list_areas(person: AnyPerson, services: Shared) -> Page[AreaOut]:
    """What lies within one's own area, and the way up from it to the city."""
    async with services.db.reading() as session:
        found = [area for area in await service.areas(session) if _near(person, area)]
    return Page[AreaOut](items=[AreaOut.model_validate(area, from_attributes=True) for area in found])


def _near(person: Person, area: Area) -> bool:
    return within(person.area_path, area.path) or within(area.path, person.area_path)


@router.get("/shifts", summary="Who is on duty")
async def list_shifts(
    person: AnyPerson,
    services: Shared,
    start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    stop: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> Page[ShiftOut]:
    """Shifts that touch a span (default: the next 24 hours, at most 31 days), within one's area or above it."""
    begin = start or services.now()
    end = min(stop or begin + timedelta(hours=24), begin + timedelta(days=31))
    async with services.db.reading() as session:
        found = await service.shifts(session, begin, end)
    items = [
        ShiftOut.model_validate(shift, from_attributes=True)
        for shift in found
        if may_see(person, shift.area_path, None) or within(shift.area_path, person.area_path)
    ]
    return Page[ShiftOut](items=items)
