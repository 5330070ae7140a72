"""Messages to columns. Per message: find its source, decode, append; everything after that is numpy."""

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from device_profiles.decoder import DecodeError, Message, ProblemCode
from device_profiles.sources.source import Envelope, SourceError
from edge.accepted import Accepted, message_key
from edge.batch import Arrived
from edge.devices import note_health, set_status, status_of
from edge.foreign import ForeignTopic
from edge.plain import Plain, is_plain, take
from edge.rejections import Rejections
from edge.sources import Row, Source, Sources, Status, Stray
from rules.columns import Columns
from rules.quality import Check
from wire.quality import Quality
from wire.report import Reason

FRESH_CADENCES = 3
FRESH_LEAST_MS = 30_000
CLOCK_AGAIN_MS = 3_600_000
"""A clock that stays wrong is told again after so long."""
_REASONS = {"too_large": Reason.TOO_LARGE}
_TEACHING = frozenset({"announce", "join", "ignored"})
_SILENT_PROBLEMS = frozenset({ProblemCode.NOTHING_KNOWN})


class Decoded(NamedTuple):
    """A batch as columns as they came, not assessed; `columns.channel` holds series numbers of `Sources`."""

    columns: Columns
    wall: npt.NDArray[np.int64]  # wall time of arrival of each reading
    history: npt.NDArray[np.bool_]  # stored, not judged: retained deliveries without a fresh time
    past: npt.NDArray[np.bool_]  # records of the past: judged, never the newest value
    heard: dict[Row, int]  # rows that gave a sign of life, with the wall time
    wordless: list[Row]  # those of them whose message held no reading
    gone: set[Row]  # rows whose last word in the batch was that they are offline
    pace: npt.NDArray[np.float64] | None  # how fast the timeline of each reading runs; None: none is faster than real
    of: npt.NDArray[np.int64]  # which of the origins each reading is of
    origins: Sequence[tuple[Arrived, Row]]


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
        self.past: list[bool] = []
        self.fast: dict[int, float] = {}  # by index, the pace of timelines that run faster than real
        self.origins: list[tuple[Arrived, Row]] = []
        self.heard: dict[Row, int] = {}
        self.gone: set[Row] = set()

        self.decoded: list[tuple[Arrived, Row, Envelope | None, Message | DecodeError]] = []

    def decode(self, message: Arrived, row: Row, payload: bytes, envelope: Envelope | None = None) -> None:
        """A payload, decoded; nothing is taken before all of the batch are, so that a batch that fails took nothing."""
        if self.gone and not message.retain:
            self.gone.discard(row)
        decoded: Message | DecodeError
        try:
            decoded = row.device.decoder.decode(payload, None if envelope is None else envelope.fport)
        except DecodeError as error:
            decoded = error.with_traceback(None)
        self.decoded.append((message, row, envelope, decoded))

    def say(self, message: Arrived, row: Row, status: Status | None) -> None:
        """What a message says of being there; an online that the broker kept is no sign of life."""
        if status == "offline":
            self.gone.add(row)
        elif status == "online" and not message.retain:
            self.gone.discard(row)
            self.heard[row] = message.arrival_ms

    def add(
        self, message: Arrived, row: Row, values: tuple[float | None, ...], ts: int, arrival: int, flag: int,
        *, counted: bool, history: bool, past: bool = False,
    ) -> None:  # fmt: skip
        """One instant of one device."""
        if row.clock.segments and (pace := row.clock.rate(message.arrival_ms)) > 1:
            self.fast[len(self.ts)] = pace
        self.origins.append((message, row))
        self.series.append(row.series)
        self.values.extend(values)
        self.width.append(len(values))
        self.ts.append(ts)
        self.arrival.append(arrival)
        self.wall.append(message.arrival_ms)
        self.flag.append(flag)
        self.counted.append(counted)
        self.history.append(history)
        self.past.append(past)


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
        self._wrong_clocks: WeakKeyDictionary[Row, int] = (
            WeakKeyDictionary()
        )  # whose clock is wrong now, and when that was told

    def read(self, messages: Sequence[Arrived]) -> Decoded | None:
        """Columns of a batch in order of arrival; None when nothing of it is a reading."""
        gathered = _Gathered()
        resolve = self._sources.resolve
        longest, ready = self._max_payload_bytes, gathered.decoded
        for message in messages:
            source = resolve(message.topic)
            if source is None:
                continue
            if source.__class__ is Source and not (source.status or gathered.gone or len(message.payload) > longest):
                try:
                    ready.append((message, source.row, None, source.decode(message.payload)))
                except DecodeError as error:
                    ready.append((message, source.row, None, error.with_traceback(None)))
            else:
                self._unusual(message, source, gathered)
        stretch: list[Plain] = []
        for message, row, envelope, decoded in gathered.decoded:
            if decoded.__class__ is Message and is_plain(message, row, envelope, decoded):
                stretch.append((message, row, decoded))
                continue
            self._take(stretch, gathered)
            self._reading(message, row, envelope, decoded, gathered)
        self._take(stretch, gathered)
        if gathered.origins:
            return self._columns(gathered)
        if not gathered.heard:
            return None
        return Decoded(
            _NOTHING, _NO_INTS, _NO_BOOLS, _NO_BOOLS, gathered.heard, list(gathered.heard), gathered.gone, None,
            _NO_INTS, (),
        )  # fmt: skip

    def _unusual(self, message: Arrived, source: Source | Stray | ForeignTopic, gathered: _Gathered) -> None:
        """Whatever is not telemetry of a native device that fits."""
        if isinstance(source, Stray):
            self._refuse(message, source.reason, source.detail, source.device)
        elif len(message.payload) > self._max_payload_bytes:
            detail = f"{len(message.payload)} bytes; at most {self._max_payload_bytes} are read"
            self._refuse(message, Reason.TOO_LARGE, detail, getattr(source, "device", None))
        elif isinstance(source, ForeignTopic):
            self._foreign(message, source, gathered)
        elif source.status:
            self._status(message, source, gathered)
        else:
            gathered.decode(message, source.row, message.payload)

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
        gathered.say(message, source.row, status)

    def _foreign(self, message: Arrived, topic: ForeignTopic, gathered: _Gathered) -> None:
        """A message of another convention: out of its envelope, then as any other."""
        foreign = self._sources.foreign
        assert foreign is not None
        opened = foreign.open(topic, message.payload)
        if isinstance(opened, SourceError):
            self._refuse(message, Reason.MALFORMED, f"{topic.source.name}: {opened.detail}", None)
            return
        for envelope in (opened, *opened.more):
            if envelope.kind in _TEACHING:
                self._sources.learn(topic, envelope, message.payload)
            if envelope.kind == "ignored":
                continue
            device = foreign.device(topic.source, envelope)
            if device is None:
                spoke = envelope.kind != "announce" and not message.retain
                reason, detail = foreign.stranger(topic, envelope, message.arrival_ms, spoke=spoke)
                if envelope.kind == "up":
                    self._refuse(message, reason, detail, None)
                continue
            row = self._sources.row_of(device)
            if row is None:
                self._refuse(message, Reason.UNKNOWN_DEVICE, f"device '{device}' is switched off", device)
                continue
            note_health(row, envelope, message.arrival_ms, live=not message.retain)
            gathered.say(message, row, envelope.status)
            if envelope.kind == "up":
                gathered.decode(message, row, envelope.payload, envelope)

    def _take(self, stretch: list[Plain], gathered: _Gathered) -> None:
        """Plain messages that came one after another."""
        if stretch:
            for message, row, _ in take(stretch, self._accepted, gathered, Quality.UNKNOWN):
                self._refuse(message, Reason.DUPLICATE, "taken already", row.device.id)
            stretch.clear()

    def _reading(
        self,
        message: Arrived,
        row: Row,
        envelope: Envelope | None,
        decoded: Message | DecodeError,
        gathered: _Gathered,
    ) -> None:
        if isinstance(decoded, DecodeError):
            reason = _REASONS.get(decoded.code, Reason.MALFORMED)
            self._refuse(message, reason, decoded.message, row.device.id)
            return
        if decoded.problems:
            self._problems(message, row, decoded, partial=envelope is not None and envelope.partial)
        if row.exercise is not None and self._sources.drill_state(row.exercise) is None:
            detail = f"drill '{row.exercise}' is not known here; passed on with its mark"
            self._refuse(message, Reason.UNKNOWN_EXERCISE, detail, row.device.id)
        wall = message.arrival_ms
        arrival = row.clock.scenario(wall) if row.clock.segments else wall
        ts, seq = decoded.ts, decoded.seq
        if envelope is not None:
            ts = envelope.ts if ts is None and decoded.ts_problem is None else ts
            seq = envelope.seq if seq is None else seq
        said = ts is not None  # an age counts back from what only we know: it tells no two messages apart
        if decoded.age_s is not None and decoded.ts is None:
            ts = (arrival if ts is None else ts) - round(decoded.age_s * 1000)
        key = message_key(row.key, decoded.boot, seq, ts if said else None, message.payload)
        alone = decoded.boot is None and not said  # a bare number is believed only together with DUP
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
        # A repeat that can't be told from its original is judged for level and counted nowhere.
        counted = not (message.dup and key is None)
        instant = arrival if ts is None else ts
        gathered.add(message, row, decoded.values, instant, arrival, flag, counted=counted, history=history)
        if decoded.earlier:
            self._earlier(message, row, decoded, instant, arrival, gathered, history=history)

    def _earlier(
        self, message: Arrived, row: Row, decoded: Message, instant: int, arrival: int, gathered: _Gathered,
        *, history: bool,
    ) -> None:  # fmt: skip
        """Records of the past; one that came before is passed over in silence.

        They come after the newest of their message, so the rules meet them as late readings: they may raise or
        escalate and never retract.
        """
        for record in decoded.earlier:
            ts = record.ts
            if ts is None and record.age_s is not None:
                ts = instant - round(record.age_s * 1000)
            if ts is None:
                self._refuse(message, Reason.BAD_TIME, "a record of the past does not say of when", row.device.id)
                continue
            if record.problems:
                self._problems(message, row, record, partial=True)
            key = message_key(row.key, None, None, ts, repr(record.values).encode())
            if key is None or self._accepted.add(key):
                gathered.add(
                    message, row, record.values, ts, arrival, Quality.UNKNOWN,
                    counted=True, history=history, past=ts < instant,
                )  # fmt: skip

    def _problems(self, message: Arrived, row: Row, decoded: Message, *, partial: bool) -> None:
        for point, code, detail in decoded.problems:
            if partial and code == ProblemCode.NOTHING_KNOWN:
                continue  # it told what changed, and that is nothing of ours
            reason = Reason.MALFORMED if code in _SILENT_PROBLEMS else Reason.NOT_A_NUMBER
            self._refuse(message, reason, detail, row.device.id, point or None)

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
        wall = np.array(gathered.wall, dtype=np.int64)[of]
        history = np.array(gathered.history, dtype=np.bool_)[of]
        speaking = {gathered.origins[index][1] for index in np.unique(of).tolist()}
        wordless = [row for row in gathered.heard if row not in speaking]
        past = np.array(gathered.past, dtype=np.bool_)[of]
        pace = None
        if gathered.fast:
            pace = np.array([gathered.fast.get(index, 1.0) for index in range(len(width))])[of]
        return Decoded(
            columns, wall, history, past, gathered.heard, wordless, gathered.gone, pace, of, gathered.origins
        )  # fmt: skip

    def _not_finite(
        self, gathered: _Gathered, columns: Columns, of: npt.NDArray[np.int64], finite: npt.NDArray[np.bool_]
    ) -> None:
        """Tell absent points (None) from values that are no numbers; the latter are seen."""
        for index in np.flatnonzero(~finite).tolist():
            value = gathered.values[index]
            if value is None:
                continue
            message, row = gathered.origins[of[index]]
            point = self._sources.series[int(columns.channel[index])].point
            self._refuse(message, Reason.NOT_FINITE, f"{point} is {value}", row.device.id, point)

    def tell_clocks(self, decoded: Decoded, assessed: Columns) -> None:
        """Wrong clocks, into the side table: when one begins, and once an hour while it lasts.

        Args:
            decoded: what `read` gave.
            assessed: its columns with the quality tests, in the same order.
        """
        assert assessed.clock is not None
        assert assessed.tests is not None
        wrong = np.flatnonzero(assessed.clock)
        if not len(wrong) and not self._wrong_clocks:
            return
        first: dict[int, int] = {}
        for reading, origin in zip(wrong.tolist(), decoded.of[wrong].tolist(), strict=True):
            first.setdefault(origin, reading)
        if self._wrong_clocks:
            for origin in np.unique(decoded.of[~decoded.history & ~decoded.past]).tolist():
                if origin not in first:
                    self._wrong_clocks.pop(decoded.origins[origin][1], None)
        for origin, reading in first.items():
            message, row = decoded.origins[origin]
            told = self._wrong_clocks.get(row)
            if told is not None and message.arrival_ms - told < CLOCK_AGAIN_MS:
                continue
            self._wrong_clocks[row] = message.arrival_ms
            off = int(decoded.columns.ts[reading] - decoded.columns.arrival[reading]) / 1000
            zone = ", as a wrong time zone has it" if assessed.tests[reading] & Check.ZONE else ""
            detail = f"its time is {off:+.0f} s from its arrival{zone}; judged by arrival, flagged"
            self._refuse(message, Reason.CLOCK, detail, row.device.id)


_NO_INTS = np.empty(0, dtype=np.int64)
_NO_BOOLS = np.empty(0, dtype=np.bool_)
_NOTHING = Columns.of(np.empty(0, dtype=np.int32), _NO_INTS, np.empty(0))
