"""The fault injector: what goes wrong with sensors, clocks, networks; seeded, each with a truth label (DOMAIN D4)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from simulators.sensor import Publication, generator


class FaultKind(StrEnum):
    """Kinds of fault; the first ten change values, the others messages and their times."""

    SPIKE = "spike"
    STUCK = "stuck"
    DRIFT = "drift"
    NOISE = "noise"
    NAN = "nan"
    RAIL = "rail"  # at one end of the range
    GAIN = "gain"
    QUANTISATION = "quantisation"  # coarser steps
    UNIT = "unit"  # centimetres for metres
    SIGN = "sign"
    DROPOUT = "dropout"
    DUPLICATE = "duplicate"
    LATE = "late"
    REORDER = "reorder"
    CLOCK_SKEW = "clock_skew"
    TIMEZONE = "timezone"  # local time taken for UTC
    EPOCH = "epoch"  # a clock that begins at 1970 with each start
    MALFORMED = "malformed"  # a payload cut off or garbled
    UNKNOWN_DEVICE = "unknown_device"
    REBOOT = "reboot"
    BATTERY = "battery"  # brown-out: messages missing, restarts, then silence
    OUTAGE = "outage"  # a gateway away; it stores, and sends all at once when it is back


VALUE_FAULTS = frozenset(
    {
        FaultKind.SPIKE,
        FaultKind.STUCK,
        FaultKind.DRIFT,
        FaultKind.NOISE,
        FaultKind.NAN,
        FaultKind.RAIL,
        FaultKind.GAIN,
        FaultKind.QUANTISATION,
        FaultKind.UNIT,
        FaultKind.SIGN,
    }
)

CLOCK_ERRORS_MS = (8 * 3_600_000, -8 * 3_600_000, 20_000, -300_000)
"""A zone taken for UTC either way, a crystal that ran fast, one that ran slow."""


@dataclass(frozen=True, slots=True)
class Label:
    """Truth: this fault, on this device, from `start` to `end` (scenario epoch ms, both inclusive)."""

    device: str
    kind: FaultKind
    start: int
    end: int
    point: str | None = None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A fault that shall happen: between two scenario times, on one device, at one point (None: all)."""

    device: str
    kind: FaultKind
    start: int
    end: int
    point: str | None = None
    size: float = 0.0
    """Spike: added value; drift: per hour; noise: added sigma; rail: the value it is stuck at; gain and unit: factor;
    quantisation: the step; late, reorder, clock skew, timezone: milliseconds; battery: chance of losing a message."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Chance of each fault per message; `dropout` is the Gilbert–Elliott chance of falling into a burst."""

    spike: float = 0.002
    nan: float = 0.0005
    dropout: float = 0.002
    dropout_ends: float = 0.1
    duplicate: float = 0.01
    late: float = 0.005
    clock_skew: float = 0.0002
    malformed: float = 0.0005
    unknown_device: float = 0.0005

    @classmethod
    def none(cls) -> Rates:
        """Nothing at random: only what is scheduled."""
        return cls(0, 0, 0, 1, 0, 0, 0, 0, 0)

    def scaled(self, factor: float) -> Rates:
        """All chances times a factor."""
        return Rates(
            spike=min(1.0, self.spike * factor),
            nan=min(1.0, self.nan * factor),
            dropout=min(1.0, self.dropout * factor),
            dropout_ends=self.dropout_ends,
            duplicate=min(1.0, self.duplicate * factor),
            late=min(1.0, self.late * factor),
            clock_skew=min(1.0, self.clock_skew * factor),
            malformed=min(1.0, self.malformed * factor),
            unknown_device=min(1.0, self.unknown_device * factor),
        )


MALFORMED = (b"{", b"\xff\xfe\x00", b"[1,2,3]", b'{"ts": "yesterday", "level": 0.1}', b"", b'{"obscuration": "high"}')


@dataclass(slots=True)
class Injector:
    """Turns good publications into what arrives in practice. `labels` grows as faults happen."""

    seed: int
    rates: Rates = field(default_factory=Rates.none)
    scheduled: tuple[Scheduled, ...] = ()
    labels: list[Label] = field(default_factory=list)
    _generators: dict[str, np.random.Generator] = field(default_factory=dict)
    _held: dict[tuple[str, str], float] = field(default_factory=dict)
    _lost: set[str] = field(default_factory=set)

    def apply(self, publication: Publication) -> list[Publication]:
        """What becomes of one publication: nothing, itself, or several; sorted by when they leave."""
        rng = self._rng(publication.device)
        active = [
            fault
            for fault in self.scheduled
            if fault.device == publication.device and fault.start <= publication.ts <= fault.end
        ]
        self._values(publication, active, rng)
        if self._dropped(publication, active, rng):
            return []
        out = [publication]
        self._time(publication, active, rng)
        kinds = {fault.kind for fault in active}
        if FaultKind.REBOOT in kinds:
            publication.seq, publication.boot = 1, f"{int(rng.integers(0, 2**32)):08x}"
            self._label(publication, FaultKind.REBOOT)
        if FaultKind.MALFORMED in kinds or rng.random() < self.rates.malformed:
            publication.raw = MALFORMED[int(rng.integers(len(MALFORMED)))]
            self._label(publication, FaultKind.MALFORMED)
        if FaultKind.DUPLICATE in kinds or rng.random() < self.rates.duplicate:
            out.append(
                replace(publication, values=dict(publication.values), due=publication.due + int(rng.integers(50, 5000)))
            )
            self._label(publication, FaultKind.DUPLICATE)
        if FaultKind.UNKNOWN_DEVICE in kinds or rng.random() < self.rates.unknown_device:
            stranger = replace(
                publication, values=dict(publication.values), device=f"ghost-{int(rng.integers(1000)):03d}"
            )
            out.append(stranger)
            self._label(stranger, FaultKind.UNKNOWN_DEVICE)
        return sorted(out, key=lambda item: item.due)

    def _values(self, publication: Publication, active: Iterable[Scheduled], rng: np.random.Generator) -> None:
        values = publication.values
        for fault in active:
            if fault.kind in VALUE_FAULTS:
                for point in [fault.point] if fault.point else [p for p in values if p != "battery"]:
                    values[point] = self._faulty(fault, publication, point, rng)
                    self._label(publication, fault.kind, point)
        points = [point for point in values if point != "battery"]
        if not points:
            return
        if rng.random() < self.rates.spike:
            point = points[int(rng.integers(len(points)))]
            values[point] = round(values[point] + float(rng.uniform(5, 50)) * max(abs(values[point]) * 0.05, 0.02), 4)
            self._label(publication, FaultKind.SPIKE, point)
        if rng.random() < self.rates.nan:
            point = points[int(rng.integers(len(points)))]
            values[point] = math.nan
            self._label(publication, FaultKind.NAN, point)

    def _faulty(self, fault: Scheduled, publication: Publication, point: str, rng: np.random.Generator) -> float:
        value = publication.values[point]
        match fault.kind:
            case FaultKind.SPIKE:
                return value + fault.size
            case FaultKind.STUCK:
                return self._held.setdefault((fault.device, point), value)
            case FaultKind.DRIFT:
                return round(value + fault.size * (publication.ts - fault.start) / 3_600_000, 6)
            case FaultKind.NOISE:
                return round(value + fault.size * float(rng.standard_normal()), 6)
            case FaultKind.RAIL:
                return fault.size
            case FaultKind.GAIN | FaultKind.UNIT:
                return round(value * fault.size, 6)
            case FaultKind.QUANTISATION:
                return round(round(value / fault.size) * fault.size, 6) if fault.size else value
            case FaultKind.SIGN:
                return -value
            case _:
                return math.nan

    def _dropped(self, publication: Publication, active: Iterable[Scheduled], rng: np.random.Generator) -> bool:
        device = publication.device
        if device in self._lost:
            if rng.random() < self.rates.dropout_ends:
                self._lost.discard(device)
        elif rng.random() < self.rates.dropout:
            self._lost.add(device)
        if device in self._lost or any(fault.kind is FaultKind.DROPOUT for fault in active):
            self._label(publication, FaultKind.DROPOUT)
            return True
        for fault in active:
            if fault.kind is FaultKind.BATTERY:
                publication.values["battery"] = 0.0
                self._label(publication, FaultKind.BATTERY)
                if rng.random() < fault.size:
                    return True
        return False

    def _time(self, publication: Publication, active: Iterable[Scheduled], rng: np.random.Generator) -> None:
        for fault in active:
            if fault.kind is FaultKind.LATE:
                publication.due += int(fault.size)
                self._label(publication, FaultKind.LATE)
            elif fault.kind in (FaultKind.CLOCK_SKEW, FaultKind.TIMEZONE):
                publication.sent_ts = publication.ts + int(fault.size or CLOCK_ERRORS_MS[0])
                self._label(publication, fault.kind)
            elif fault.kind is FaultKind.EPOCH:
                publication.sent_ts = publication.ts - fault.start
                self._label(publication, FaultKind.EPOCH)
            elif fault.kind is FaultKind.REORDER:
                publication.due += int(rng.integers(0, max(1, int(fault.size))))
                self._label(publication, FaultKind.REORDER)
            elif fault.kind is FaultKind.OUTAGE:
                publication.due = max(publication.due, fault.end + publication.seq % 100)
                self._label(publication, FaultKind.OUTAGE)
        if rng.random() < self.rates.late:
            publication.due += int(min(1000 * math.exp(math.log(3) + 1.5 * float(rng.standard_normal())), 1_200_000))
            self._label(publication, FaultKind.LATE)
        if rng.random() < self.rates.clock_skew:
            publication.sent_ts = publication.ts + CLOCK_ERRORS_MS[int(rng.integers(len(CLOCK_ERRORS_MS)))]
            self._label(publication, FaultKind.CLOCK_SKEW)

    def _label(self, publication: Publication, kind: FaultKind, point: str | None = None) -> None:
        """Extend the device's running label of this kind, or begin one."""
        for index in range(len(self.labels) - 1, max(-1, len(self.labels) - 64), -1):
            label = self.labels[index]
            if label.device == publication.device and label.kind is kind and label.point == point:
                if any(_covers(fault, label, publication.ts) for fault in self.scheduled):
                    self.labels[index] = Label(label.device, kind, label.start, publication.ts, point)
                    return
                break
        self.labels.append(Label(publication.device, kind, publication.ts, publication.ts, point))

    def _rng(self, device: str) -> np.random.Generator:
        if device not in self._generators:
            self._generators[device] = generator(self.seed, "faults", device)
        return self._generators[device]


def _covers(fault: Scheduled, label: Label, ts: int) -> bool:
    """Whether one scheduled fault explains both a label and a later instant."""
    same = fault.device == label.device and fault.kind is label.kind
    return same and fault.start <= label.start and ts <= fault.end
