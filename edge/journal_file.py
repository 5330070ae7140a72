"""The journal's file, as the writer thread sees it: SQL and bounds, nothing asynchronous."""

import logging
import sqlite3
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from edge.journal_room import Room
from edge.lane import Depth, Lane, Loss, Outgoing, Stored, Transaction, Waiting
from wire.time import now_ms

log = logging.getLogger(__name__)

VERSION = 2
_WAITING = "SELECT position, id, lane, type, data, born_ms, exercise FROM outgoing"


class JournalError(RuntimeError):
    """The journal can't be opened; the message says what to do."""


class JournalFile:
    """One SQLite file; used by one thread at a time. The arguments are those of `edge.journal.Journal`."""

    def __init__(
        self, path: Path, *, telemetry_bytes: int, state_events: int, kept_keys: int, keep_alarms: int | None
    ) -> None:
        self._path = path
        self._kept_keys = kept_keys
        self._connection: sqlite3.Connection | None = None
        self._full: bool | None = None
        self._room = Room(telemetry_bytes, state_events, keep_alarms)
        self._key_rows: list[tuple[int, int]] = []  # batch, keys in it
        self._key_total = 0
        self.set_aside_as: Path | None = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise JournalError("the journal is not open")
        return self._connection

    def open(self) -> Stored:
        """See `Journal.open`."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            stored = self._read()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise JournalError(f"{self._path} can't be opened: {error}. Is the disk full or read-only?") from None
            self.close()
            self.set_aside_as = self._path.with_name(f"{self._path.name}.damaged-{now_ms()}")
            self._path.rename(self.set_aside_as)
            for end in ("-wal", "-shm"):
                beside = self._path.with_name(self._path.name + end)
                if beside.exists():
                    beside.rename(self.set_aside_as.with_name(self.set_aside_as.name + end))
            log.exception("the journal is damaged; kept as %s, a new one begins", self.set_aside_as)
            stored = self._read()
        return stored

    def _read(self) -> Stored:
        db = sqlite3.connect(self._path, isolation_level=None, cached_statements=64)
        self._connection = db
        self._full = None
        self._path.chmod(0o600)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA wal_autocheckpoint=1000")
        db.execute("PRAGMA journal_size_limit=16777216")
        db.execute("PRAGMA busy_timeout=5000")
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check found it damaged")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise JournalError(
                f"{self._path} was written by a later version ({version}; this one knows {VERSION}). "
                "Install that version again, or move the file away"
            )
        for step in range(version + 1, VERSION + 1):
            script = files("edge").joinpath("schema", f"v{step}.sql").read_text()
            db.executescript(f"BEGIN;\n{script}\nPRAGMA user_version={step};\nCOMMIT;")
        self._room.recount(db)
        self._key_rows = [(row, size // 8) for row, size in db.execute("SELECT batch, length(keys) FROM accepted")]
        self._key_total = sum(count for _, count in self._key_rows)
        return Stored(
            states=dict(db.execute("SELECT key, state FROM engine_state")),
            alarms=dict(db.execute("SELECT alarm_id, record FROM alarm")),
            keys=[row[0] for row in db.execute("SELECT keys FROM accepted ORDER BY batch")],
            decisions={row[0] for row in db.execute("SELECT id FROM decision")},
        )

    def commit(self, transaction: Transaction) -> None:
        """See `Journal.commit`."""
        db = self._db
        if transaction.full != self._full:
            db.execute(f"PRAGMA synchronous={'FULL' if transaction.full else 'NORMAL'}")
            self._full = transaction.full
        before = list(self._key_rows), self._key_total
        db.execute("BEGIN IMMEDIATE")
        try:
            self._write(db, transaction)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            self._key_rows, self._key_total = before
            self._room.recount(db)
            raise

    def _write(self, db: sqlite3.Connection, transaction: Transaction) -> None:
        if transaction.states:
            rows = [(key, state) for key, state in transaction.states.items() if state]
            db.executemany("INSERT OR REPLACE INTO engine_state VALUES (?, ?)", rows)
            if len(rows) < len(transaction.states):
                gone = [(key,) for key, state in transaction.states.items() if not state]
                db.executemany("DELETE FROM engine_state WHERE key = ?", gone)
        for alarm_id, record in transaction.alarms.items():
            if record is None:
                db.execute("DELETE FROM alarm WHERE alarm_id = ?", (alarm_id,))
            else:
                db.execute("INSERT OR REPLACE INTO alarm VALUES (?, ?)", (alarm_id, record))
        if transaction.keys:
            cursor = db.execute("INSERT INTO accepted (keys) VALUES (?)", (transaction.keys,))
            count = len(transaction.keys) // 8
            self._key_rows.append((cursor.lastrowid or 0, count))
            self._key_total += count
            self._forget_keys(db)
        if transaction.events:
            self._enqueue(db, transaction.events)
        if transaction.decisions:
            at = now_ms()
            db.execute("DELETE FROM decision WHERE forget_ms < ?", (at,))
            db.executemany(
                "INSERT OR REPLACE INTO decision VALUES (?, ?, ?, ?)",
                [(name, result, at, forget) for name, result, forget in transaction.decisions],
            )

    def _forget_keys(self, db: sqlite3.Connection) -> None:
        old = 0
        while old < len(self._key_rows) and self._key_total - self._key_rows[old][1] >= self._kept_keys:
            self._key_total -= self._key_rows[old][1]
            old += 1
        if old:
            db.execute("DELETE FROM accepted WHERE batch <= ?", (self._key_rows[old - 1][0],))
            del self._key_rows[:old]

    def _enqueue(self, db: sqlite3.Connection, events: Sequence[Outgoing]) -> None:
        keys = [event.replaces for event in events if event.replaces]
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ",".join("?" * len(some))
            for row in db.execute(
                f"DELETE FROM outgoing WHERE replaces IN ({marks}) RETURNING lane, length(data)",  # noqa: S608
                some,
            ).fetchall():
                self._room.count(Lane(row[0]), -1, -row[1])
        newest = {event.replaces or event.id: event for event in events}
        for event in newest.values():
            cursor = db.execute(
                "INSERT OR IGNORE INTO outgoing (id, lane, type, exercise, replaces, born_ms, urgent, items, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    event.id,
                    int(event.lane),
                    event.type.value,
                    event.exercise,
                    event.replaces,
                    event.born_ms,
                    int(event.urgent),
                    event.items,
                    event.data,
                ),
            )
            if cursor.rowcount:
                self._room.count(event.lane, 1, len(event.data))
        self._room.make(db)

    def waiting(self, lanes: tuple[Lane, ...], most_events: int, most_bytes: int) -> list[Waiting]:
        """See `Journal.waiting`."""
        found: list[Waiting] = []
        size = 0
        for lane in lanes:
            for row in self._db.execute(
                f"{_WAITING} WHERE lane = ? ORDER BY position LIMIT ?",
                (int(lane), most_events - len(found)),
            ):
                size += len(row[4])
                if found and size > most_bytes:
                    return found
                found.append(_waiting(row))
                if lane is Lane.TELEMETRY:
                    self._room.handed = max(self._room.handed, row[0])
            if len(found) >= most_events:
                break
        return found

    def held(self, before_ms: int, most_bytes: int) -> list[Waiting]:
        """See `Journal.held`."""
        found: list[Waiting] = []
        size = 0
        for row in self._db.execute(
            # from the future: the clock went back since
            f"{_WAITING} WHERE lane = 3 AND (born_ms < ? OR born_ms > ?) ORDER BY position",
            (before_ms, before_ms + 900_000),
        ):
            found.append(_waiting(row))
            size += len(row[4])
            if size >= most_bytes:
                break
        return found

    def gathered(self, positions: Sequence[int], events: Sequence[Outgoing]) -> None:
        """See `Journal.gathered`."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            for position in positions:
                for row in db.execute(
                    "DELETE FROM outgoing WHERE position = ? AND lane = 3 RETURNING length(data)", (position,)
                ).fetchall():
                    self._room.count(Lane.HELD, -1, -row[0])
            self._enqueue(db, events)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            self._room.recount(db)
            raise

    def settle(self, done: Sequence[str], refused: Sequence[tuple[str, str]]) -> None:
        """See `Journal.settle`."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            for identity, reason in refused:
                db.execute(
                    "INSERT OR REPLACE INTO set_aside SELECT id, type, ?, ?, data FROM outgoing WHERE id = ?",
                    (reason, now_ms(), identity),
                )
            if refused:
                db.execute(
                    "DELETE FROM set_aside WHERE at_ms <"
                    " (SELECT at_ms FROM set_aside ORDER BY at_ms DESC LIMIT 1 OFFSET 10000)"
                )
            for identity in [*done, *(identity for identity, _ in refused)]:
                for row in db.execute(
                    "DELETE FROM outgoing WHERE id = ? RETURNING lane, length(data)", (identity,)
                ).fetchall():
                    self._room.count(Lane(row[0]), -1, -row[1])
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            self._room.recount(db)
            raise

    def overdue(self, before_ms: int) -> list[Waiting]:
        """See `Journal.overdue`."""
        rows = self._db.execute(
            f"{_WAITING} WHERE lane = 0 AND urgent = 1 AND born_ms <= ?"  # noqa: S608  a constant
            " AND id NOT IN (SELECT alert FROM local_notice) ORDER BY position LIMIT 100",
            (before_ms,),
        )
        return [_waiting(row) for row in rows]

    def noticed(self, alert: str, outcome: str) -> None:
        """See `Journal.noticed`."""
        self._db.execute("INSERT OR REPLACE INTO local_notice VALUES (?, ?, ?)", (alert, now_ms(), outcome))
        self._db.execute(
            "DELETE FROM local_notice WHERE at_ms < ? AND alert NOT IN (SELECT id FROM outgoing)",
            (now_ms() - 30 * 86_400_000,),
        )

    def depth(self) -> Depth:
        """See `Journal.depth`."""
        oldest = self._db.execute("SELECT min(born_ms) FROM outgoing WHERE lane < 3").fetchone()[0]
        return Depth(dict(self._room.events), dict(self._room.bytes), oldest)

    def losses(self, since_ms: int) -> list[Loss]:
        """See `Journal.losses`."""
        rows = self._db.execute(
            "SELECT lane, events, items, first_ms, last_ms, at_ms, reason FROM loss WHERE at_ms >= ?"
            " ORDER BY position DESC LIMIT 20",
            (since_ms,),
        )
        return [Loss(Lane(row[0]), *row[1:]) for row in rows]

    def set_aside(self) -> list[tuple[str, str, str]]:
        """See `Journal.set_aside`."""
        return self._db.execute("SELECT id, type, reason FROM set_aside ORDER BY at_ms DESC LIMIT 100").fetchall()

    def alarm_log(self, most: int) -> list[Waiting]:
        """See `Journal.alarm_log`."""
        rows = self._db.execute(
            f"{_WAITING} WHERE lane = 0 ORDER BY position DESC LIMIT ?",
            (most,),
        )
        return [_waiting(row) for row in rows]

    def close(self) -> None:
        """See `Journal.close`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _waiting(row: tuple[Any, ...]) -> Waiting:
    position, identity, lane, kind, data, born_ms, exercise = row
    return Waiting(position, identity, Lane(lane), kind, data, born_ms, exercise)
