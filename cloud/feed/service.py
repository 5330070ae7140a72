"""The feed log: append in the caller's transaction, read from a position, follow without a hole.

Positions are given in commit order: on PostgreSQL an advisory lock is held from the first append of a transaction to
its commit, on SQLite a transaction has the one write lock anyway. So whoever has read up to position *p* has missed
nothing below it. Append as the last thing of a transaction: the lock is short then.
"""

import asyncio
import contextlib
import logging
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import msgspec
from sqlalchemy import delete, event, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from cloud.database import Database
from cloud.feed.model import FeedEntry

_log = logging.getLogger(__name__)
_LOCK = 0x5357_4645  # advisory lock of the log: 'SWFE'
_CHANNEL = "shouwang_feed"
_PAGE = 500
_RING = 8192
EDGE_KIND = "edge:"
"""Kinds `edge:<edge id>` hold the changes for one edge (wire.configuration.EdgeChange) and reach nobody else."""


class Audience(msgspec.Struct, frozen=True):
    """Narrows (roles) or widens (persons) who gets an entry; the exercise is checked in any case."""

    persons: tuple[str, ...] = ()  # also these, wherever their area
    roles: tuple[str, ...] = ()  # when given: besides `persons` only people with one of these


class Entry(msgspec.Struct):
    """One entry as read from the log; all listeners share it."""

    position: int
    kind: str
    key: str
    at: datetime
    value: dict[str, Any] | None
    grid_path: str | None = None
    site: str | None = None
    exercise: str | None = None
    audience: Audience | None = None
    event: bytes | None = None  # as it goes to people, once it was written out (`cloud.feed.stream`)


class Reset(msgspec.Struct, frozen=True):
    """The position asked for is older than what is kept (or of another log): list again, go on from `position`."""

    position: int


_feeds: "weakref.WeakSet[Feed]" = weakref.WeakSet()


async def hold(session: AsyncSession) -> None:
    """Take the log's lock now, not at the first append.

    For transactions that change several rows which others change too, and append in between: whoever holds the log
    while waiting for a row, against somebody who holds the row and waits for the log, would end as a deadlock.
    """
    if session.get_bind().dialect.name == "postgresql" and not session.info.get("feed_locked"):
        await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await session.execute(text(f"SELECT pg_notify('{_CHANNEL}', '')"))
        session.info["feed_locked"] = True
        event.listen(session.sync_session, "after_rollback", _after_rollback, once=True)


def _after_rollback(session: Session) -> None:
    session.info.pop("feed_locked", None)
    session.info.pop("feed_wakes", None)
    session.info.pop("feed_last", None)


async def append(
    session: AsyncSession,
    *,
    kind: str,
    key: str,
    value: dict[str, Any] | None,
    grid_path: str | None,
    exercise: str | None,
    audience: Audience | None = None,
    site: str | None = None,
) -> int:
    """Write one entry in the caller's transaction; listeners wake by themselves after the commit.

    The arguments are those of `enter`.

    Returns:
        The position.
    """
    row = await enter(
        session, kind=kind, key=key, value=value, grid_path=grid_path, exercise=exercise, audience=audience, site=site
    )
    await session.flush()
    return row.position


async def enter(
    session: AsyncSession,
    *,
    kind: str,
    key: str,
    value: dict[str, Any] | None,
    grid_path: str | None,
    exercise: str | None,
    audience: Audience | None = None,
    site: str | None = None,
) -> FeedEntry:
    """Put one entry into the caller's transaction without writing it yet: many go to the database at once then.

    Args:
        session: the caller's transaction.
        kind: incident, timeline, assignment, device, drill, edge, registry, or `edge:<id>`.
        key: id of the thing.
        value: JSON-able body (the thing as the API shows it); None = deleted.
        grid_path: area that it belongs to; None = no place, seen by duty officers and administrators only.
        exercise: the drill it comes of; None = real.
        audience: who else, or who only.
        site: site it belongs to, for people whose access is narrowed to sites.

    Returns:
        The row; it has its position after the next flush.
    """
    await hold(session)
    row = FeedEntry(
        position=await _next_position(session),
        kind=kind,
        key=key,
        at=datetime.now(UTC),
        value=value,
        grid_path=grid_path,
        site=site,
        exercise=exercise,
        audience=msgspec.to_builtins(audience) if audience else None,
    )
    session.add(row)
    if not session.info.get("feed_wakes"):
        session.info["feed_wakes"] = True
        event.listen(session.sync_session, "after_commit", _after_commit, once=True)
        event.listen(session.sync_session, "after_rollback", _after_rollback, once=True)
    return row


async def _next_position(session: AsyncSession) -> int | None:
    """On SQLite the next position: the transaction has the one write lock, and rows that know their key go in together.

    PostgreSQL numbers rows itself, many in one statement.
    """
    if session.get_bind().dialect.name != "sqlite":
        return None
    if "feed_last" not in session.info:
        query = text("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'feed_log'), 0)")
        session.info["feed_last"] = (await session.execute(query)).scalar_one()
    session.info["feed_last"] += 1
    return int(session.info["feed_last"])


def _after_commit(session: Session) -> None:
    session.info.pop("feed_locked", None)
    session.info.pop("feed_wakes", None)
    session.info.pop("feed_last", None)
    url = session.get_bind().engine.url
    for feed in list(_feeds):
        if feed.engine.url == url:
            feed.wake()


def _entry(row: FeedEntry) -> Entry:
    return Entry(
        position=row.position,
        kind=row.kind,
        key=row.key,
        at=row.at,
        value=row.value,
        grid_path=row.grid_path,
        site=row.site,
        exercise=row.exercise,
        audience=msgspec.convert(row.audience, Audience) if row.audience else None,
    )


async def position(session: AsyncSession) -> int:
    """Position of the newest entry; 0 for an empty log. Ask before listing: list + feed then has no hole."""
    return await session.scalar(select(func.coalesce(func.max(FeedEntry.position), 0))) or 0


async def floor(session: AsyncSession) -> int:
    """The oldest position from which one can resume."""
    lowest = await session.scalar(select(func.min(FeedEntry.position)))
    return (lowest or 1) - 1


async def reading(session: AsyncSession, after: int, *, limit: int = _PAGE, kind: str | None = None) -> list[Entry]:
    """Entries after a position, in order, at most `limit`; of one kind if given."""
    query = select(FeedEntry).where(FeedEntry.position > after).order_by(FeedEntry.position).limit(limit)
    if kind is not None:
        query = query.where(FeedEntry.kind == kind)
    return [_entry(row) for row in await session.scalars(query)]


class Feed:
    """Follows the log for every listener of one process: one query per commit, whatever the number of listeners.

    The newest entries stay in memory (bounded); who is further behind reads the database until they meet. A listener
    pulls, so a slow one costs nothing but its own delay.
    """

    def __init__(self, db: Database, *, ring: int = _RING) -> None:
        self._db = db
        self.engine = db.engine.sync_engine
        self._ring: deque[Entry] = deque(maxlen=ring)
        self._ring_floor = 0  # the ring holds everything after this position
        self.position = 0
        self.listeners = 0
        self._lost = False
        self._dirty = asyncio.Event()
        self._grown = asyncio.Event()
        self._started = asyncio.Event()
        _feeds.add(self)

    def wake(self) -> None:
        """Something was committed: have a look."""
        self._dirty.set()

    async def run(self) -> None:
        """Follow the log until cancelled; on PostgreSQL woken by other processes too."""
        async with contextlib.AsyncExitStack() as stack:
            if not self._db.is_sqlite:
                await stack.enter_async_context(self._listening())
            await self._start()
            while True:
                self._dirty.clear()
                if self._lost:
                    raise ConnectionError("the listening connection was lost")
                await self._read_new()
                await self._dirty.wait()

    async def _start(self) -> None:
        async with self._db.reading() as session:
            newest = await position(session)
        if newest < self.position or not self._started.is_set():
            self._ring.clear()
            self._ring_floor = self.position = newest
        self._started.set()

    async def _read_new(self) -> None:
        while True:
            async with self._db.reading() as session:
                entries = await reading(session, self.position)
            for entry in entries:
                if len(self._ring) == self._ring.maxlen:
                    self._ring_floor = self._ring[0].position
                self._ring.append(entry)
                self.position = entry.position
            if entries:
                grown, self._grown = self._grown, asyncio.Event()
                grown.set()
            if len(entries) < _PAGE:
                return

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        """LISTEN on a connection of its own; when that ends, the task ends and the supervisor starts it again."""
        url = self._db.engine.url.set(drivername="postgresql")
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        self._lost = False

        def lost(_connection: object) -> None:
            self._lost = True
            self.wake()

        try:
            await connection.add_listener(_CHANNEL, lambda *_: self.wake())
            connection.add_termination_listener(lost)
            yield
        finally:
            connection.remove_termination_listener(lost)
            await connection.close(timeout=2)

    async def wait_beyond(self, after: int, timeout_s: float) -> bool:
        """Wait until there is something after a position; False when the time is up first."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.position <= after:
                    await self._grown.wait()
        except TimeoutError:
            return False
        return True

    async def after(self, after: int, *, kind: str | None = None) -> Sequence[Entry] | Reset:
        """What comes next after a position (at most a page; empty = nothing yet), or that one must list again.

        With a `kind` and an empty answer the caller may go on from `self.position` as read before the call.
        """
        await self._started.wait()
        if after > self.position:
            self._dirty.set()
            async with self._db.reading() as session:
                newest = await position(session)
            return Reset(newest) if after > newest else ()
        if after >= self._ring_floor:
            start = bisect_right(self._ring, after, key=lambda entry: entry.position)
            newer = islice(self._ring, start, None)
            return list(islice((entry for entry in newer if kind is None or entry.kind == kind), _PAGE))
        async with self._db.reading() as session:
            if after < await floor(session):
                return Reset(await position(session))
            return await reading(session, after, kind=kind)

    async def prune(self, *, keep: timedelta, rows: int, now: datetime) -> int:
        """Drop what is older than `keep`, or beyond `rows`; the newest entry stays. Returns how many went."""
        async with self._db.transaction() as session:
            newest = await position(session)
            last_old = await session.scalar(select(func.max(FeedEntry.position)).where(FeedEntry.at < now - keep))
            limit = min(max(last_old or 0, newest - rows), newest - 1)
            if limit <= 0:
                return 0
            result = await session.execute(delete(FeedEntry).where(FeedEntry.position <= limit))
            return int(getattr(result, "rowcount", 0))
