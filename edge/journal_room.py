"""Room in the journal: what the lanes hold, and what goes when one is full. The alarm lane has no bound.

Readings are thinned before they go: by exception, to one minute, to ten (`edge.thinning`), the oldest first, those on
their way to the cloud never. Each loss is a row with count, span and reason.
"""

import logging
import sqlite3
from typing import Any

import msgspec

from edge import thinning
from edge.lane import Lane
from edge.metrics import JOURNAL_BYTES, JOURNAL_EVENTS, JOURNAL_LOST
from wire.event import Type
from wire.time import now_ms

log = logging.getLogger(__name__)

THINNED_AT_ONCE = 4 << 20
"""Bytes of readings that are thinned together."""


class Room:
    """Counts the rows of each lane and keeps the lanes under their bounds.

    Args:
        telemetry_bytes: bound of the telemetry lane.
        state_events: bound of the state lane.
        keep_alarms: with no cloud to send to, the newest so many alarm events are kept as a log; None = no bound.
    """

    def __init__(self, telemetry_bytes: int, state_events: int, keep_alarms: int | None) -> None:
        self._telemetry_bytes = telemetry_bytes
        self._state_events = state_events
        self._keep_alarms = keep_alarms
        self.events = dict.fromkeys(Lane, 0)
        self.bytes = dict.fromkeys(Lane, 0)
        self.handed = 0
        """Position up to which readings were given out: they may be on their way."""

    def recount(self, db: sqlite3.Connection) -> None:
        """Count anew."""
        self.events, self.bytes = dict.fromkeys(Lane, 0), dict.fromkeys(Lane, 0)
        for lane, events, size in db.execute("SELECT lane, count(*), sum(length(data)) FROM outgoing GROUP BY lane"):
            self.events[Lane(lane)], self.bytes[Lane(lane)] = events, size

    def make(self, db: sqlite3.Connection) -> None:
        """Bring every lane under its bound, in the transaction that is open."""
        if self.bytes[Lane.HELD] > self._telemetry_bytes // 2:
            self._let_go(db)
        excess = self.bytes[Lane.TELEMETRY] - self._telemetry_bytes
        if excess > 0:
            # A twentieth more than needed, so that a full lane does not work at every batch.
            self._thin(db, self._telemetry_bytes - self._telemetry_bytes // 20)
            if self.bytes[Lane.TELEMETRY] > self._telemetry_bytes:
                excess = self.bytes[Lane.TELEMETRY] - self._telemetry_bytes
                self._drop(db, Lane.TELEMETRY, excess + self._telemetry_bytes // 20, by_bytes=True)
        excess = self.events[Lane.STATE] - self._state_events
        if excess > 0:
            self._drop(db, Lane.STATE, excess + self._state_events // 20, by_bytes=False)
        if self._keep_alarms is not None and self.events[Lane.ALARM] > self._keep_alarms * 21 // 20:
            self._drop(db, Lane.ALARM, self.events[Lane.ALARM] - self._keep_alarms, by_bytes=False)

    def _let_go(self, db: sqlite3.Connection) -> None:
        """Nobody gathers what is held: it goes up as it is, under the bound of the readings."""
        db.execute("UPDATE outgoing SET lane = ? WHERE lane = ?", (int(Lane.TELEMETRY), int(Lane.HELD)))
        self.recount(db)
        log.warning("readings that were held back are not gathered; they go up as they are")

    def _thin(self, db: sqlite3.Connection, wanted: int) -> None:
        """Keep fewer of the oldest readings, step by step, until the lane has `wanted` bytes or nothing helps."""
        for step in range(len(thinning.STEPS_MS)):
            while self.bytes[Lane.TELEMETRY] > wanted:
                rows = self._oldest_unthinned(db, step)
                if not rows:
                    break
                self._thin_rows(db, rows, step)

    def _oldest_unthinned(self, db: sqlite3.Connection, step: int) -> list[tuple[Any, ...]]:
        """Rows of one exercise that this step has not touched, some megabytes; none when that would be a few only."""
        rows: list[tuple[Any, ...]] = []
        size = 0
        for row in db.execute(
            "SELECT position, born_ms, items, data, exercise FROM outgoing"
            " WHERE lane = ? AND type = ? AND position > ? AND thinned = ? ORDER BY position",
            (int(Lane.TELEMETRY), Type.TELEMETRY_RECORDED.value, self.handed, step),
        ):
            if rows and row[4] != rows[0][4]:
                continue  # another exercise has its turn later
            rows.append(row)
            size += len(row[3])
            if size >= THINNED_AT_ONCE:
                break
        return rows

    def _thin_rows(self, db: sqlite3.Connection, rows: list[tuple[Any, ...]], step: int) -> None:
        """One row in the place of many; it takes the id of the first of them, which never left."""
        try:
            data, kept, lost = thinning.thinned([row[3] for row in rows], step)
        except (msgspec.MsgspecError, ValueError):
            log.exception("readings that can't be read can't be thinned")
            data, kept, lost = b"", 0, 0
        positions = [(row[0],) for row in rows]
        size = sum(len(row[3]) for row in rows)
        if not data or len(data) > size * 9 // 10:
            db.executemany("UPDATE outgoing SET thinned = thinned + 1 WHERE position = ?", positions)
            return
        db.executemany("DELETE FROM outgoing WHERE position = ?", positions[1:])
        db.execute(
            "UPDATE outgoing SET data = ?, items = ?, thinned = ? WHERE position = ?",
            (data, kept, step + 1, rows[0][0]),
        )
        self.count(Lane.TELEMETRY, 1 - len(rows), len(data) - size)
        born = [row[1] for row in rows]
        if not lost:
            return  # packed closer only
        self._lose(db, Lane.TELEMETRY, len(rows) - 1, lost, min(born), max(born), thinning.words(step))

    def _drop(self, db: sqlite3.Connection, lane: Lane, amount: int, *, by_bytes: bool) -> None:
        taken = events = items = first = last = upto = size = 0
        for position, born, count, length in db.execute(
            "SELECT position, born_ms, items, length(data) FROM outgoing WHERE lane = ? ORDER BY position", (int(lane),)
        ):
            first = min(first or born, born)
            last, upto = max(last, born), position
            events, items, size = events + 1, items + count, size + length
            taken += length if by_bytes else 1
            if taken >= amount:
                break
        db.execute("DELETE FROM outgoing WHERE lane = ? AND position <= ?", (int(lane), upto))
        self.count(lane, -events, -size)
        if lane is Lane.ALARM:
            return  # the log of an edge without a cloud: nothing is lost that anyone waits for
        self._lose(db, lane, events, items, first, last, "lane full")

    def _lose(
        self, db: sqlite3.Connection, lane: Lane, events: int, items: int, first: int, last: int, reason: str
    ) -> None:
        db.execute(
            "INSERT INTO loss (lane, events, items, first_ms, last_ms, at_ms, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (int(lane), events, items, first, last, now_ms(), reason),
        )
        db.execute("DELETE FROM loss WHERE position <= (SELECT max(position) FROM loss) - 1000")
        JOURNAL_LOST.labels(lane=lane.name.lower()).inc(events)

    def count(self, lane: Lane, events: int, size: int) -> None:
        """Rows came (or went)."""
        self.events[lane] += events
        self.bytes[lane] += size
        JOURNAL_EVENTS.labels(lane=lane.name.lower()).set(self.events[lane])
        JOURNAL_BYTES.labels(lane=lane.name.lower()).set(self.bytes[lane])
