"""A preview at work: both sides over the stored readings, part by part, and the answer.

The judging itself is `rules.preview`, by the engine that the edges run.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cloud.rulebook.preview import Plan
from cloud.telemetry.bulk import DAY_MS, Stock, Stored
from rules.preview import (
    Fired,
    Pair,
    Readings,
    Replay,
    Side,
    compare,
    fresh_flags,
    summary,
    verdicts,
)
from wire.time import format_instant

MOST_ROWS = 10_000_000
CHUNK_ROWS = 200_000
EXAMPLES = 20
"""Alarms told of each device; the counts hold them all."""
GAP_CADENCES = 3


@dataclass(slots=True)
class Cover:
    """How much of the time a device's readings stand for."""

    cadence_ms: npt.NDArray[np.float64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    covered_ms: npt.NDArray[np.float64]
    readings: npt.NDArray[np.int64]

    @classmethod
    def of(cls, cadences_s: Sequence[float]) -> "Cover":
        """Nothing seen yet."""
        count = len(cadences_s)
        return cls(
            np.array(cadences_s, dtype=np.float64) * 1000, np.full(count, -1, dtype=np.int64),
            np.full(count, -1, dtype=np.int64), np.zeros(count), np.zeros(count, dtype=np.int64),
        )  # fmt: skip

    def take(self, device: npt.NDArray[np.int64], ts: npt.NDArray[np.int64]) -> None:
        """Readings by event time; a step counts up to three cadences."""
        order = np.argsort(device, kind="stable")
        device, ts = device[order], ts[order]
        heads = np.flatnonzero(np.concatenate(([True], np.diff(device) != 0)))
        tails = np.concatenate((heads[1:], [len(device)])) - 1
        before = np.concatenate(([0], ts[:-1]))
        before[heads] = self.last[device[heads]]
        step = np.where(before < 0, 0, ts - before)
        step = np.minimum(step, GAP_CADENCES * self.cadence_ms[device])
        self.covered_ms += np.bincount(device, weights=step, minlength=len(self.last))
        self.readings += np.bincount(device, minlength=len(self.last))
        fresh = self.first[device[heads]] < 0
        self.first[device[heads][fresh]] = ts[heads][fresh]
        self.last[device[tails]] = ts[tails]

    def share(self, number: int, start: int, stop: int) -> float:
        """Of a span, 0 to 1."""
        return round(min(float(self.covered_ms[number]) / max(stop - start, 1), 1.0), 4)


class Work:
    """Both sides over the readings, part by part; each call is bounded and may run in a thread."""

    def __init__(self, what: Plan, stock: Stock) -> None:
        self.plan = what
        self.stock = stock
        self.rows = 0
        self.aggregated = 0
        self.judged_to: int | None = None
        self._cover = Cover.of([each.cadence_s for each in what.subjects])
        numbers = {each.id: number for number, each in enumerate(what.subjects)}
        self._number = np.array([numbers.get(device, -1) for device, _ in stock.series], dtype=np.int64)
        others = list(what.companions)
        self._before = Replay([*(each.before for each in what.subjects), *others])
        self._after = Replay([*(each.after for each in what.subjects), *others])

    def step(self, stored: Stored, stop: int) -> None:
        """Judge the readings up to an instant."""
        flag = fresh_flags(stored.flag) if self.plan.quality_changed else stored.flag
        present = np.isfinite(stored.value)
        readings = Readings(
            self.stock.series, stored.of[present], stored.ts[present], stored.value[present], flag[present]
        )  # fmt: skip
        self._before.step(readings)
        self._after.step(readings)
        device = self._number[stored.of]
        mine = device >= 0
        if mine.any():
            self._cover.take(device[mine], stored.ts[mine])
        self.rows += len(stored.ts)
        self.aggregated += stored.aggregated
        self.judged_to = stop

    def result(self, span: "Span", cut: dict[str, Any] | None, utc_offset_h: float) -> dict[str, Any]:
        """The answer, as the API gives it."""
        until = self.judged_to or span.stop
        known = {each.id for each in self.plan.subjects}
        before, after = (
            [each for each in side.fired() if each.device in known] for side in (self._before, self._after)
        )
        pairs = compare(before, after, until=until)
        told = Telling(until, utc_offset_h)
        devices = []
        for number, subject in enumerate(self.plan.subjects):
            mine = [pair for pair in pairs if (pair.before or pair.after).device == subject.id]  # type: ignore[union-attr]
            blind = {rule: why for (device, rule), why in self._after.blind.items() if device == subject.id}
            devices.append(
                {
                    "id": subject.id,
                    "name": subject.name,
                    "readings": int(self._cover.readings[number]),
                    "share_with_data": self._cover.share(number, span.start, until),
                    "blind": blind,
                    **told.counts(mine),
                    "pairs": [told.pair(pair) for pair in _telling(mine)[:EXAMPLES]],
                    "pairs_left_out": max(len(mine) - EXAMPLES, 0),
                }
            )
        return {
            "from": format_instant(span.start),
            "to": format_instant(until),
            "days": round((until - span.start) / DAY_MS, 3),
            "readings": int(self._cover.readings.sum()),
            "changed_rules": list(self.plan.changed),
            "quality_changed": self.plan.quality_changed,
            "totals": told.counts(pairs),
            "devices": devices,
            "cut": cut,
            "caveats": self._caveats(span, until, cut),
        }

    def _caveats(self, span: "Span", until: int, cut: dict[str, Any] | None) -> list[dict[str, Any]]:
        """What the answer does not say by itself; codes for the screens, words for a program's log."""
        shares = [self._cover.share(n, span.start, until) for n in range(len(self.plan.subjects))]
        found: list[tuple[str, dict[str, Any]]] = [("recorded", {})]
        if not self.plan.changed and not self.plan.quality_changed:
            found.append(("nothing_changed", {}))
        poor = sum(share < 0.9 for share in shares)
        if poor:
            found.append(("gaps", {"devices": poor}))
        if self.plan.left_out:
            found.append(("devices_left_out", {"devices": self.plan.left_out}))
        if self.plan.quality_changed:
            found.append(("quality_anew", {}))
        if self.aggregated:
            found.append(("aggregated", {"readings": self.aggregated}))
        if cut is not None:
            found.append(("cut", {"reason": cut["reason"]}))
        return [{"code": code, "text": CAVEATS[code].format(**params), "params": params} for code, params in found]


CAVEATS = {
    "recorded": "Judged from what reached the cloud, by event time: late readings stand in order, what an edge "
    "dropped is missing, silence and holds that silence cut off are not judged. Live alarms may differ there.",
    "nothing_changed": "The rules are the same before and after: nothing was compared.",
    "gaps": "Devices with readings for less than 90 % of the time: {devices}.",
    "devices_left_out": "Devices left out, beyond the limit of one preview: {devices}.",
    "quality_anew": "Tests of quality changed: both sides were tested anew; doubts that a sensor itself sent are lost.",
    "aggregated": "{readings} of the readings came as aggregates of calm minutes: lowest, highest and last are as "
    "measured, the others stand at the mean. A threshold far below those that the edge ran may be met differently.",
    "cut": "Not the whole span was judged ({reason}).",
}


@dataclass(frozen=True, slots=True)
class Span:
    """What is judged, epoch ms."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Telling:
    """Alarms and counts in the form of the API."""

    until: int
    utc_offset_h: float

    def counts(self, pairs: Sequence[Pair]) -> dict[str, Any]:
        """Both sides and the verdicts."""
        return {
            "verdicts": {str(name): count for name, count in verdicts(pairs).items()},
            "before": self.side([pair.before for pair in pairs if pair.before]),
            "after": self.side([pair.after for pair in pairs if pair.after]),
        }

    def side(self, alarms: Sequence[Fired]) -> dict[str, Any]:
        """Counts of one side."""
        counted: Side = summary(alarms, until=self.until, utc_offset_h=self.utc_offset_h)
        return {
            "alarms": counted.alarms,
            "suspect": counted.suspect,
            "on_s": round(counted.on_s, 3),
            "by_level": {str(level): count for level, count in counted.by_level.items()},
            "by_day": dict(counted.by_day),
            "by_rule": dict(counted.by_rule),
        }

    def pair(self, pair: Pair) -> dict[str, Any]:
        """One alarm on both sides."""
        one = pair.before or pair.after
        assert one is not None
        return {
            "verdict": str(pair.verdict),
            "rule": one.rule,
            "shift_s": pair.shift_s,
            "before": self.alarm(pair.before),
            "after": self.alarm(pair.after),
        }

    def alarm(self, one: Fired | None) -> dict[str, Any] | None:
        """One alarm."""
        if one is None:
            return None
        end = max(self.until, one.opened_at) if one.cleared_at is None else one.cleared_at
        return {
            "opened_at": format_instant(one.opened_at),
            "cleared_at": None if one.cleared_at is None else format_instant(one.cleared_at),
            "on_s": (end - one.opened_at) / 1000,
            "level": str(one.level),
            "suspect": one.suspect,
            "evidence": dict(one.evidence),
        }


def _telling(pairs: Sequence[Pair]) -> list[Pair]:
    """What differs first, then by time."""
    return sorted(pairs, key=lambda pair: (pair.verdict == "same", pair.key))


@dataclass(slots=True)
class Slices:
    """The stretches to read, none with far more than `CHUNK_ROWS` readings; the newest days if it is too much."""

    span: Span
    parts: list[tuple[int, int]] = field(default_factory=list)
    rows: int = 0
    cut: dict[str, Any] | None = None


def slices(stock: Stock, days: int, *, most_rows: int = MOST_ROWS) -> Slices:
    """How the readings are to be read. What is too much is left out from the oldest day on."""
    newest = stock.newest or 0
    first = newest + 1 - days * DAY_MS
    kept: list[tuple[int, int]] = []
    rows = 0
    for day, count in reversed(stock.days):
        if kept and rows + count > most_rows:
            break
        kept.append((day, count))
        rows += count
    kept.reverse()
    start = max(first, kept[0][0] * DAY_MS) if kept and len(kept) < len(stock.days) else first
    found = Slices(Span(start, newest + 1), rows=rows)
    for day, count in kept:
        number = -(-count // CHUNK_ROWS)
        low, high = max(day * DAY_MS, start), min((day + 1) * DAY_MS, newest + 1)
        edges = [low + (high - low) * n // number for n in range(number + 1)]
        found.parts += list(itertools.pairwise(edges))
    if len(kept) < len(stock.days):
        found.cut = cut_of("rows", first, start, newest + 1)
    return found


def cut_of(reason: Literal["rows", "seconds"], asked: int, judged_from: int, judged_to: int) -> dict[str, Any]:
    """Why not the whole span was judged, and what was."""
    return {
        "reason": reason,
        "asked_from": format_instant(asked),
        "judged_from": format_instant(judged_from),
        "judged_to": format_instant(judged_to),
    }
