"""The journal: one SQLite file, one thread that writes it, one transaction a batch.

A batch whose alarms changed is committed with a sync to disk (FULL); others are safe against a kill of the process,
not against a power cut (NORMAL). The alarm lane has no bound and drops nothing; a full state or telemetry lane
loses its oldest events, and the loss is a row of its own.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from edge.journal_file import JournalFile
from edge.lane import Depth, Lane, Loss, Outgoing, Stored, Transaction, Waiting

T = TypeVar("T")


class Journal:
    """One SQLite file and its one writer thread; every method may be awaited from the loop.

    Args:
        path: of the database file.
        telemetry_bytes: bound of the telemetry lane.
        state_events: bound of the state lane.
        kept_keys: accepted message keys kept for recognising duplicates (8 bytes each).
        keep_alarms: with no cloud to send to, the newest so many alarm events are kept as a log; None = no bound.
    """

    def __init__(
        self,
        path: Path,
        *,
        telemetry_bytes: int,
        state_events: int,
        kept_keys: int = 65_536,
        keep_alarms: int | None = None,
    ) -> None:
        self._file = JournalFile(
            path,
            telemetry_bytes=telemetry_bytes,
            state_events=state_events,
            kept_keys=kept_keys,
            keep_alarms=keep_alarms,
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    @property
    def set_aside_as(self) -> Path | None:
        """Where a damaged journal was put at this start."""
        return self._file.set_aside_as

    async def _call(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def open(self) -> Stored:
        """Open (or make) the file and read what a start needs; a damaged one is set aside and a new one begun.

        Raises:
            JournalError: when the file can't be opened, or was written by a later version.
        """
        return await self._call(self._file.open)

    async def commit(self, transaction: Transaction) -> None:
        """One transaction.

        Raises:
            sqlite3.OperationalError: nothing was written (disk full, read-only …).
        """
        await self._call(self._file.commit, transaction)

    async def waiting(self, lanes: Sequence[Lane], most_events: int, most_bytes: int) -> list[Waiting]:
        """The oldest events of some lanes, alarms first; at least one if there is any."""
        return await self._call(self._file.waiting, tuple(lanes), most_events, most_bytes)

    async def held(self, before_ms: int, most_bytes: int) -> list[Waiting]:
        """Calm readings that are held back, oldest first: those born before an instant, some megabytes at most."""
        return await self._call(self._file.held, before_ms, most_bytes)

    async def gathered(self, positions: Sequence[int], events: Sequence[Outgoing]) -> None:
        """Put what came of held readings in their place, in one transaction."""
        await self._call(self._file.gathered, positions, events)

    async def settle(self, done: Sequence[str], refused: Sequence[tuple[str, str]]) -> None:
        """Let go of events that the cloud has (`done`), set aside what it refused (id, reason)."""
        await self._call(self._file.settle, done, refused)

    async def overdue(self, before_ms: int) -> list[Waiting]:
        """Urgent alerts older than an instant, not committed by the cloud and not yet made known locally."""
        return await self._call(self._file.overdue, before_ms)

    async def noticed(self, alert: str, outcome: str) -> None:
        """Record that an alert was made known locally (or that this failed)."""
        await self._call(self._file.noticed, alert, outcome)

    async def depth(self) -> Depth:
        """What waits."""
        return await self._call(self._file.depth)

    async def losses(self, since_ms: int) -> list[Loss]:
        """Losses since an instant, newest first, at most 20."""
        return await self._call(self._file.losses, since_ms)

    async def set_aside(self) -> list[tuple[str, str, str]]:
        """Events that the cloud refused for good: id, type, reason; newest first, at most 100."""
        return await self._call(self._file.set_aside)

    async def alarm_log(self, most: int = 100) -> list[Waiting]:
        """The newest events of the alarm lane, newest first."""
        return await self._call(self._file.alarm_log, most)

    async def close(self) -> None:
        """Close the file; commits made before are in it."""
        await self._call(self._file.close)
        self._thread.shutdown()
