"""Writes that carry an `Idempotency-Key`: the same key gives the same answer, and the thing is done once."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy import Index, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base
from cloud.problems import conflict, invalid
from cloud.retrying import retrying
from cloud.services import services_of

HEADER = "Idempotency-Key"
KEY_LIMIT = 128
Did = tuple[int, dict[str, Any]]


class IdempotencyKey(Base):
    """The answer already given to a write that carried an `Idempotency-Key`."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    person_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))  # of method, path and body
    status: Mapped[int]
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Known(Protocol):
    """Whoever asks."""

    @property
    def id(self) -> str:
        """Their id."""
        ...


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What the key stands for: the very same request."""
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).hexdigest()


async def answered(session: AsyncSession, person_id: str, key: str, print_: str) -> Did | None:
    """The answer given before to this key, if there was one.

    Raises:
        Problem: 422 for a key too long, 409 when the key was used for another request.
    """
    if not 1 <= len(key) <= KEY_LIMIT:
        raise invalid(HEADER, f"needs 1 to {KEY_LIMIT} characters")
    row = await session.get(IdempotencyKey, (person_id, key))
    if row is None:
        return None
    if row.fingerprint != print_:
        raise conflict("key-reused", f"{HEADER} '{key:.40}' was used for another request: make a new one.")
    return row.status, row.answer


def keep(
    session: AsyncSession, person_id: str, key: str, print_: str, *, status: int, answer: dict[str, Any], now: datetime
) -> None:
    """Remember the answer, in the transaction of the act."""
    session.add(
        IdempotencyKey(person_id=person_id, key=key, fingerprint=print_, status=status, answer=answer, created_at=now)
    )


async def once(
    request: Request,
    person: Known,
    act: Callable[[AsyncSession], Awaitable[Did]],
    headers: Callable[[dict[str, Any]], dict[str, str]] | None = None,
) -> JSONResponse:
    """Run a write that touches no incident in one transaction; with the same key, once.

    `headers` of the answer are made from its body, so that a repeat has them too.
    """
    services = services_of(request)
    key = request.headers.get(HEADER)
    print_ = fingerprint(request.method, request.url.path, await request.body())

    async def run() -> Did:
        async with services.db.transaction() as session:
            if key is not None and (before := await answered(session, person.id, key, print_)) is not None:
                return before
            status, body = await act(session)
            if key is not None:
                keep(session, person.id, key, print_, status=status, answer=body, now=services.now())
            return status, body

    status, body = await retrying(run)
    return JSONResponse(body, status, headers(body) if headers else None)
