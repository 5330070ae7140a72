"""Readings in one DuckDB file: one writer thread, batch id and rows commit together, down-sampled history out.

DuckDB opens a file for one process only. A second process is refused with the reason; who needs several cloud
processes puts a server in its place (docs/cloud.md).
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import msgspec
import numpy as np

from cloud.telemetry.bulk import LONGEST_MS
from cloud.telemetry.history import History, history
from rules.quality import names
from wire.reading import Series, TelemetryBlock

T = TypeVar("T")
QUEUE_LIMIT = 256
"""Batches waiting for the writer; beyond that `write` waits, and so does the edge that sent them."""
COMMIT_LIMIT = 64
"""Batches that one commit takes together."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, device VARCHAR NOT NULL, point VARCHAR NOT NULL, unit VARCHAR NOT NULL,
    exercise VARCHAR NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS readings (
    series INTEGER NOT NULL, ts BIGINT NOT NULL, value DOUBLE, flag UTINYINT NOT NULL,
    written_day INTEGER NOT NULL,  -- wall day of writing: retention, for `ts` of a replay may lie years back
    tests USMALLINT DEFAULT 0  -- bits of the quality tests that spoke
);
ALTER TABLE readings ADD COLUMN IF NOT EXISTS tests USMALLINT DEFAULT 0;  -- a file from before
CREATE TABLE IF NOT EXISTS aggregates (  -- many readings as one row (wire.reading.Aggregates)
    series INTEGER NOT NULL, ts BIGINT NOT NULL, span BIGINT NOT NULL, low DOUBLE, low_at BIGINT, high DOUBLE,
    high_at BIGINT, mean DOUBLE, last DOUBLE, count BIGINT NOT NULL, flag UTINYINT NOT NULL,
    written_day INTEGER NOT NULL, tests USMALLINT DEFAULT 0
);
CREATE TABLE IF NOT EXISTS batches (id VARCHAR PRIMARY KEY, written_ms BIGINT NOT NULL);
"""


_WHOLE = ("start", "span", "low_at", "high_at", "count")
_REAL = ("low", "high", "mean", "last")


class StoreInUse(RuntimeError):  # noqa: N818
    """Another process has the telemetry file open."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"{path} is open in another process. The embedded telemetry store serves one process only: stop the other "
            f"one, or give this one a data directory of its own. ({cause.splitlines()[0][:200]})"
        )


class StoreClosed(RuntimeError):  # noqa: N818
    """The store is not open."""


class Newest(msgspec.Struct, frozen=True):
    """The latest reading of one point."""

    point: str
    unit: str
    ts: int
    value: float | None
    flag: int
    tests: str = ""  # that spoke of it, by comma


class _Write(msgspec.Struct):
    batch: str
    block: TelemetryBlock
    done: "Future[bool]"


class TelemetryStore:
    """The store; `open` before use. Writes go through one thread, questions run on cursors in worker threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._writes: queue.Queue[_Write | None] = queue.Queue(QUEUE_LIMIT)
        self._writer: threading.Thread | None = None
        self._series: dict[Series, int] = {}
        self._room = asyncio.Semaphore(QUEUE_LIMIT)
        self.rows_written = 0

    async def open(self) -> None:
        """Open or create the file; nothing to do when it is open.

        Raises:
            StoreInUse: when another process has it open.
        """
        if self._connection is None:
            await asyncio.to_thread(self._open)

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = duckdb.connect(str(self.path), config={"threads": 2, "memory_limit": "512MB"})
        except duckdb.IOException as error:
            if "lock" in str(error).lower():
                raise StoreInUse(self.path, str(error)) from None
            raise
        connection.execute(_SCHEMA)
        known = connection.execute("SELECT id, device, point, unit, exercise FROM series").fetchall()
        self._series = {Series(d, p, u, e or None): i for i, d, p, u, e in known}
        self._connection = connection
        self._writer = threading.Thread(target=self._write_loop, name="telemetry-writer", daemon=True)
        self._writer.start()

    async def close(self) -> None:
        """Write what waits, then close."""
        if self._writer is not None:
            await asyncio.to_thread(self._writes.put, None)
            await asyncio.to_thread(self._writer.join)
            self._writer = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def write(self, batch: str, block: TelemetryBlock) -> bool:
        """Write one batch; back when it is committed.

        Args:
            batch: the id that the edge gave it before its first write: a repeat changes nothing.
            block: the readings.

        Returns:
            False when this batch stood there already.
        """
        if self._writer is None:
            raise StoreClosed("the telemetry store is not open")
        async with self._room:
            done: Future[bool] = Future()
            self._writes.put_nowait(_Write(batch, block, done))
            return await asyncio.wrap_future(done)

    def _write_loop(self) -> None:
        assert self._connection is not None
        cursor = self._connection.cursor()
        while (first := self._writes.get()) is not None:
            writes = [first]
            stop = False
            with suppress(queue.Empty):
                while len(writes) < COMMIT_LIMIT:
                    following = self._writes.get_nowait()
                    if following is None:
                        stop = True
                        break
                    writes.append(following)
            self._commit(cursor, writes)
            if stop:
                return

    def _commit(self, cursor: duckdb.DuckDBPyConnection, writes: list[_Write]) -> None:
        known = dict(self._series)
        try:
            cursor.execute("BEGIN")
            outcomes, rows = self._insert(cursor, writes)
            cursor.execute("COMMIT")
        except (duckdb.Error, ValueError, OverflowError) as error:
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            self._series = known
            if len(writes) > 1:  # one bad batch must not hold up its neighbours
                for write in writes:
                    self._commit(cursor, [write])
                return
            writes[0].done.set_exception(error)
            return
        self.rows_written += rows
        for write, new in zip(writes, outcomes, strict=True):
            write.done.set_result(new)

    def _insert(self, cursor: duckdb.DuckDBPyConnection, writes: list[_Write]) -> tuple[list[bool], int]:
        ids = [write.batch for write in writes]
        present = {
            row[0] for row in cursor.execute("SELECT id FROM batches WHERE id IN (SELECT unnest(?))", [ids]).fetchall()
        }
        outcomes: list[bool] = []
        columns: list[tuple[Any, ...]] = []
        for write in writes:
            new = write.batch not in present
            outcomes.append(new)
            if not new:
                continue
            present.add(write.batch)
            cursor.execute("INSERT INTO batches VALUES (?, epoch_ms(now()))", [write.batch])
            block = write.block
            if block.ts or block.aggregates is not None:
                self._enter_series(cursor, block.table)
            if block.ts:
                ids_of_table = np.array([self._series[series] for series in block.table], dtype=np.int32)
                columns.append(
                    (
                        ids_of_table[np.asarray(block.series, dtype=np.int64)],
                        np.asarray(block.ts, dtype=np.int64),
                        np.asarray(block.value, dtype=np.float64),
                        np.asarray(block.flag, dtype=np.uint8),
                        np.asarray(block.tests or np.zeros(len(block.ts)), dtype=np.uint16),
                    )
                )
        many = self._insert_aggregates(
            cursor, [write.block for write, new in zip(writes, outcomes, strict=True) if new]
        )
        if not columns:
            return outcomes, many
        series, ts, value, flag, tests = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        cursor.register("incoming", {"series": series, "ts": ts, "value": value, "flag": flag, "tests": tests})
        cursor.execute(
            "INSERT INTO readings (series, ts, value, flag, written_day, tests) "
            "SELECT series, ts, value, flag, epoch_ms(now()) // 86400000, tests FROM incoming"
        )
        cursor.unregister("incoming")
        return outcomes, len(ts) + many

    def _insert_aggregates(self, cursor: duckdb.DuckDBPyConnection, blocks: Sequence[TelemetryBlock]) -> int:
        """Rows that stand for many readings; how many rows."""
        rows = 0
        for block in blocks:
            many = block.aggregates
            if many is None or not many.start:
                continue
            ids = np.array([self._series[series] for series in block.table], dtype=np.int32)
            columns = {
                "series": ids[np.asarray(many.series, dtype=np.int64)],
                **{name: np.asarray(getattr(many, name), dtype=np.int64) for name in _WHOLE},
                **{name: np.asarray(getattr(many, name), dtype=np.float64) for name in _REAL},
                "flag": np.asarray(many.flag, dtype=np.uint8),
                "tests": np.asarray(many.tests or np.zeros(len(many.start)), dtype=np.uint16),
            }
            if max(many.span) > LONGEST_MS:
                raise ValueError(f"an aggregate spans more than {LONGEST_MS // 60_000} minutes")
            cursor.register("incoming_aggregates", columns)
            cursor.execute(
                "INSERT INTO aggregates SELECT series, start, span, low, low_at, high, high_at, mean, last, count, "
                "flag, epoch_ms(now()) // 86400000, tests FROM incoming_aggregates"
            )
            cursor.unregister("incoming_aggregates")
            rows += len(many.start)
        return rows

    def _enter_series(self, cursor: duckdb.DuckDBPyConnection, table: Sequence[Series]) -> None:
        """Give series that are new an id, in one statement: a fleet brings thousands at its first word."""
        unknown = list(dict.fromkeys(series for series in table if series not in self._series))
        if not unknown:
            return
        first = len(self._series) + 1
        rows = {
            "id": np.arange(first, first + len(unknown), dtype=np.int32),
            "device": np.array([series.device for series in unknown], dtype=object),
            "point": np.array([series.point for series in unknown], dtype=object),
            "unit": np.array([series.unit for series in unknown], dtype=object),
            "exercise": np.array([series.exercise or "" for series in unknown], dtype=object),
        }
        cursor.register("new_series", rows)
        cursor.execute("INSERT INTO series SELECT id, device, point, unit, exercise FROM new_series")
        cursor.unregister("new_series")
        self._series.update((series, first + index) for index, series in enumerate(unknown))

    async def _ask(self, question: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise StoreClosed("the telemetry store is not open")

        def run() -> T:
            with connection.cursor() as cursor:
                return question(cursor)

        return await asyncio.to_thread(run)

    async def ask(self, question: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Put a question of another module (`bulk`) on a cursor in a worker thread."""
        return await self._ask(question)

    async def points(self, device: str, exercise: str | None = None) -> list[str]:
        """Points that a device has readings of."""
        return await self._ask(
            lambda cursor: [
                row[0]
                for row in cursor.execute(
                    "SELECT DISTINCT point FROM series WHERE device = ? AND exercise = ? ORDER BY point",
                    [device, exercise or ""],
                ).fetchall()
            ]
        )

    async def newest(self, device: str, exercise: str | None = None) -> list[Newest]:
        """The latest reading of each point of a device."""

        def question(cursor: duckdb.DuckDBPyConnection) -> list[Newest]:
            rows = cursor.execute(
                "SELECT s.point, s.unit, max(r.ts), arg_max(r.value, r.ts), arg_max(r.flag, r.ts), "
                "arg_max(coalesce(r.tests, 0), r.ts) "
                "FROM series s JOIN (SELECT series, ts, value, flag, tests FROM readings UNION ALL "
                "SELECT series, ts + span, last, flag, tests FROM aggregates) r "
                "ON r.series = s.id WHERE s.device = ? AND s.exercise = ? "
                "GROUP BY s.point, s.unit ORDER BY s.point",
                [device, exercise or ""],
            ).fetchall()
            return [Newest(point, unit, ts, value, flag, names(bits)) for point, unit, ts, value, flag, bits in rows]

        return await self._ask(question)

    async def history(
        self,
        device: str,
        point: str,
        *,
        exercise: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        points: int = 300,
        cadence_s: float | None = None,
        span_ms: int = 3_600_000,
    ) -> History:
        """Minimum, mean and maximum per bucket.

        Args:
            device: its id.
            point: which quantity.
            exercise: the drill whose readings are meant; None = real.
            from_ms: start; default: `span_ms` before the end.
            to_ms: end (exclusive); default: just after the newest reading.
            points: at most so many buckets.
            cadence_s: expected interval; a longer silence than 3 × is a gap. Default: the median interval found.
            span_ms: see `from_ms`.
        """

        def question(cursor: duckdb.DuckDBPyConnection) -> History:
            return history(cursor, device, point, exercise or "", from_ms, to_ms, points, cadence_s, span_ms)

        return await self._ask(question)

    async def prune(self, before_ms: int) -> None:
        """Drop readings written before an instant (whole days), and batch ids that no edge will repeat any more."""

        def question(cursor: duckdb.DuckDBPyConnection) -> None:
            cursor.execute("DELETE FROM readings WHERE written_day < ?", [before_ms // 86_400_000])
            cursor.execute("DELETE FROM aggregates WHERE written_day < ?", [before_ms // 86_400_000])
            cursor.execute("DELETE FROM batches WHERE written_ms < ?", [before_ms])

        await self._ask(question)
