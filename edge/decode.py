"""Messages to columns. Per message: find its source, decode, append; everything after that is numpy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from device_profiles.decoder import DecodeError, ProblemCode
from edge.accepted import Accepted, message_key
from edge.batch import Arrived
from edge.devices import set_status, status_of
from edge.rejections import Rejections
from edge.sources import Row, Source, Sources, Stray
from rules.columns import Columns
from rules.quality import assess
from wire.quality import Quality
from wire.report import Reason

FRESH_CADENCES = 3
FRESH_LEAST_MS = 30_000
_REASONS = {"too_large": Reason.TOO_LARGE}
_SILENT_PROBLEMS = frozenset({ProblemCode.NOTHING_KNOWN})


class Decoded(NamedTuple):
    """A batch as columns, `columns.channel` holding series numbers of `Sources`."""

    columns: Columns
    wall: npt.NDArray[np.int64]  # wall time of arrival of each reading
    history: npt.NDArray[np.bool_]  # stored, not judged: retained deliveries without a fresh time
    heard: dict[Row, int]  # rows that gave a sign of life, with the wall time
    wordless: list[Row]  # those of them whose message held no reading


class _Gathered:
    """Lists that one pass over the messages fills."""

    def __init__(self) -> None:
        self.series: list[npt.NDArray[np.int32]] = []
        self.values: list[float | None] = []
        self.width: list[int] = []
        self.ts: list[int] = []
        self.arrival: list[int] = []
        self.wall: list[int] = []
        self.flag: list[int] = []
        self.counted: list[bool] = []
        self.history: list[bool] = []
        self.message: list[Arrived] = []
        self.row: list[Row] = []
        self.heard: dict[Row, int] = {}


class Reader:
    """Turns messages into columns; everything that can't be taken goes to the side table.

    Args:
        sources: what topics stand for.
        accepted: which messages were taken already.
        rejections: the side table.
        max_payload_bytes: larger messages are refused unread.
    """

    def __init__(
        self, sources: Sources, accepted: Accepted, rejections: Rejections, max_payload_bytes: int = 1_048_576
    ) -> None:
        self._sources = sources
        self._accepted = accepted
        self._rejections = rejections
        self._max_payload_bytes = max_payload_bytes

    def read(self, messages: Sequence[Arrived]) -> Decoded | None:
        """Columns of a batch in order of arrival; None when nothing of it is a reading."""
        gathered = _Gathered()
        resolve = self._sources.resolve
        for message in messages:
            source = resolve(message.topic)
            if source is None:
                continue
            if isinstance(source, Stray):
                self._refuse(message, source.reason, source.detail, source.device)
            elif len(message.payload) > self._max_payload_bytes:
                detail = f"{len(message.payload)} bytes; at most {self._max_payload_bytes} are read"
                self._refuse(message, Reason.TOO_LARGE, detail, source.row.device.id)
            elif source.topic.channel == "status":
                self._status(message, source, gathered)
            else:
                self._reading(message, source, gathered)
        if not gathered.message:
            heard = gathered.heard
            return Decoded(_NOTHING, _NO_INTS, _NO_BOOLS, heard, list(heard)) if heard else None
        return self._columns(gathered)

    def _refuse(
        self, message: Arrived, reason: Reason, detail: str, device: str | None, point: str | None = None
    ) -> None:
        self._rejections.add(
            reason,
            detail,
            topic=message.topic,
            at_ms=message.arrival_ms,
            payload=message.payload,
            device=device,
            point=point,
        )

    def _status(self, message: Arrived, source: Source, gathered: _Gathered) -> None:
        status = status_of(message.payload)
        if status is None:
            if message.payload:  # an empty one only deletes what was retained
                detail = 'a status is online or offline, as a word or as JSON {"status": …}'
                self._refuse(message, Reason.MALFORMED, detail, source.row.device.id)
            return
        set_status(source.row, status)
        if status == "online" and not message.retain:
            gathered.heard[source.row] = message.arrival_ms

    def _reading(self, message: Arrived, source: Source, gathered: _Gathered) -> None:
        row = source.row
        try:
            decoded = row.device.decoder.decode(message.payload)
        except DecodeError as error:
            reason = _REASONS.get(error.code, Reason.MALFORMED)
            self._refuse(message, reason, error.message, row.device.id)
            return
        if decoded.problems:
            for point, code, detail in decoded.problems:
                reason = Reason.MALFORMED if code in _SILENT_PROBLEMS else Reason.NOT_A_NUMBER
                self._refuse(message, reason, detail, row.device.id, point or None)
        if source.topic.exercise is not None and self._sources.drill_state(source.topic.exercise) is None:
            detail = f"drill '{source.topic.exercise}' is not known here; passed on with its mark"
            self._refuse(message, Reason.UNKNOWN_EXERCISE, detail, row.device.id)
        wall = message.arrival_ms
        arrival = row.clock.scenario(wall) if row.clock.segments else wall
        ts = decoded.ts
        key = message_key(row.key, decoded.boot, decoded.seq, ts, message.payload)
        alone = decoded.boot is None and ts is None  # a bare number is believed only together with DUP
        if key is not None and not self._accepted.add(key) and (message.dup or not alone):
            self._refuse(message, Reason.DUPLICATE, "taken already", row.device.id)
            return
        flag = Quality.UNKNOWN
        if decoded.ts_problem is not None:
            self._refuse(message, Reason.BAD_TIME, decoded.ts_problem, row.device.id)
            flag = Quality.SUSPECT
        history = message.retain and not self._fresh(row, ts, arrival)
        if not history:
            gathered.heard[row] = wall
            if decoded.texts or decoded.events:
                self._words(row, decoded.texts, decoded.events)
        gathered.message.append(message)
        gathered.row.append(row)
        gathered.series.append(row.series)
        gathered.values.extend(decoded.values)
        gathered.width.append(len(decoded.values))
        gathered.ts.append(arrival if ts is None else ts)
        gathered.arrival.append(arrival)
        gathered.wall.append(wall)
        gathered.flag.append(flag)
        # A repeat that can't be told from its original is judged for level and counted nowhere.
        gathered.counted.append(not (message.dup and key is None))
        gathered.history.append(history)

    @staticmethod
    def _fresh(row: Row, ts: int | None, arrival: int) -> bool:
        """A retained delivery counts as now only if its own time says so."""
        return ts is not None and abs(arrival - ts) <= max(FRESH_LEAST_MS, FRESH_CADENCES * row.device.cadence_s * 1000)

    @staticmethod
    def _words(row: Row, texts: dict[str, str], events: tuple[str, ...]) -> None:
        said = {**texts, **({"event": ",".join(events)} if events else {})}
        if any(row.texts.get(name) != word for name, word in said.items()):
            row.texts.update(said)
            row.changed = True

    def _columns(self, gathered: _Gathered) -> Decoded:
        width = np.array(gathered.width)
        value = np.array(gathered.values, dtype=np.float64)  # None becomes NaN
        of = np.repeat(np.arange(len(width)), width)
        columns = Columns(
            channel=np.concatenate(gathered.series),
            ts=np.array(gathered.ts, dtype=np.int64)[of],
            arrival=np.array(gathered.arrival, dtype=np.int64)[of],
            value=value,
            flag=np.array(gathered.flag, dtype=np.uint8)[of],
            counted=np.array(gathered.counted, dtype=np.bool_)[of],
        )
        finite = np.isfinite(value)
        if not finite.all():
            self._not_finite(gathered, columns, of, finite)
            columns = Columns(*(column[finite] if column is not None else None for column in columns))  # type: ignore[arg-type]
            of = of[finite]
        columns = assess(columns, self._sources.lowest, self._sources.highest)
        assert columns.clock is not None
        if columns.clock.any():
            self._clock(gathered, of[columns.clock])
        wall = np.array(gathered.wall, dtype=np.int64)[of]
        history = np.array(gathered.history, dtype=np.bool_)[of]
        speaking = {gathered.row[index] for index in np.unique(of).tolist()}
        wordless = [row for row in gathered.heard if row not in speaking]
        return Decoded(columns, wall, history, gathered.heard, wordless)

    def _not_finite(
        self, gathered: _Gathered, columns: Columns, of: npt.NDArray[np.int64], finite: npt.NDArray[np.bool_]
    ) -> None:
        """Tell absent points (None) from values that are no numbers; the latter are seen."""
        for index in np.flatnonzero(~finite).tolist():
            value = gathered.values[index]
            if value is None:
                continue
            message, row = gathered.message[of[index]], gathered.row[of[index]]
            point = self._sources.series[int(columns.channel[index])].point
            self._refuse(message, Reason.NOT_FINITE, f"{point} is {value}", row.device.id, point)

    def _clock(self, gathered: _Gathered, which: npt.NDArray[np.int64]) -> None:
        for index in np.unique(which).tolist():
            message, row = gathered.message[index], gathered.row[index]
            ahead = (gathered.ts[index] - gathered.arrival[index]) / 1000
            detail = f"its time is {ahead:+.0f} s from its arrival; judged by arrival, flagged"
            self._refuse(message, Reason.CLOCK, detail, row.device.id)


_NO_INTS = np.empty(0, dtype=np.int64)
_NO_BOOLS = np.empty(0, dtype=np.bool_)
_NOTHING = Columns.of(np.empty(0, dtype=np.int32), _NO_INTS, np.empty(0))
