"""Engine, sessions and column types: SQLite (WAL) by default, PostgreSQL by URL, one set of models on both."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, MetaData, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

JsonColumn = JSON().with_variant(JSONB(), "postgresql")


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant. SQLite gives back naive datetimes: this puts the zone on again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse naive datetimes; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables of the cloud; each domain's `model.py` derives from it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant(), dict[str, Any]: JsonColumn, list[Any]: JsonColumn}  # noqa: RUF012


_PATIENCE_S = 30


def _sqlite_on_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """WAL, full sync (a verdict says *committed*), foreign keys, patience with the one writer."""
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={_PATIENCE_S * 1000}", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:  # SQLite does not wait here while another one makes the same change
            if time.monotonic() > deadline:
                raise
            await_only(asyncio.sleep(0.02))
        else:
            break
    cursor.close()


def _sqlite_on_invalidate(
    connection: DBAPIConnection, _record: ConnectionPoolEntry, _error: BaseException | None
) -> None:
    """Let go of the write lock at once when whoever holds it is cancelled.

    SQLite keeps a closed connection, and its locks, for as long as anything still points to one of its statements; the
    traceback of the cancelled task does. A rollback does not wait for that.
    """
    if in_greenlet():
        with suppress(asyncio.CancelledError, sqlite3.Error):  # cancelled again: the first one is on its way up already
            connection.rollback()


def insert_into(session: AsyncSession, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in the dialect of a session."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


class Database:
    """The one place that opens sessions."""

    def __init__(self, url: str) -> None:
        """Open an engine on `sqlite+aiosqlite:///path` or `postgresql+asyncpg://…`."""
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        options: dict[str, Any] = {} if self.is_sqlite else {"pool_size": 10, "max_overflow": 20, "pool_pre_ping": True}
        self.engine: AsyncEngine = create_async_engine(url, **options)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _sqlite_on_connect)
            event.listen(self.engine.sync_engine, "invalidate", _sqlite_on_invalidate)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._turn: AbstractAsyncContextManager[Any] = asyncio.Lock() if self.is_sqlite else nullcontext()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for queries; nothing is committed."""
        async with self._sessions() as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A session for queries that all see one moment, however much is written meanwhile."""
        async with self._sessions() as session:
            one_moment = "BEGIN" if self.is_sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            await session.execute(text(one_moment))
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session for one change: committed at the end, rolled back on any error.

        On SQLite the write lock is taken at once (BEGIN IMMEDIATE), so that two writers queue instead of failing.
        Writers of this process queue here, in their order and where they can be cancelled; only those of other
        processes are waited for inside SQLite, whose waiting nothing can interrupt.
        """
        async with self._turn, self._sessions() as session:
            if self.is_sqlite:
                await session.execute(text("BEGIN IMMEDIATE"))
            yield session
            await session.commit()

    async def close(self) -> None:
        """Give back every connection."""
        await self.engine.dispose()
