"""A small HTTP server for the machine itself: /metrics (Prometheus), /health, /status (JSON)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

READ_S = 5.0
MOST_CONNECTIONS = 32

Facts = Callable[[], Awaitable[dict[str, Any]]]
Health = Callable[[], list[str]]


class StatusServer:
    """Serves GET on loopback (or wherever `status.listen` says), one answer a connection.

    Args:
        facts: the content of /status.
        health: what is wrong now; /health answers 200 when nothing is, 503 with the list otherwise.
    """

    def __init__(self, facts: Facts, health: Health) -> None:
        self._facts = facts
        self._health = health
        self._server: asyncio.Server | None = None
        self._open = 0
        self.url = ""

    async def start(self, host: str, port: int) -> str:
        """Listen; returns the URL (port 0 takes a free one).

        Raises:
            OSError: when the address can't be had.
        """
        self._server = await asyncio.start_server(self._serve, host, port, limit=16_384)
        taken = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{taken}"  # noqa: S104
        return self.url

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(READ_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    status, kind, body = await self._answer(head)
                    writer.write(_head(status, kind, len(body)) + body)
                    await writer.drain()
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, head: bytes) -> tuple[str, str, bytes]:
        words = head.split(b"\r\n", 1)[0].split()
        if self._open > MOST_CONNECTIONS:
            return "503 Service Unavailable", "text/plain", b"too many connections\n"
        if len(words) != 3 or words[0] != b"GET":
            return "405 Method Not Allowed", "text/plain", b"only GET\n"
        path = words[1].split(b"?", 1)[0]
        if path == b"/metrics":
            return "200 OK", CONTENT_TYPE_LATEST, generate_latest()
        if path == b"/health":
            wrong = self._health()
            body = msgspec.json.encode({"status": "ok" if not wrong else "degraded", "problems": wrong})
            return ("503 Service Unavailable" if wrong else "200 OK"), "application/json", body
        if path == b"/status":
            return "200 OK", "application/json", msgspec.json.format(msgspec.json.encode(await self._facts()), indent=2)
        return "404 Not Found", "text/plain", b"there is /metrics, /health and /status\n"


def _head(status: str, kind: str, length: int) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {length}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
