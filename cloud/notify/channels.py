"""Ways a message leaves the house. A channel is one method; it raises `NotSent` and the outbox tries again."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.database import Database
from cloud.feed import service as feed
from cloud.feed.service import Audience

WEBHOOK_TIMEOUT_S = 5.0
LOG_LIMIT_BYTES = 10 * 1024 * 1024
"""A notification log that has grown beyond this becomes `.1`, and a new one begins."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person."""

    id: str
    person_id: str
    kind: str
    level: str | None
    incident_id: str | None
    exercise: str | None
    body: dict[str, Any]
    created_at: datetime
    address: str = field(default="", repr=False)  # opened for the hand-over only; never in `json`, logs or the feed
    silent: bool = False
    token: str = field(default="", repr=False)  # proves a receipt for it

    def json(self) -> dict[str, Any]:
        """As channels hand it on."""
        return {
            "id": self.id,
            "person_id": self.person_id,
            "kind": self.kind,
            "level": self.level,
            "incident_id": self.incident_id,
            "exercise": self.exercise,
            **self.body,
            "created_at": self.created_at.isoformat(),
        }


class NotSent(Exception):  # noqa: N818  the outbox's word
    """Why a message could not be handed over this time.

    Args:
        why: for the receipt; never holds an address.
        address: the address is at fault, not the channel: no use trying again, and the channel counts as up.
        gone: the address is no more (a browser gave up its subscription): the way is removed.
    """

    def __init__(self, why: str, *, address: bool = False, gone: bool = False) -> None:
        super().__init__(why)
        self.address = address or gone
        self.gone = gone


class Channel(Protocol):
    """One way out."""

    async def send(self, message: Message) -> str:
        """Hand a message over; returns what the receiver's side said.

        Raises:
            NotSent: with the reason; it is tried again.
        """
        ...


class FeedChannel:
    """In the app: the person's own open screens."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def send(self, message: Message) -> str:
        """Append it to the feed, for this person (and administrators) only."""
        async with self._db.transaction() as session:
            return await self.enter(session, message)

    async def enter(self, session: AsyncSession, message: Message) -> str:
        """The same within a transaction: the hand-over and its record are then one."""
        position = await feed.append(
            session,
            kind="notification",
            key=message.id,
            value=message.json(),
            grid_path=None,
            exercise=message.exercise,
            audience=Audience(persons=(message.person_id,), roles=("administrator",)),
        )
        return f"feed position {position}"


class LogFileChannel:
    """One JSON line a message, for a site's own tools and for the record."""

    def __init__(self, path: Path, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._one_at_a_time = asyncio.Lock()

    async def send(self, message: Message) -> str:
        """Append one line."""
        try:
            async with self._one_at_a_time:
                await asyncio.to_thread(self._write, json.dumps(message.json(), ensure_ascii=False))
        except OSError as error:
            raise NotSent(f"{self._path.name}: {error}") from error
        return self._path.name

    def _write(self, line: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > self._limit_bytes:
            self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
        with self._path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")


class WebhookChannel:
    """HTTP POST of the message as JSON to an address that an administrator has set."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client

    async def send(self, message: Message) -> str:
        """Post it; any 2xx is a hand-over. The id goes along as idempotency key."""
        return await posted(self._client, self._url, message.id, message.json())


async def posted(
    client: httpx.AsyncClient, url: str, key: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> str:
    """POST JSON to a webhook that an administrator has set; any 2xx is a hand-over.

    Raises:
        NotSent: no answer in time, or another status.
    """
    try:
        answer = await client.post(
            url,
            json=body,
            headers={"Idempotency-Key": key} | (headers or {}),
            timeout=WEBHOOK_TIMEOUT_S,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error
    if not answer.is_success:
        raise NotSent(f"HTTP {answer.status_code}")
    return f"HTTP {answer.status_code}"
