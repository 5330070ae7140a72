"""The one place that answers 'may this person see that?', and the guards in front of routes."""

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from sqlalchemy import select

from cloud.people.model import Account, EdgeToken, Participation, ResponderMember, SignIn
from cloud.problems import Problem
from cloud.services import Services, services_of

COOKIE = "shouwang_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Role(StrEnum):
    """What a person does here; one may have several."""

    DUTY_OFFICER = "duty_officer"
    PROPERTY_MANAGER = "property_manager"
    TRAINER = "trainer"
    RESPONDER = "responder"
    ADMINISTRATOR = "administrator"


EVERYONE = tuple(Role)
STAFF = (Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.TRAINER, Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, with everything that decides what they may see."""

    id: str
    username: str
    name: str
    name_en: str
    roles: frozenset[Role]
    area_path: str
    site_ids: frozenset[str] = frozenset()  # when not empty: these sites only
    exercises: frozenset[str] = frozenset()  # takes part in these
    responder_ids: frozenset[str] = frozenset()  # may act for these (oneself, one's team)

    def has(self, *roles: Role) -> bool:
        """Whether the person has one of these roles."""
        return not self.roles.isdisjoint(roles)


def within(area_path: str, path: str) -> bool:
    """Whether a path is an area or lies below it (by whole names: `/a/b` does not hold `/a/bc`)."""
    area = area_path.rstrip("/")
    return path == area or path.startswith(area + "/")


def may_see(
    person: Person,
    grid_path: str | None,
    exercise: str | None,
    *,
    site: str | None = None,
    persons: Collection[str] = (),
    roles: Collection[str] = (),
) -> bool:
    """Whether a thing is within a person's sight. Pure.

    Args:
        person: who asks.
        grid_path: area of the thing; None = no place: duty officers and administrators only.
        exercise: the drill it comes of: participants (and trainers of the area, who run it) only.
        site: its site, for people narrowed to sites.
        persons: ids who see it wherever their area is (e.g. whoever it is assigned to).
        roles: when given, only people with one of these (besides `persons`).
    """
    takes_part = exercise is None or exercise in person.exercises
    if person.id in persons:
        return takes_part
    if not takes_part and not person.has(Role.TRAINER):
        return False
    if roles and not person.has(*(Role(role) for role in roles)):
        return False
    if person.site_ids and site not in person.site_ids:
        return False
    if grid_path is None:
        return person.has(Role.DUTY_OFFICER, Role.ADMINISTRATOR)
    return within(person.area_path, grid_path)


def token_hash(token: str) -> str:
    """What is kept of a random 256-bit token: there is nothing to guess, so a plain SHA-256 serves."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_of(request: Request) -> str | None:
    """The bearer token or session cookie of a request."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return request.cookies.get(COOKIE)


def _refuse_foreign_origin(request: Request) -> None:
    """A write by cookie must come from our own pages (SameSite=Strict says so already; this says it again)."""
    origin = request.headers.get("origin")
    if origin is None or request.method in SAFE_METHODS or request.headers.get("authorization"):
        return
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(403, "foreign-origin", "This write came from another site's page.")


async def person_by_token(services: Services, token: str) -> Person | None:
    """Whose session a token is; None when it is unknown, over, or the account is closed."""
    return (await persons_by_tokens(services, [token])).get(token)


async def persons_by_tokens(services: Services, tokens: Collection[str]) -> dict[str, Person]:
    """Whose sessions some tokens are, without those that are unknown or over and whose accounts are closed."""
    by_hash = {token_hash(token): token for token in tokens}
    async with services.db.reading() as session:
        query = (
            select(SignIn.token_hash, Account)
            .join(Account, SignIn.person_id == Account.id)
            .where(SignIn.token_hash.in_(by_hash), SignIn.expires_at > services.now(), Account.active)
        )
        accounts = {row[0]: row[1] for row in await session.execute(query)}
        ids = {account.id for account in accounts.values()}
        if not ids:
            return {}
        exercises: dict[str, set[str]] = defaultdict(set)
        responders: dict[str, set[str]] = defaultdict(set)
        drills = select(Participation.person_id, Participation.exercise).where(Participation.person_id.in_(ids))
        for person, exercise in await session.execute(drills):
            exercises[person].add(exercise)
        members = select(ResponderMember.person_id, ResponderMember.responder_id)
        for person, responder in await session.execute(members.where(ResponderMember.person_id.in_(ids))):
            responders[person].add(responder)
    return {
        by_hash[hashed]: to_person(one, exercises=exercises[one.id], responders=responders[one.id])
        for hashed, one in accounts.items()
    }


def to_person(account: Account, *, exercises: Collection[str] = (), responders: Collection[str] = ()) -> Person:
    """An account row as the value that decisions take."""
    return Person(
        id=account.id,
        username=account.username,
        name=account.name,
        name_en=account.name_en,
        roles=frozenset(Role(role) for role in account.roles),
        area_path=account.area_path,
        site_ids=frozenset(account.site_ids),
        exercises=frozenset(exercises),
        responder_ids=frozenset(responders),
    )


def require(*roles: Role) -> Callable[[Request], Awaitable[Person]]:
    """A dependency: the signed-in person, who has one of these roles (none given = any role).

    Raises (in use):
        Problem: 401 without a valid session, 403 without the role.
    """
    wanted = roles or EVERYONE

    async def guard(request: Request) -> Person:
        token = token_of(request)
        if not token:
            raise Problem(401, "not-signed-in", "Sign in first.", headers={"WWW-Authenticate": "Bearer"})
        _refuse_foreign_origin(request)
        person = await person_by_token(services_of(request), token)
        if person is None:
            raise Problem(401, "session-over", "The session is over: sign in again.")
        if not person.has(*wanted):
            names = ", ".join(wanted)
            raise Problem(403, "wrong-role", f"This is for: {names}.")
        return person

    guard.guards = wanted  # type: ignore[attr-defined]  # a test walks the routes and looks for it
    return guard


async def edge_of(request: Request) -> str:
    """A dependency: the id of the edge whose token came.

    Raises:
        Problem: 401 for a missing, unknown or revoked token.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(401, "no-edge-token", "Send the edge's token: Authorization: Bearer …")
    async with services_of(request).db.reading() as session:
        edge = await session.scalar(
            select(EdgeToken.edge_id).where(
                EdgeToken.token_hash == token_hash(token.strip()), EdgeToken.revoked_at.is_(None)
            )
        )
    if edge is None:
        raise Problem(401, "unknown-edge-token", "This token belongs to no edge, or was revoked.")
    return edge


edge_of.guards = ("edge",)  # type: ignore[attr-defined]


def guards_of(call: Any) -> tuple[str, ...]:
    """Which guard a dependency is: roles, or `edge`; empty for none."""
    return tuple(getattr(call, "guards", ()))
