"""Accounts, sessions, the responsibility tree, responders and shifts: the only writer of these tables."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people import passwords
from cloud.people.access import Person, Role, to_person, token_hash
from cloud.people.model import (
    Account,
    Area,
    EdgeToken,
    Participation,
    Responder,
    ResponderMember,
    Shift,
    SignIn,
)
from cloud.problems import conflict, invalid, not_found

Post = Literal["duty_officer", "duty_leader", "standby", "responder"]
TIERS = ("city", "district", "street", "neighbourhood", "grid")


def new_id(prefix: str) -> str:
    """An id that says its kind and cannot be guessed."""
    return f"{prefix}_{secrets.token_hex(8)}"


# ---------------------------------------------------------------- sessions


async def open_session(
    session: AsyncSession, account: Account, *, now: datetime, lifetime: timedelta, client: str
) -> str:
    """A new session; returns the token, which is kept nowhere. Sessions past their time go."""
    token = secrets.token_urlsafe(32)
    await session.execute(delete(SignIn).where(SignIn.expires_at <= now))
    session.add(
        SignIn(
            token_hash=token_hash(token),
            person_id=account.id,
            created_at=now,
            expires_at=now + lifetime,
            client=client[:200],
        )
    )
    return token


async def close_session(session: AsyncSession, token: str) -> None:
    """Sign out."""
    await session.execute(delete(SignIn).where(SignIn.token_hash == token_hash(token)))


async def account_by_username(session: AsyncSession, username: str) -> Account | None:
    """The account of that name."""
    return (await session.execute(select(Account).where(Account.username == username))).scalar_one_or_none()


# ---------------------------------------------------------------- people


async def add_person(
    session: AsyncSession,
    *,
    username: str,
    password: str,
    name: str,
    roles: Sequence[Role],
    area_path: str,
    now: datetime,
    name_en: str = "",
    phone: str | None = None,
    site_ids: Sequence[str] = (),
    person_id: str | None = None,
) -> Account:
    """Open an account.

    Raises:
        Problem: for a name that is taken, an unknown area, a password too short.
    """
    if not passwords.MIN_LENGTH <= len(password) <= passwords.MAX_LENGTH:
        raise invalid("password", f"must have {passwords.MIN_LENGTH} to {passwords.MAX_LENGTH} characters")
    if await account_by_username(session, username):
        raise conflict("name-taken", f"There is an account '{username}' already.")
    if await session.get(Area, area_path) is None:
        raise invalid("area_path", f"there is no area '{area_path}'", "take a path from GET /areas")
    account = Account(
        id=person_id or new_id("per"),
        username=username,
        name=name,
        name_en=name_en,
        password_hash=passwords.hash_now(password),
        roles=[str(role) for role in roles],
        area_path=area_path,
        site_ids=list(site_ids),
        phone=phone,
        active=True,
        created_at=now,
    )
    session.add(account)
    await session.flush()
    return account


async def change_person(session: AsyncSession, person_id: str, changes: dict[str, Any]) -> Account:
    """Change an account; a new password, other roles or a closed account end its sessions.

    Raises:
        Problem: for an unknown person or area.
    """
    account = await session.get(Account, person_id)
    if account is None:
        raise not_found("person", person_id)
    if "area_path" in changes and await session.get(Area, changes["area_path"]) is None:
        raise invalid("area_path", f"there is no area '{changes['area_path']}'", "take a path from GET /areas")
    password = changes.pop("password", None)
    if password is not None:
        account.password_hash = passwords.hash_now(password)
    for key, value in changes.items():
        setattr(account, key, value)
    if password is not None or {"roles", "active"} & changes.keys():
        await session.execute(delete(SignIn).where(SignIn.person_id == person_id))
    await session.flush()
    return account


async def people(session: AsyncSession) -> list[Account]:
    """All accounts by name."""
    return list(await session.scalars(select(Account).order_by(Account.username)))


async def person(session: AsyncSession, person_id: str) -> Person | None:
    """An account with what it takes part in and acts for."""
    account = await session.get(Account, person_id)
    if account is None:
        return None
    exercises = await session.scalars(select(Participation.exercise).where(Participation.person_id == person_id))
    responders = await session.scalars(
        select(ResponderMember.responder_id).where(ResponderMember.person_id == person_id)
    )
    return to_person(account, exercises=exercises.all(), responders=responders.all())


# ---------------------------------------------------------------- areas


async def add_area(session: AsyncSession, area: Area) -> None:
    """Add a node of the tree, or bring it up to date; its parent must stand."""
    await session.merge(area)
    await session.flush()


async def areas(session: AsyncSession) -> list[Area]:
    """The tree, parents before children."""
    return list(await session.scalars(select(Area).order_by(Area.path)))


def chain(path: str) -> list[str]:
    """The paths from a grid up to the city: whom a matter goes to, tier by tier. Pure."""
    names = path.strip("/").split("/")
    return ["/" + "/".join(names[:count]) for count in range(len(names), 0, -1)]


# ---------------------------------------------------------------- responders and shifts


async def responders(session: AsyncSession, *, active: bool = True) -> list[Responder]:
    """All who can be sent."""
    query = select(Responder).order_by(Responder.id)
    return list(await session.scalars(query.where(Responder.active) if active else query))


async def members(session: AsyncSession, responder_id: str) -> list[str]:
    """Person ids who may act for a responder."""
    found = await session.scalars(select(ResponderMember.person_id).where(ResponderMember.responder_id == responder_id))
    return list(found)


async def all_members(session: AsyncSession) -> dict[str, list[str]]:
    """Person ids by responder."""
    by_responder: dict[str, list[str]] = {}
    for row in await session.scalars(select(ResponderMember)):
        by_responder.setdefault(row.responder_id, []).append(row.person_id)
    return by_responder


async def shifts_at(session: AsyncSession, at: datetime) -> list[Shift]:
    """Who is on duty at an instant."""
    query = select(Shift).where(Shift.starts_at <= at, Shift.ends_at > at).order_by(Shift.area_path, Shift.post)
    return list(await session.scalars(query))


async def shifts(session: AsyncSession, start: datetime, stop: datetime) -> list[Shift]:
    """Shifts that touch a span."""
    query = select(Shift).where(Shift.starts_at < stop, Shift.ends_at > start).order_by(Shift.starts_at, Shift.id)
    return list(await session.scalars(query))


async def on_duty(session: AsyncSession, area_path: str, at: datetime, *posts: Post) -> list[Person]:
    """Active people on a post of exactly this area (one tier of the tree) at an instant."""
    query = (
        select(Shift.person_id)
        .join(Account, Account.id == Shift.person_id)
        .where(Shift.area_path == area_path, Shift.post.in_(posts), Account.active)
        .where(Shift.starts_at <= at, Shift.ends_at > at)
        .order_by(Shift.post, Shift.person_id)
    )
    found = [await person(session, person_id) for person_id in await session.scalars(query) if person_id]
    return [one for one in found if one is not None]


# ---------------------------------------------------------------- edges and exercises


async def issue_edge_token(session: AsyncSession, edge_id: str, *, now: datetime) -> str:
    """A new token for an edge; earlier ones stay valid until `revoke_edge_tokens`. Returned once, kept nowhere."""
    token = secrets.token_urlsafe(32)
    session.add(EdgeToken(token_hash=token_hash(token), edge_id=edge_id, created_at=now))
    await session.flush()
    return token


async def revoke_edge_tokens(session: AsyncSession, edge_id: str, *, now: datetime) -> None:
    """End every token of an edge."""
    query = update(EdgeToken).where(EdgeToken.edge_id == edge_id, EdgeToken.revoked_at.is_(None))
    await session.execute(query.values(revoked_at=now))


async def take_part(session: AsyncSession, exercise: str, persons: Sequence[str], *, part: str = "player") -> None:
    """Enter people as participants of an exercise.

    Raises:
        Problem: for an unknown person.
    """
    for person_id in persons:
        if await session.get(Account, person_id) is None:
            raise invalid("participants", f"there is no person '{person_id}'")
        await session.merge(Participation(exercise=exercise, person_id=person_id, part=part))
    await session.flush()


async def participants(session: AsyncSession, exercise: str) -> list[tuple[Account, str]]:
    """Who takes part, and as what."""
    query = (
        select(Account, Participation.part)
        .join(Participation, Participation.person_id == Account.id)
        .where(Participation.exercise == exercise)
        .order_by(Account.username)
    )
    return [(account, part) for account, part in await session.execute(query)]
