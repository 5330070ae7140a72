"""Which device a topic speaks for, and which columns its points are: resolved once, kept per topic."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from device_profiles.decoder import Message
from device_profiles.sources.source import Envelope
from edge.accepted import row_key
from edge.foreign import Foreign, ForeignTopic
from edge.table import Device, Table
from wire.reading import Series
from wire.report import Link, Reason
from wire.time import REAL, Timeline
from wire.topics import DeviceTopic, parse_topic

Status = Literal["online", "offline", "silent", "unknown"]
MOST_TOPICS = 200_000
MOST_UNKNOWN_EXERCISES = 16


@dataclass(slots=True, eq=False, weakref_slot=True)
class Row:
    """One device as it lives on one timeline: real, or in one exercise."""

    device: Device
    exercise: str | None
    key: int  # of accepted messages
    series: npt.NDArray[np.int32]  # of the decoder's points, in their order
    clock: Timeline
    last_seen_ms: int | None = None  # wall
    status: Status = "unknown"
    texts: dict[str, str] = field(default_factory=dict)
    reported_ms: int = 0
    changed: bool = False
    link: Link | None = None
    battery_percent: float | None = None  # said by its network
    joined_ms: int | None = None  # wall

    @property
    def timeline(self) -> str:
        """The name that ticks go by: the exercise's id, or the device's timeline."""
        return self.exercise or self.device.config.timeline


@dataclass(frozen=True, slots=True)
class Source:
    """What a topic stands for."""

    topic: DeviceTopic
    row: Row
    decode: Callable[[bytes], Message]  # of the device's profile
    status: bool  # the topic on which it says whether it is there


@dataclass(frozen=True, slots=True)
class Stray:
    """Why a topic stands for nothing."""

    reason: Reason
    detail: str
    device: str | None = None


class Sources:
    """Rows and series of everything that speaks; series numbers are given once and stay.

    Args:
        foreign: other conventions than our own; None: there are none.
    """

    def __init__(self, foreign: Foreign | None = None) -> None:
        self.foreign = foreign
        self._table: Table | None = None
        self._rows: dict[tuple[str | None, str], Row] = {}
        self._topics: dict[str, Source | ForeignTopic | None] = {}
        self._series: dict[Series, int] = {}
        self._strange: set[str] = set()
        self.series: list[Series] = []
        self.lowest = np.full(64, np.nan)
        self.highest = np.full(64, np.nan)
        self.newest = np.full(64, np.nan)  # newest value of each series
        self.newest_ms = np.zeros(64, dtype=np.int64)  # wall time of its arrival
        self.newest_flag = np.zeros(64, dtype=np.uint8)

    @property
    def rows(self) -> Mapping[tuple[str | None, str], Row]:
        """By exercise and device."""
        return self._rows

    @property
    def unknown_exercises(self) -> set[str]:
        """Drills that spoke and that the cloud has not told us of."""
        known = self._table.drills if self._table else {}
        return {name for name in self._strange if name not in known}

    def use(self, table: Table) -> None:
        """Take a new table: rows of devices that remain keep what is known of them."""
        self._table = table
        self._topics.clear()
        ended = {name for name, drill in table.drills.items() if drill.state == "ended"}
        for key, row in list(self._rows.items()):
            device = table.devices.get(key[1])
            if device is None or key[0] in ended:
                del self._rows[key]
                continue
            if device is not row.device:
                row.device = device
                row.series = self._series_of(device, row.exercise)
            row.clock = table.clock(device.config.timeline, row.exercise)
        for device in table.devices.values():
            self._row(device, None)
        if self.foreign is not None:
            self.foreign.use(table)

    def resolve(self, topic: str) -> Source | Stray | ForeignTopic | None:
        """What a topic stands for; None for topics that are of no interest (commands)."""
        if topic in self._topics:
            return self._topics[topic]
        found = self._resolve(topic)
        if not isinstance(found, Stray) and len(self._topics) < MOST_TOPICS:
            self._topics[topic] = found
        return found

    def learn(self, topic: ForeignTopic, envelope: Envelope, payload: bytes) -> None:
        """Take in an announcement of another convention."""
        if self.foreign is not None and self.foreign.learn(topic, envelope, payload):
            self._topics.clear()

    def row_of(self, device: str) -> Row | None:
        """The real row of a device by its id; None when it is switched off."""
        known = self._table.devices.get(device) if self._table else None
        return self._row(known, None) if known is not None and known.config.enabled else None

    def drill_state(self, exercise: str) -> str | None:
        """running, paused, ended; None: no such drill is known here."""
        drill = self._table.drills.get(exercise) if self._table else None
        return drill.state if drill else None

    def _resolve(self, topic: str) -> Source | Stray | ForeignTopic | None:
        parsed = parse_topic(topic)
        if parsed is None:
            if self.foreign is not None and not topic.startswith(("sensors/", "exercise/")):
                return self.foreign.find(topic)
            return Stray(Reason.UNKNOWN_TOPIC, "not of the form sensors/<site>/<device>/<channel>")
        if parsed.channel == "command":
            return None
        device = self._table.devices.get(parsed.device) if self._table else None
        if device is None:
            return Stray(Reason.UNKNOWN_DEVICE, f"no device '{parsed.device}' is registered here", parsed.device)
        if device.config.site != parsed.site:
            detail = f"'{parsed.device}' is registered at site '{device.config.site}', not at '{parsed.site}'"
            return Stray(Reason.WRONG_SITE, detail, parsed.device)
        if not device.config.enabled:
            return Stray(Reason.UNKNOWN_DEVICE, f"device '{parsed.device}' is switched off", parsed.device)
        if parsed.exercise is not None:
            state = self.drill_state(parsed.exercise)
            if state == "ended":
                return Stray(Reason.UNKNOWN_EXERCISE, f"drill '{parsed.exercise}' has ended", parsed.device)
            if state is None and parsed.exercise not in self._strange:
                if len(self._strange) >= MOST_UNKNOWN_EXERCISES:
                    detail = f"drill '{parsed.exercise}' is not known, and too many such are"
                    return Stray(Reason.UNKNOWN_EXERCISE, detail, parsed.device)
                self._strange.add(parsed.exercise)
        topic_of = DeviceTopic(device.config.site, device.id, parsed.channel, parsed.exercise)  # the table's own texts
        row = self._row(device, parsed.exercise)
        return Source(topic_of, row, device.decoder.decode, parsed.channel == "status")

    def _row(self, device: Device, exercise: str | None) -> Row:
        row = self._rows.get((exercise, device.id))
        if row is None:
            table = self._table
            clock = table.clock(device.config.timeline, exercise) if table else Timeline(REAL)
            row = Row(device, exercise, row_key(device.id, exercise), self._series_of(device, exercise), clock)
            self._rows[exercise, device.id] = row
        return row

    def _series_of(self, device: Device, exercise: str | None) -> npt.NDArray[np.int32]:
        numbers = []
        for point in device.decoder.points:
            series = Series(device.id, point.name, point.unit, exercise)
            number = self._series.setdefault(series, len(self.series))
            if number == len(self.series):
                self.series.append(series)
                if number >= len(self.lowest):
                    self._grow()
            low, high = point.valid or (np.nan, np.nan)
            self.lowest[number], self.highest[number] = low, high
            numbers.append(number)
        return np.array(numbers, dtype=np.int32)

    def _grow(self) -> None:
        for name in ("lowest", "highest", "newest", "newest_ms", "newest_flag"):
            old = getattr(self, name)
            blank = np.nan if old.dtype == np.float64 else 0
            setattr(self, name, np.concatenate([old, np.full(len(old), blank, dtype=old.dtype)]))
