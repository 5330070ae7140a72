"""Puts the house together: settings → services → routers and background tasks → one ASGI application."""

import asyncio
import contextlib
import importlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import Counter

from cloud import problems
from cloud.database import Database
from cloud.feed.service import Feed
from cloud.people.throttle import LoginThrottle
from cloud.registry import timelines
from cloud.secret_files import write_secret
from cloud.services import DueHandler, Services, services_of
from cloud.settings import Settings
from cloud.telemetry.store import TelemetryStore

__all__ = ["DOMAINS", "Services", "create_app", "load_models", "services_of"]

DOMAINS = (
    "timers",
    "audit",
    "people",
    "registry",
    "telemetry",
    "feed",
    "intake",
    "incidents",
    "dispatch",
    "households",
    "desk",
    "handoffs",
    "whistles",
    "notify",
    "calls",
    "heartbeat",
    "drills",
    "rulebook",
    "plans",
    "modes",
    "rotas",
    "handover",
)
"""Folders that may hold model.py, api.py (`router`), service.py, background.py (`async background(services)`) and
due.py (`HANDLERS`: who carries out which kind of timer) and ways_out.py (`WAYS`: further ways for messages)."""
PREFIX = "/api/v1"
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 10.0
_log = logging.getLogger(__name__)
_restarts = Counter("shouwang_cloud_task_restarts_total", "Background tasks started again after an error", ["task"])


@cache
def _modules(name: str) -> tuple[tuple[str, ModuleType], ...]:
    """The modules of that name, domain by domain, where there is one."""
    return tuple(
        (domain, importlib.import_module(f"cloud.{domain}.{name}"))
        for domain in DOMAINS
        if find_spec(f"cloud.{domain}") and find_spec(f"cloud.{domain}.{name}")
    )


def load_models() -> None:
    """Import every domain's tables, so that `Base.metadata` is complete."""
    importlib.import_module("cloud.idempotency")
    for _ in _modules("model"):
        pass


def due_handlers() -> dict[str, DueHandler]:
    """Who carries out each kind of timer, of every domain."""
    found: dict[str, DueHandler] = {}
    for domain, module in _modules("due"):
        if twice := found.keys() & module.HANDLERS.keys():
            raise ValueError(f"{domain}: timers of kind {sorted(twice)} are another domain's")
        found |= module.HANDLERS
    return found


def ways_out() -> dict[str, Callable[[Services], Any]]:
    """Ways out for messages that domains above `notify` have, by channel."""
    return {name: make for _, module in _modules("ways_out") for name, make in module.WAYS.items()}


async def supervised(name: str, services: Services, work: Callable[[Services], Awaitable[Any]]) -> None:
    """Keep a background task alive: log and count an error, pause (longer each time), start again."""
    pause_s = _FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    while not services.stopping.is_set():
        began = loop.time()
        try:
            await work(services)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if services.stopping.is_set() or (task is not None and task.cancelling()):
                raise
            _log.warning("background task %s was interrupted", name)
        except Exception:  # noqa: BLE001  the supervisor: whatever it was, it is logged, counted, and the work goes on
            _log.exception("background task %s failed; starting it again", name)
        else:
            return
        services.restarts[name] = services.restarts.get(name, 0) + 1
        _restarts.labels(name).inc()
        if loop.time() - began > 60:
            pause_s = _FIRST_PAUSE_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(services.stopping.wait(), pause_s)
        pause_s = min(pause_s * 2, _LAST_PAUSE_S)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    await services.telemetry.open()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(supervised(name, services, module.background), name=name)
                for name, module in _modules("background")
            ]
            yield
            services.stopping.set()
            for task in tasks:
                task.cancel()
    finally:
        await services.telemetry.close()
        await services.db.close()


def _kept_secret(file: Path) -> str:
    write_secret(file, secrets.token_urlsafe(32), keep=True)
    return file.read_text(encoding="utf-8").strip()


def create_services(settings: Settings) -> Services:
    """The parts of one process, not yet running."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    db = Database(settings.url)
    return Services(
        settings=settings,
        db=db,
        feed=Feed(db),
        telemetry=TelemetryStore(settings.telemetry_path),
        throttle=LoginThrottle(settings.login_failures, settings.login_window_s),
        metrics_token=_kept_secret(settings.secrets_dir / "metrics.token"),
        demo_clock=timelines.demo_clock,
        due=due_handlers(),
        ways=ways_out(),
    )


def create_app(settings: Settings) -> FastAPI:
    """The application. The database must stand at the newest migration (`cloud.migrations.upgrade`)."""
    load_models()
    from cloud.rulebook import preview_api

    app = FastAPI(
        title="Shouwang cloud",
        version="1",
        summary="From alert to incident to responder, and the drills that rehearse it",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,  # served behind a role, see cloud/web_files.py
        lifespan=_lifespan,
        responses=problems.RESPONSES,
    )
    app.state.services = create_services(settings)
    problems.install(app)
    api = APIRouter(prefix=PREFIX)
    api.include_router(preview_api.router)  # before those that take any word in its place
    for _, module in _modules("api"):
        api.include_router(module.router)
    app.include_router(api)
    _add_rest(app, settings)
    return app


def _add_rest(app: FastAPI, settings: Settings) -> None:
    """Limits around every request, health and metrics, and last the screens (their fallback takes any path)."""
    from cloud import limits, web_files

    limits.install(app, settings)
    web_files.install(app, settings)
