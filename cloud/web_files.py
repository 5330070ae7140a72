"""Health, metrics, the OpenAPI document, and the screens with a strict content security policy."""

import secrets
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from cloud.people.access import Person, Role, person_by_token, require, token_of
from cloud.problems import Problem, not_found
from cloud.services import services_of
from cloud.settings import Settings

CONTENT_SECURITY_POLICY = "; ".join(  # noqa: FLY002  one directive a line
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "worker-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "geolocation=(self), camera=(self), microphone=(self)",
}


def install(app: FastAPI, settings: Settings) -> None:
    """Add these routes, the fallback last."""
    _add_service_routes(app)
    _add_screens(app, settings.web_dist.resolve())


def _add_service_routes(app: FastAPI) -> None:
    @app.get("/health", include_in_schema=False)
    @app.get("/api/v1/health", summary="Is the service able to work?", tags=["service"])
    async def health(request: Request) -> dict[str, Any]:
        services = services_of(request)
        async with services.db.reading() as session:
            await session.execute(text("SELECT 1"))
        return {"status": "ok", "server_time": services.now().isoformat(), "task_restarts": dict(services.restarts)}

    async def may_scrape(request: Request) -> None:
        token = token_of(request) or ""
        if secrets.compare_digest(token.encode(), services_of(request).metrics_token.encode()):
            return
        person = await person_by_token(services_of(request), token)
        if person is None or not person.has(Role.ADMINISTRATOR):
            raise Problem(401, "no-metrics-token", "Send the token of secrets/metrics.token: Authorization: Bearer …")

    may_scrape.guards = ("metrics",)  # type: ignore[attr-defined]

    @app.get("/metrics", include_in_schema=False, dependencies=[Depends(may_scrape)])
    @app.get("/api/v1/metrics", summary="Prometheus metrics", tags=["service"], dependencies=[Depends(may_scrape)])
    async def metrics() -> Response:
        return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/api/v1/openapi.json", summary="This API as OpenAPI", tags=["service"])
    async def openapi(_person: Annotated[Person, Depends(require())]) -> JSONResponse:
        return JSONResponse(app.openapi())


def _add_screens(app: FastAPI, dist: Path) -> None:
    @app.get("/{path:path}", include_in_schema=False)
    async def screens(path: str) -> Response:
        if path.startswith("api/"):
            raise not_found("route", f"/{path}")
        wanted = (dist / path).resolve()
        if path and wanted.is_relative_to(dist) and wanted.is_file() and wanted.name != "index.html":
            lasting = path.startswith("assets/")
            caching = "public, max-age=31536000, immutable" if lasting else "no-cache"
            return FileResponse(wanted, headers=_HEADERS | {"Cache-Control": caching})
        if "." in path.rsplit("/", 1)[-1]:
            raise not_found("file", f"/{path}")
        index = dist / "index.html"
        if not index.is_file():
            raise Problem(503, "no-screens", "The screens are not built: run npm ci && npm run build in cloud/web.")
        return FileResponse(index, headers=_HEADERS | {"Cache-Control": "no-store"})
