"""Spoils a recording as sensors, clocks, batteries and networks do, and says where (DOMAIN D4).

Faults compose: values first, then the device's power and restarts, then what the network loses, repeats and holds back.
Each leaves a truth interval, and each reading keeps the bits of what touched it. The sizes fit the point (`SPANS`);
`spoil` does the same to any series.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.batch.recording import BIT, MONTH_MS, FaultInterval, Recording
from simulators.faults import FaultKind

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Span:
    """What faults of a point are measured by: its noise, its ends, its full scale, the factor of a wrong unit."""

    noise: float
    low: float
    high: float
    scale: float
    unit: float = 100.0


SPANS = {
    "obscuration": Span(0.004, 0.0, 3.0, 1.0, 23.0),  # %/m for dB/m
    "temperature": Span(0.2, -20.0, 120.0, 80.0, 1.8),
    "co": Span(0.6, 0.0, 1000.0, 300.0, 1.15),  # mg/m³ for ppm
    "humidity": Span(0.6, 0.0, 100.0, 100.0, 0.01),
    "level": Span(0.004, 0.0, 6.0, 4.0),
    "rain_mm": Span(0.2, 0.0, 1000.0, 100.0, 0.1),
    "rain_mm_h": Span(1.0, 0.0, 300.0, 100.0, 0.1),
    "frequency": Span(0.1, 0.0, 200.0, 60.0, 6.2832),  # rad/s for Hz
    "tilt": Span(0.01, -45.0, 45.0, 5.0, 0.01745),
    "gap": Span(0.02, 0.0, 100.0, 20.0, 0.1),
    "rms": Span(0.0005, 0.0, 40.0, 1.0, 0.102),  # g for m/s²
    "wind": Span(0.2, 0.0, 80.0, 40.0, 3.6),
    "surface_temperature": Span(0.3, -40.0, 90.0, 80.0, 1.8),
}
OTHER = Span(0.01, -1e6, 1e6, 1.0)
UNTOUCHED = {"battery", "alarm"}


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often: chances per message (first part), spells per device-month (second part). Figures of DOMAIN D4 [P]."""

    spike: float = 0.002
    nan: float = 0.0005
    malformed: float = 0.0005
    unknown_device: float = 0.0002
    duplicate: float = 0.01
    late: float = 0.01
    dropout_begins: float = 0.002  # Gilbert–Elliott, good to bad
    dropout_ends: float = 0.1
    stuck: float = 0.1
    rail: float = 0.05
    drift: float = 0.1
    gain: float = 0.05
    noise: float = 0.1
    quantisation: float = 0.05
    unit: float = 0.02
    sign: float = 0.02
    reorder: float = 0.2
    clock_skew: float = 0.3  # a crystal of up to ±50 ppm, for the whole recording
    timezone: float = 0.03
    epoch: float = 0.03
    reboot: float = 0.3
    battery: float = 0.02
    outage: float = 0.3  # per gateway-month
    gateways: int = 4

    @classmethod
    def none(cls) -> FaultPlan:
        """Nothing; `replace` turns single kinds on."""
        rates = {each.name: 0.0 for each in fields(cls) if each.name not in {"gateways", "dropout_ends"}}
        return replace(cls(), **rates)  # type: ignore[arg-type]

    @classmethod
    def only(cls, kind: FaultKind, rate: float) -> FaultPlan:
        """One kind at a rate (per message or per month, as above)."""
        name = "dropout_begins" if kind is FaultKind.DROPOUT else str(kind)
        return replace(cls.none(), **{name: rate})  # type: ignore[arg-type]


LENGTH_H = {
    FaultKind.STUCK: (2, 72),
    FaultKind.RAIL: (0.5, 24),
    FaultKind.DRIFT: (72, 720),
    FaultKind.GAIN: (24, 240),
    FaultKind.NOISE: (1, 48),
    FaultKind.QUANTISATION: (24, 240),
    FaultKind.UNIT: (6, 72),
    FaultKind.SIGN: (6, 72),
    FaultKind.REORDER: (0.5, 6),
    FaultKind.TIMEZONE: (6, 72),
    FaultKind.EPOCH: (0.2, 6),
    FaultKind.BATTERY: (12, 72),
    FaultKind.OUTAGE: (0.1, 8),
}
"""Shortest and longest spell, hours; logarithmically uniform between."""

SPELLS = (
    FaultKind.DRIFT,
    FaultKind.GAIN,
    FaultKind.NOISE,
    FaultKind.QUANTISATION,
    FaultKind.STUCK,
    FaultKind.RAIL,
    FaultKind.UNIT,
    FaultKind.SIGN,
)


def spoil(
    kind: FaultKind, ts: npt.NDArray[np.int64], value: Floats, span: Span, rng: np.random.Generator
) -> tuple[Floats, float]:
    """A stretch of a series under one value fault, from its first to its last sample; and the size of the fault."""
    match kind:
        case FaultKind.STUCK:
            return np.full_like(value, value[0]), float(value[0])
        case FaultKind.RAIL:
            end = span.high if rng.random() < 0.5 else span.low
            return np.full_like(value, end), end
        case FaultKind.DRIFT:
            per_month = float(rng.choice([-1, 1]) * rng.uniform(0.005, 0.03) * span.scale)
            share = (ts - ts[0]) / MONTH_MS
            if rng.random() < 0.5:
                return value + per_month * share, per_month
            steps = rng.standard_normal(len(value)) * np.sqrt(np.diff(share, prepend=share[0]).clip(0))
            return value + abs(per_month) * np.cumsum(steps), abs(per_month)
        case FaultKind.GAIN:
            factor = float(rng.choice([rng.uniform(0.5, 0.9), rng.uniform(1.1, 1.6)]))
            return value * factor, factor
        case FaultKind.NOISE:
            return value + 5 * span.noise * rng.standard_normal(len(value)), 5 * span.noise
        case FaultKind.QUANTISATION:
            step = 10 * max(span.noise, 0.002)
            return np.round(value / step) * step, step
        case FaultKind.UNIT:
            return value * span.unit, span.unit
        case FaultKind.SIGN:
            return -value, -1.0
        case FaultKind.SPIKE:
            jump = rng.choice([-1, 1], len(value)) * rng.uniform(5, 50, len(value)) * span.noise
            return value + jump, float(np.abs(jump).max()) if len(jump) else 0.0
        case _:
            return np.full_like(value, np.nan), 0.0


@dataclass(slots=True)
class _Work:
    """The recording while it is being spoilt."""

    recording: Recording
    plan: FaultPlan
    rng: np.random.Generator
    keep: npt.NDArray[np.bool_]
    found: list[FaultInterval] = field(default_factory=list)
    copies: list[tuple[Rows, npt.NDArray[np.int64]]] = field(default_factory=list)

    @property
    def months(self) -> float:
        return (self.recording.end - self.recording.start) / MONTH_MS

    def spells(self, kind: FaultKind, rows: Rows) -> list[Rows]:
        """The stretches of a device's messages that spells of a kind cover."""
        out = []
        times = self.recording.true_ts[rows]
        for _ in range(self.rng.poisson(getattr(self.plan, str(kind)) * self.months)):
            shortest, longest = LENGTH_H[kind]
            begin = self.rng.uniform(self.recording.start, self.recording.end)
            length = np.exp(self.rng.uniform(np.log(shortest), np.log(longest))) * HOUR_MS
            first, last = np.searchsorted(times, (begin, begin + length))
            if last > first:
                out.append(rows[first:last])
        return out

    def note(self, kind: FaultKind, rows: Rows, column: int | None = None, size: float = 0.0) -> None:
        """Mark readings, and write the interval down."""
        recording = self.recording
        if not len(rows):
            return
        if column is None:
            recording.truth[rows] |= BIT[kind]
        else:
            recording.truth[rows, column] |= BIT[kind]
        device = recording.devices[int(recording.device[rows[0]])].id
        point = None if column is None else recording.points[column]
        start, end = int(recording.true_ts[rows].min()), int(recording.true_ts[rows].max())
        self.found.append(FaultInterval(kind, device, point, start, end, size))

    def note_runs(self, kind: FaultKind, rows: Rows, chosen: Rows, column: int | None = None) -> None:
        """One interval for each run of neighbours among a device's `rows`; `chosen` indexes them."""
        for run in np.split(chosen, np.flatnonzero(np.diff(chosen) > 1) + 1):
            self.note(kind, rows[run], column)

    def chance(self, rows: Rows, probability: float) -> Rows:
        """Indices into `rows` that are hit, each with a probability."""
        if probability <= 0:
            return np.zeros(0, dtype=np.intp)
        return np.flatnonzero(self.rng.random(len(rows)) < probability)


def inject(recording: Recording, plan: FaultPlan, seed: int) -> Recording:
    """A copy with faults, sorted by arrival again; its `faults` are those it had and the new ones."""
    spoilt = replace(
        recording,
        ts=recording.ts.copy(),
        arrival=recording.arrival.copy(),
        seq=recording.seq.copy(),
        boot=recording.boot.copy(),
        value=recording.value.copy(),
        present=recording.present.copy(),
        truth=recording.truth.copy(),
    )
    work = _Work(spoilt, plan, np.random.default_rng([seed, 41]), np.ones(len(recording), dtype=np.bool_))
    order = np.argsort(spoilt.device, kind="stable")
    cuts = np.searchsorted(spoilt.device[order], np.arange(len(spoilt.devices) + 1))
    mine = [order[cuts[number] : cuts[number + 1]] for number in range(len(spoilt.devices))]
    for rows in mine:
        if len(rows):
            _values(work, rows)
            _power(work, rows)
            _clock(work, rows)
            _losses(work, rows)
    _outages(work, mine)
    return _finish(work)


def _columns(work: _Work, rows: Rows) -> list[int]:
    recording = work.recording
    device = recording.devices[int(recording.device[rows[0]])]
    return [recording.points.index(point) for point in device.points if point not in UNTOUCHED]


def _values(work: _Work, rows: Rows) -> None:
    recording, rng = work.recording, work.rng
    columns = _columns(work, rows)
    if not columns:
        return

    def spoil_at(kind: FaultKind, part: Rows, column: int) -> tuple[Rows, float]:
        part = part[recording.present[part, column]]
        size = 0.0
        if len(part):
            span = SPANS.get(recording.points[column], OTHER)
            value, size = spoil(kind, recording.true_ts[part], recording.value[part, column], span, rng)
            recording.value[part, column] = value
        return part, size

    for kind in SPELLS:
        for stretch in work.spells(kind, rows):
            column = columns[int(rng.integers(len(columns)))]
            part, size = spoil_at(kind, stretch, column)
            work.note(kind, part, column, size)
    for kind, probability in ((FaultKind.SPIKE, work.plan.spike), (FaultKind.NAN, work.plan.nan)):
        hit = work.chance(rows, probability)
        if kind is FaultKind.SPIKE and len(hit):  # one sample or two
            hit = np.unique(np.concatenate([hit, hit[rng.random(len(hit)) < 0.3] + 1]))
            hit = hit[hit < len(rows)]
        which = rng.integers(len(columns), size=len(hit))
        for index, column in enumerate(columns):
            chosen = hit[which == index]
            chosen = chosen[recording.present[rows[chosen], column]]
            spoil_at(kind, rows[chosen], column)
            work.note_runs(kind, rows, chosen, column)


def _power(work: _Work, rows: Rows) -> None:
    """Restarts, and batteries that run out: an S-curve down, messages missing, restarts, then silence."""
    recording, rng = work.recording, work.rng
    restarts = [int(rng.integers(len(rows))) for _ in range(rng.poisson(work.plan.reboot * work.months))]
    for stretch in work.spells(FaultKind.BATTERY, rows)[:1]:
        first = int(np.searchsorted(rows, stretch[0]))
        share = np.linspace(0, 1, len(stretch))
        if "battery" in recording.points:
            column = recording.points.index("battery")
            recording.value[stretch, column] = np.round(25 / (1 + np.exp(12 * (share - 0.5))), 1)
        work.keep[stretch[rng.random(len(stretch)) < 0.7 * share]] = False
        after = rows[first + len(stretch) :]
        work.keep[after] = False
        restarts += (first + np.flatnonzero(rng.random(len(stretch)) < 0.02 * share)).tolist()
        work.note(FaultKind.BATTERY, np.concatenate([stretch, after]))
    for at in sorted(restarts):
        gone = rows[at : at + 2]
        work.keep[gone[:-1]] = False
        later = rows[at + 1 :]
        recording.boot[later] += 1
        recording.seq[later] = np.arange(1, len(later) + 1)
        work.note(FaultKind.REBOOT, gone)


def _clock(work: _Work, rows: Rows) -> None:
    recording, rng = work.recording, work.rng
    if rng.random() < work.plan.clock_skew * min(work.months, 1.0):
        ppm = float(rng.uniform(-50, 50))
        shift = (recording.true_ts[rows] - recording.start) * ppm * 1e-6
        recording.ts[rows] += shift.astype(np.int64)
        work.note(FaultKind.CLOCK_SKEW, rows, size=ppm)
    for stretch in work.spells(FaultKind.TIMEZONE, rows):
        shift_ms = 8 * HOUR_MS * int(rng.choice([-1, 1]))
        recording.ts[stretch] += shift_ms
        work.note(FaultKind.TIMEZONE, stretch, size=float(shift_ms))
    for stretch in work.spells(FaultKind.EPOCH, rows):
        recording.ts[stretch] -= int(recording.true_ts[stretch[0]]) - 10_000
        work.note(FaultKind.EPOCH, stretch)


def _losses(work: _Work, rows: Rows) -> None:
    """What the network loses, repeats, delays and mixes."""
    recording, plan, rng = work.recording, work.plan, work.rng
    if plan.dropout_begins > 0:
        lost = _gilbert_elliott(len(rows), plan.dropout_begins, plan.dropout_ends, rng)
        work.keep[rows[lost]] = False
        work.note_runs(FaultKind.DROPOUT, rows, lost)
    for kind, probability in (
        (FaultKind.MALFORMED, plan.malformed),
        (FaultKind.UNKNOWN_DEVICE, plan.unknown_device),
    ):
        hit = work.chance(rows, probability)
        hit = hit[work.keep[rows[hit]]]
        work.keep[rows[hit]] = False
        work.note_runs(kind, rows, hit)
        if kind is FaultKind.UNKNOWN_DEVICE:
            recording.strangers += len(hit)
    late = work.chance(rows, plan.late)
    delay = np.minimum(3000 * np.exp(1.5 * rng.standard_normal(len(late))), 2 * HOUR_MS)
    delay = np.where(rng.random(len(late)) < 0.005, rng.uniform(600_000, 2 * HOUR_MS, len(late)), delay)
    recording.arrival[rows[late]] += delay.astype(np.int64)
    work.note_runs(FaultKind.LATE, rows, late)
    for stretch in work.spells(FaultKind.REORDER, rows):
        cadence = recording.devices[int(recording.device[rows[0]])].cadence_s * 1000
        recording.arrival[stretch] += rng.integers(0, round(4 * cadence), len(stretch))
        work.note(FaultKind.REORDER, stretch)
    again = work.chance(rows, plan.duplicate)
    if len(again):
        wait = rng.uniform(50, 5000, len(again))
        wait = np.where(rng.random(len(again)) < 0.005, rng.uniform(1, 3, len(again)) * DAY_MS, wait)
        work.copies.append((rows[again], wait.astype(np.int64)))
        work.note_runs(FaultKind.DUPLICATE, rows, again)


def _gilbert_elliott(count: int, begins: float, ends: float, rng: np.random.Generator) -> Rows:
    """Indices lost in bursts: from good to bad with `begins`, back with `ends`."""
    number = int(count * begins * 1.5) + 20
    good, bad = rng.geometric(begins, number), rng.geometric(ends, number)
    starts = np.cumsum(good + bad) - bad
    while starts[-1] < count:
        more, worse = rng.geometric(begins, number), rng.geometric(ends, number)
        starts = np.concatenate([starts, starts[-1] + bad[-1] + np.cumsum(more + worse) - worse])
        bad = np.concatenate([bad, worse])
    index = np.repeat(starts, bad) + np.arange(bad.sum()) - np.repeat(np.cumsum(bad) - bad, bad)
    return np.asarray(np.unique(index[index < count]), dtype=np.intp)


def _outages(work: _Work, mine: list[Rows]) -> None:
    """A gateway is away: its devices' messages come in one burst when it is back, in their order."""
    recording = work.recording
    for gateway in range(work.plan.gateways if work.plan.outage > 0 else 0):
        theirs = [rows for rows in mine[gateway :: work.plan.gateways] if len(rows)]
        if not theirs:
            continue
        together = np.sort(np.concatenate(theirs))
        for stretch in work.spells(FaultKind.OUTAGE, together):
            back = int(recording.arrival[stretch].max()) + 1000
            recording.arrival[stretch] = back + 2 * np.arange(len(stretch))
            owner = recording.device[stretch]
            for number in np.unique(owner):
                work.note(FaultKind.OUTAGE, stretch[owner == number])


def _finish(work: _Work) -> Recording:
    rows = np.flatnonzero(work.keep)
    arrival = work.recording.arrival[rows]
    for originals, wait in work.copies:
        whole = work.keep[originals]
        rows = np.concatenate([rows, originals[whole]])
        arrival = np.concatenate([arrival, (work.recording.arrival[originals] + wait)[whole]])
    spoilt = work.recording.take(rows)
    spoilt.arrival = arrival
    spoilt.faults = (*work.recording.faults, *sorted(work.found, key=lambda each: (each.start, each.device, each.kind)))
    return spoilt.by_arrival()
