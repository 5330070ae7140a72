"""Ways a message leaves the house. A channel is one method; it raises `NotSent` and the outbox tries again."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from cloud.database import Database
from cloud.feed import service as feed
from cloud.feed.service import Audience

WEBHOOK_TIMEOUT_S = 10.0
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
    """Why a message could not be handed over this time."""


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

    async def send(self, message: Message) -> str:
        """Append one line."""
        try:
            await asyncio.to_thread(self._write, json.dumps(message.json(), ensure_ascii=False))
        except OSError as error:
            raise NotSent(f"{self._path}: {error}") from error
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
        try:
            answer = await self._client.post(
                self._url,
                json=message.json(),
                headers={"Idempotency-Key": message.id},
                timeout=WEBHOOK_TIMEOUT_S,
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            raise NotSent(f"{type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise NotSent(f"HTTP {answer.status_code}")
        return f"HTTP {answer.status_code}"
