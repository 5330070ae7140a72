"""What every route and background task of one process shares."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from cloud.database import Database
from cloud.settings import Settings

if TYPE_CHECKING:
    from cloud.feed.service import Feed
    from cloud.people.throttle import LoginThrottle
    from cloud.telemetry.store import TelemetryStore
    from cloud.timers.service import Due


def wall_clock() -> datetime:
    """Now, aware UTC."""
    return datetime.now(UTC)


DueHandler = Callable[["Services", "Due"], Awaitable[None]]
"""Carries out one kind of timer: opens its transaction, takes the timer in it, acts."""
DemoClock = Callable[[AsyncSession, str, datetime], Awaitable[dict[str, Any] | None]]


@dataclass(slots=True)
class Services:
    """The parts of one running cloud process; `app.state.services`."""

    settings: Settings
    db: Database
    feed: "Feed"
    telemetry: "TelemetryStore"
    throttle: "LoginThrottle"
    metrics_token: str
    """What a scraper of `/metrics` shows; it lies in `secrets/metrics.token`."""
    now: Callable[[], datetime] = wall_clock
    demo_clock: DemoClock | None = None
    """The registry's answer to 'which clock does the demonstration run on?' for the people domain below it."""
    due: Mapping[str, DueHandler] = field(default_factory=dict)
    """Who carries out each kind of timer (`HANDLERS` of each domain's due.py)."""
    ways: Mapping[str, Callable[["Services"], Any]] = field(default_factory=dict)
    """Ways out for messages that domains above `notify` have (`WAYS` of each domain's ways_out.py)."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    restarts: dict[str, int] = field(default_factory=dict)
    """How often the supervisor had to start each background task again."""

    def wake(self) -> None:
        """Tell listeners that the feed log has grown (done by itself after a commit that appended)."""
        self.feed.wake()


def services_of(connection: HTTPConnection) -> Services:
    """The services of the application that a request came to; usable as a FastAPI dependency on Request."""
    return cast("Services", connection.app.state.services)
