"""A recording of many devices: messages in order of arrival as arrays, and beside them what really happened.

The layout is that of the rules' columns: `readings()` gives channel, ts, arrival and value of equal length, in order of
arrival; `channels` says which device and point a channel number stands for. Truth never travels in the values: it lies
in `events`, in `faults` and, reading by reading, in the bits of `truth`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.faults import FaultKind
from wire.alert import Hazard

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

MONTH_MS = 30 * 86_400_000
"""A device-month is thirty days of one device."""

BIT = {kind: np.uint32(1 << number) for number, kind in enumerate(FaultKind)}
"""Bit of each kind of fault in the truth of a reading."""

IN_EVENT = np.uint32(1 << 31)
"""Bit of a reading that lies within a dangerous event of its device."""


@dataclass(frozen=True, slots=True)
class Device:
    """One simulated device."""

    id: str
    zone: str
    profile: str
    hazard: Hazard
    points: tuple[str, ...]
    cadence_s: float
    parameters: Mapping[str, float] = field(default_factory=dict)
    detail: Mapping[str, float | str] = field(default_factory=dict)  # of the simulation: distance_m, dirty …


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """Something that happened, dangerous or not; times are scenario epoch ms."""

    kind: str  # flaming, smoulder, dry_burn, frying, steam, flood, box, loosening …
    dangerous: bool
    hazard: Hazard
    zone: str
    onset: int
    end: int
    devices: tuple[str, ...]  # those that it reaches
    peak: Mapping[str, float] = field(default_factory=dict)  # device → highest true value of its main point
    crossings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # device → level → first time upward
    detail: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultInterval:
    """A fault was at work on a device (and point) from `start` to `end`, event ms, both inclusive."""

    kind: FaultKind
    device: str
    point: str | None
    start: int
    end: int
    size: float = 0.0


class Readings(NamedTuple):
    """One row a reading, in order of arrival."""

    channel: npt.NDArray[np.int32]  # index into Recording.channels
    ts: Ints  # what the device says, scenario epoch ms
    arrival: Ints
    value: Floats
    truth: npt.NDArray[np.uint32]  # bits of BIT and IN_EVENT
    message: npt.NDArray[np.int32]  # index of the message within the recording
    counted: npt.NDArray[np.bool_]  # always True here: copies carry their seq; a transport may say otherwise


@dataclass(slots=True)
class Recording:
    """Messages of `devices`, n of them, with columns of P points each; sorted by arrival."""

    devices: tuple[Device, ...]
    points: tuple[str, ...]
    device: npt.NDArray[np.int32]  # n, index into devices
    ts: Ints  # n
    arrival: Ints  # n
    seq: Ints  # n
    boot: npt.NDArray[np.int32]  # n, counts a device's starts
    value: Floats  # n × P
    present: npt.NDArray[np.bool_]  # n × P: the message has the point
    truth: npt.NDArray[np.uint32]  # n × P
    true_ts: Ints  # n: when it was really measured
    start: int
    end: int
    events: tuple[TruthEvent, ...] = ()
    faults: tuple[FaultInterval, ...] = ()
    strangers: int = 0
    """Messages that came under an id that nobody registered."""

    def __len__(self) -> int:
        """Messages."""
        return len(self.ts)

    @property
    def channels(self) -> tuple[tuple[str, str], ...]:
        """(device id, point) by channel number."""
        return tuple((device.id, point) for device in self.devices for point in self.points)

    def readings(self, rows: slice = slice(None)) -> Readings:
        """One row for each value that a message has, in order of arrival."""
        present = self.present[rows]
        message, column = np.nonzero(present)
        device = self.device[rows][message]
        offset = (rows.start or 0) if rows.start is None or rows.start >= 0 else len(self) + rows.start
        return Readings(
            channel=(device * len(self.points) + column).astype(np.int32),
            ts=self.ts[rows][message],
            arrival=self.arrival[rows][message],
            value=self.value[rows][present],
            truth=self.truth[rows][present],
            message=(message + offset).astype(np.int32),
            counted=np.ones(len(message), dtype=np.bool_),
        )

    def batches(self, window_ms: int) -> Iterator[Readings]:
        """The readings by windows of arrival time, as an agent's batches would have them; empty windows are passed."""
        if not len(self):
            return
        key = (self.arrival - self.arrival[0]) // window_ms
        cuts = np.flatnonzero(np.diff(key)) + 1
        for begin, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(self)], strict=True):
            yield self.readings(slice(begin, end))

    def series(self, device: str, point: str) -> tuple[Ints, Floats]:
        """One channel by event time: (ts, value)."""
        number = next(index for index, each in enumerate(self.devices) if each.id == device)
        column = self.points.index(point)
        rows = np.flatnonzero((self.device == number) & self.present[:, column])
        order = rows[np.argsort(self.ts[rows], kind="stable")]
        return self.ts[order], self.value[order, column]

    def benign_device_months(self, tail_ms: int = 3_600_000, point: str | None = None) -> float:
        """Exposure: device time in which nothing dangerous went on at the device, nor ended within `tail_ms`.

        Args:
            tail_ms: after a dangerous event, what is not counted yet.
            point: only devices that have it (a rain gauge beside a level gauge is none of the exposure).
        """
        total = 0
        for device in self.devices:
            if point is not None and point not in device.points:
                continue
            spans = sorted(
                (max(event.onset, self.start), min(event.end + tail_ms, self.end))
                for event in self.events
                if event.dangerous and device.id in event.devices
            )
            taken, until = 0, self.start
            for begin, end in spans:
                taken += max(0, end - max(begin, until))
                until = max(until, end)
            total += self.end - self.start - taken
        return total / MONTH_MS

    def nbytes(self) -> int:
        """Memory of the arrays."""
        arrays = (self.device, self.ts, self.arrival, self.seq, self.boot, self.value, self.present, self.truth)
        return sum(array.nbytes for array in arrays) + self.true_ts.nbytes

    def take(self, rows: npt.NDArray[np.intp]) -> Recording:
        """The same recording with these messages, in this order."""
        return replace(
            self,
            device=self.device[rows],
            ts=self.ts[rows],
            arrival=self.arrival[rows],
            seq=self.seq[rows],
            boot=self.boot[rows],
            value=self.value[rows],
            present=self.present[rows],
            truth=self.truth[rows],
            true_ts=self.true_ts[rows],
        )

    def by_arrival(self) -> Recording:
        """Sorted by arrival; ties stay as they are."""
        return self.take(np.argsort(self.arrival, kind="stable"))


@dataclass(slots=True)
class Log:
    """Messages of one device by event time, before it is put together with others."""

    device: Device
    ts: Ints
    columns: Mapping[str, Floats]
    absent: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)  # True: the message lacks the point


def assemble(
    logs: Iterable[Log],
    events: Iterable[TruthEvent],
    start: int,
    end: int,
    rng: np.random.Generator,
    latency_ms: float = 150.0,
) -> Recording:
    """Put the devices' messages together in order of arrival, after a network that takes `latency_ms` (median).

    The latency is lognormal (σ 0.4) and keeps the order of one device's messages.
    """
    logs = list(logs)
    happenings = tuple(sorted(events, key=lambda event: (event.onset, event.zone)))
    points = tuple(dict.fromkeys(point for log in logs for point in log.device.points))
    total = sum(len(log.ts) for log in logs)
    value = np.full((total, len(points)), np.nan)
    present = np.zeros((total, len(points)), dtype=np.bool_)
    truth = np.zeros((total, len(points)), dtype=np.uint32)
    device, seq = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int64)
    ts, arrival = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    at = 0
    for number, log in enumerate(logs):
        count = len(log.ts)
        rows = slice(at, at + count)
        device[rows], ts[rows], seq[rows] = number, log.ts, np.arange(1, count + 1)
        delay = latency_ms * np.exp(0.4 * rng.standard_normal(count))
        arrival[rows] = np.maximum.accumulate(log.ts + delay.astype(np.int64)) if count else log.ts
        for point, column in log.columns.items():
            where = points.index(point)
            value[rows, where] = column
            present[rows, where] = ~log.absent[point] if point in log.absent else True
        for event in happenings:
            if event.dangerous and log.device.id in event.devices:
                begin, stop = np.searchsorted(log.ts, (event.onset, event.end))
                truth[at + begin : at + stop] |= IN_EVENT
        at += count
    whole = Recording(
        devices=tuple(log.device for log in logs),
        points=points,
        device=device,
        ts=ts,
        arrival=arrival,
        seq=seq,
        boot=np.zeros(total, dtype=np.int32),
        value=value,
        present=present,
        truth=truth,
        true_ts=ts.copy(),
        start=start,
        end=end,
        events=happenings,
    )
    return whole.by_arrival()


def first_crossings(ts: Ints, value: Floats, levels: Iterable[float]) -> dict[str, int]:
    """When a true series first came up to each level; levels it never reached are left out."""
    found: dict[str, int] = {}
    for level in levels:
        above = value >= level
        if above.any():
            found[f"{level:g}"] = int(ts[int(np.argmax(above))])
    return found


def measure(
    truth: Floats, rng: np.random.Generator, noise: float, resolution: float, low: float = -np.inf, high: float = np.inf
) -> Floats:
    """Noise, then the steps of the converter, then the ends of the range."""
    value = truth + noise * rng.standard_normal(truth.shape)
    stepped: Floats = np.clip(np.round(np.round(value / resolution) * resolution, 6), low, high)
    return stepped
