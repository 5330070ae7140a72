"""Bounds around every request: how large a body may be, and what a browser may do with an answer."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.problems import Problem
from cloud.settings import Settings

_LARGE = ("/api/v1/edge/events", "/api/v1/devices/import")
_LARGE_BELOW = ("/api/v1/incidents/", "/attachments")  # photos and voice notes
_CLIPS = "/api/v1/speakers/clips/"


class BodyLimit:
    """Refuses a body beyond its limit, by its announced length or by counting what comes."""

    def __init__(self, app: ASGIApp, usual: int, large: int) -> None:
        self._app = app
        self._usual = usual
        self._large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        above, below = _LARGE_BELOW
        large = path in _LARGE or (path.startswith(above) and path.endswith(below)) or path.startswith(_CLIPS)
        limit = self._large if large else self._usual
        problem = Problem(413, "too-large", f"The body may hold {limit} bytes.")
        announced = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if not announced.isdigit() or int(announced) > limit:
            await problem.response()(scope, receive, send)
            return
        taken, started = 0, False

        async def counting() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    raise problem
            return message

        async def answering(message: Message) -> None:
            # frameworks turn an error while reading the body into an answer of their own: ours stands instead
            nonlocal started
            if taken <= limit or started:
                await send(message)
                started = True
            elif message["type"] == "http.response.start":
                await problem.response()(scope, receive, send)

        await self._app(scope, counting, answering)


def install(app: FastAPI, settings: Settings) -> None:
    """Put the bounds around an application."""
    app.add_middleware(BodyLimit, usual=settings.body_limit_bytes, large=settings.upload_limit_bytes)
