"""A small HTTP server for the machine itself: a page for people, /metrics (Prometheus), /health, /status (JSON).

On loopback it asks for nothing. On any other address everything but /health needs the password (`status_access`).
"""

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from edge.status_access import Access, is_local

READ_S = 5.0
MOST_CONNECTIONS = 32
HTML = "text/html; charset=utf-8"

Facts = Callable[[], Awaitable[Any]]
Health = Callable[[], list[str]]


class Answer(NamedTuple):
    """Status line, content type, body, further headers."""

    status: str
    kind: str
    body: bytes
    headers: tuple[str, ...] = ()


class StatusServer:
    """Serves GET on loopback (or wherever `status.listen` says), one answer a connection.

    Args:
        facts: the content of /status.
        health: what is wrong now; /health answers 200 when nothing is, 503 with the list otherwise.
        devices: the content of /devices.
        access: asks for the password; None: nobody is asked (loopback).
    """

    def __init__(self, facts: Facts, health: Health, devices: Facts, access: Access | None = None) -> None:
        self._facts = facts
        self._health = health
        self._devices = devices
        self._access = access
        self._server: asyncio.Server | None = None
        self._open = 0
        self._page = files("edge").joinpath("status_page.html").read_text(encoding="utf-8")
        self._policy = policy(self._page)
        self.url = ""

    async def start(self, host: str, port: int) -> str:
        """Listen; returns the URL (port 0 takes a free one).

        Raises:
            OSError: when the address can't be had.
        """
        self._server = await asyncio.start_server(self._serve, host, port, limit=16_384)
        taken = self._server.sockets[0].getsockname()[1]
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104
        self.url = f"http://{f'[{shown}]' if ':' in shown else shown}:{taken}"
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
                    peer = str((writer.get_extra_info("peername") or ("",))[0])
                    answer = await self._answer(head, peer)
                    writer.write(self._head(answer) + answer.body)
                    await writer.drain()
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, head: bytes, peer: str) -> Answer:
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split()
        if self._open > MOST_CONNECTIONS:
            return Answer("503 Service Unavailable", "text/plain", b"too many connections\n")
        if len(words) != 3 or words[0] != "GET":
            return Answer("405 Method Not Allowed", "text/plain", b"only GET\n")
        path = words[1].partition("?")[0]
        if path == "/health":
            wrong = self._health()
            said = {"status": "degraded" if wrong else "ok"} | ({} if self._access is not None else {"problems": wrong})
            status = "503 Service Unavailable" if wrong else "200 OK"
            return Answer(status, "application/json", msgspec.json.encode(said))
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if self._access is None:
            # A web page whose name was bent to our address must not read us in a browser on this machine.
            if not is_local(urlsplit(f"//{headers.get('host', 'localhost')}").hostname or ""):
                return Answer("421 Misdirected Request", "text/plain", b"ask for 127.0.0.1 or localhost\n")
        else:
            refused = await self._access.refusal(peer, headers.get("authorization", ""))
            if refused is not None:
                return _refused(*refused)
        return await self._open_to_the_known(path)

    async def _open_to_the_known(self, path: str) -> Answer:
        if path == "/":
            return Answer("200 OK", HTML, self._page.encode())
        if path == "/metrics":
            return Answer("200 OK", CONTENT_TYPE_LATEST, generate_latest())
        if path in {"/status", "/devices"}:
            content = await (self._facts if path == "/status" else self._devices)()
            return Answer("200 OK", "application/json", msgspec.json.format(msgspec.json.encode(content), indent=2))
        return Answer("404 Not Found", "text/plain", b"there is /, /metrics, /health, /status and /devices\n")

    def _head(self, answer: Answer) -> bytes:
        lines = [
            f"HTTP/1.1 {answer.status}",
            f"Content-Type: {answer.kind}",
            f"Content-Length: {len(answer.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "Cross-Origin-Resource-Policy: same-origin",
            f"Content-Security-Policy: {self._policy}",
            *answer.headers,
            "Connection: close",
        ]
        return "\r\n".join([*lines, "", ""]).encode()


def policy(page: str) -> str:
    """What a browser may do with the page: its own style and script, by hash, and ask this server. Nothing else."""

    def hashes(tag: str) -> str:
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digests = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in found)
        return " ".join(f"'sha256-{digest}'" for digest in digests)

    return (
        f"default-src 'none'; style-src {hashes('style')}; script-src {hashes('script')}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _refused(status: str, wait_s: float) -> Answer:
    more = ('WWW-Authenticate: Basic realm="Shouwang edge", charset="UTF-8"',) if status.startswith("401") else ()
    if wait_s:
        more = (*more, f"Retry-After: {round(wait_s) + 1}")
    body = "需要密码 / password needed\n" if not wait_s else "请稍后再试 / try again later\n"
    return Answer(status, "text/plain; charset=utf-8", body.encode(), more)
