"""Writes that carry an `Idempotency-Key`: the same key gives the same answer, and the thing is done once."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.model import IdempotencyKey
from cloud.problems import conflict, invalid

HEADER = "Idempotency-Key"
KEY_LIMIT = 128


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What the key stands for: the very same request."""
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).hexdigest()


async def answered(session: AsyncSession, person_id: str, key: str, print_: str) -> tuple[int, dict[str, Any]] | None:
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
