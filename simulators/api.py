"""The cloud's HTTP API as people's programs use it: sign in, ask, act, follow the feed and resume it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
from httpx_sse import SSEError, aconnect_sse

from wire.time import Timeline

Json = dict[str, Any]

RETRY_S = (0.2, 5.0)


class ApiError(RuntimeError):
    """The cloud refused, or is not there: says which request and why."""

    def __init__(self, what: str, status: int, detail: str) -> None:
        """Status 0: no answer."""
        super().__init__(f"{what}: {status or 'no answer'} {detail}".strip())
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event of the feed; `at` is when it arrived here, wall seconds since the epoch."""

    name: str
    position: int | None
    data: Json
    at: float


class Api:
    """One signed-in person."""

    def __init__(self, base: str, *, timeout_s: float = 20.0) -> None:
        """A client of the cloud at `base`, as http://127.0.0.1:8000."""
        self.base = base.rstrip("/")
        self._client = httpx.AsyncClient(base_url=f"{self.base}/api/v1", timeout=timeout_s, trust_env=False)
        self.person: Json = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def sign_in(self, username: str, password: str) -> Json:
        """Begin a session; the answer is the Session of the API."""
        session = await self.post("/session", {"username": username, "password": password})
        self._client.headers["Authorization"] = f"Bearer {session['token']}"
        self.person = session["person"]
        return session

    async def get(self, path: str, **query: Any) -> Json:
        """A GET that answers JSON."""
        answer: Json = (await self._request("GET", path, params=query)).json()
        return answer

    async def list(self, path: str, **query: Any) -> list[Json]:
        """All items of a list, page by page; a bare JSON array counts as one page."""
        items: list[Json] = []
        cursor: str | None = None
        while True:
            page = (await self._request("GET", path, params=query | ({"cursor": cursor} if cursor else {}))).json()
            if isinstance(page, list):
                return page
            items += page["items"]
            cursor = page.get("next")
            if not cursor:
                return items

    async def post(self, path: str, body: Json | None = None, **query: Any) -> Json:
        """A POST that answers JSON (or nothing)."""
        response = await self._request("POST", path, json=body or {}, params=query)
        return response.json() if response.content else {}

    async def put(self, path: str, body: Json) -> Json:
        """A PUT that answers JSON (or nothing)."""
        response = await self._request("PUT", path, json=body)
        return response.json() if response.content else {}

    async def put_timeline(self, timeline: Timeline, *, label_zh: str = "", label_en: str = "") -> None:
        """Set a named timeline (administrator); empty labels leave those that stand."""
        segments = msgspec.to_builtins(timeline.segments)
        await self.put(
            f"/timelines/{timeline.name}", {"segments": segments, "label_zh": label_zh, "label_en": label_en}
        )

    async def import_devices(self, table: str, *, dry_run: bool) -> Json:
        """The registry's CSV import."""
        response = await self._request(
            "POST",
            "/devices/import",
            params={"dry_run": str(dry_run).lower()},
            content=table.encode(),
            headers={"Content-Type": "text/csv; charset=utf-8"},
        )
        answer: Json = response.json()
        return answer

    async def feed(self, after: int | None = None) -> AsyncIterator[FeedEvent]:
        """Follow the feed for good; after a broken connection it resumes at the last position."""
        position, delay = after, RETRY_S[0]
        while True:
            try:
                query = {} if position is None else {"after": position}
                async with aconnect_sse(
                    self._client, "GET", "/feed", params=query, timeout=httpx.Timeout(20, read=30)
                ) as source:
                    source.response.raise_for_status()
                    async for event in source.aiter_sse():
                        delay = RETRY_S[0]
                        if event.id:
                            position = int(event.id)
                        yield FeedEvent(
                            event.event,
                            int(event.id) if event.id else None,
                            json.loads(event.data) if event.data else {},
                            time.time(),
                        )
            except (httpx.TransportError, SSEError):
                pass
            except httpx.HTTPStatusError as error:
                if error.response.status_code in (401, 403):
                    raise ApiError("feed", error.response.status_code, "not allowed") from None
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(2 * delay, RETRY_S[1])

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        what = f"{method} {path}"
        try:
            response = await self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise ApiError(what, 0, f"{type(error).__name__} {error}") from None
        if response.is_error:
            raise ApiError(what, response.status_code, _problem(response))
        return response


def _problem(response: httpx.Response) -> str:
    """What the problem details say, in one line."""
    try:
        body = response.json()
    except ValueError:
        return response.text[:200]
    if not isinstance(body, dict):
        return str(body)[:200]
    errors = "; ".join(
        f"{error.get('where')}: {error.get('what')}" for error in body.get("errors") or () if isinstance(error, dict)
    )
    return " – ".join(str(part) for part in (body.get("title"), body.get("detail"), errors) if part)[:400]
