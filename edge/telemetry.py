"""Readings on their way up, as blocks: all of them, or by exception what matters now while the rest waits."""

import msgspec
import numpy as np
import numpy.typing as npt

from edge.alarms import AlarmBook
from edge.lane import Lane, Outgoing, Transaction
from edge.reduce_live import Stirring
from edge.sources import Sources
from edge.table import Table
from rules.columns import Columns
from rules.engine import Engine
from wire.event import Type
from wire.reading import TelemetryBlock


class Telemetry:
    """Makes blocks of judged readings.

    Args:
        run: of this process: ids begin with it.
        sources: what series are.
        engine: knows which rules lie still.
        alarms: what stands.
        by_exception: calm readings are held for their minute; see `edge.reduce_live`.
    """

    def __init__(self, run: str, sources: Sources, engine: Engine, alarms: AlarmBook, *, by_exception: bool) -> None:
        self._run = run
        self._number = 0
        self._sources = sources
        self._engine = engine
        self._alarms = alarms
        self._by_exception = by_exception
        self.stirring = Stirring(sources)

    def use(self, table: Table) -> None:
        """Take another table."""
        self.stirring.use(table)

    def tick(self, at: int) -> None:
        """Let time pass: devices with an alarm stir as long as it stands."""
        if self._by_exception:
            self.stirring.alarms({record.device for record in self._alarms.standing()}, at)

    def take(
        self, of: npt.NDArray[np.int32], columns: Columns, live: npt.NDArray[np.bool_], at: int, into: Transaction
    ) -> None:
        """Readings that were judged.

        Args:
            of: series of each.
            columns: assessed.
            live: False for history.
            at: wall time.
            into: takes the blocks.
        """
        if not self._by_exception:
            self._blocks(of, columns, at, into, Lane.TELEMETRY)
            return
        if any(event.type is Type.ALARM_CHANGED for event in into.events):
            self.tick(at)
        now = self.stirring.at_once(of, columns, live, self._engine.restless(columns.channel), at)
        for rows, lane in ((now, Lane.TELEMETRY), (~now, Lane.HELD)):
            if rows.all():
                self._blocks(of, columns, at, into, lane)
            elif rows.any():
                some = Columns(*(column if column is None else column[rows] for column in columns))  # type: ignore[arg-type]
                self._blocks(of[rows], some, at, into, lane)

    def _blocks(self, of: npt.NDArray[np.int32], columns: Columns, at: int, into: Transaction, lane: Lane) -> None:
        """Readings as blocks: one for what is real, one for each exercise. `of`: series of each reading."""
        assert columns.tests is not None
        used, index = np.unique(of, return_inverse=True)
        table = [self._sources.series[number] for number in used.tolist()]
        exercises = {series.exercise for series in table}
        for exercise in exercises:
            if len(exercises) == 1:
                part, rows = table, slice(None)
                index_part = index
            else:
                mine = np.array([series.exercise == exercise for series in table])
                rows = mine[index]  # type: ignore[assignment]
                part = [series for series, is_mine in zip(table, mine.tolist(), strict=True) if is_mine]
                index_part = (np.cumsum(mine) - 1)[index[rows]]
            block = TelemetryBlock(
                part,
                index_part.tolist(),
                columns.ts[rows].tolist(),
                columns.value[rows].tolist(),
                columns.flag[rows].tolist(),
                columns.tests[rows].tolist() if columns.tests[rows].any() else [],
            )
            self._number += 1
            into.events.append(
                Outgoing(
                    id=f"{self._run}/t{self._number}",
                    lane=lane,
                    type=Type.TELEMETRY_RECORDED,
                    data=msgspec.json.encode(block),
                    born_ms=at,
                    exercise=exercise,
                    items=len(block.ts),
                )
            )
