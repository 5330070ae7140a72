"""What a change of rules would have done: two tables of rules over the same readings, alarm by alarm.

Both sides are judged by the real engine. Pure and deterministic; readings may come in parts. `Replay` runs one side,
`compare` sets the alarms of two sides against each other, `summary` counts them.

Two alarms of one rule and device are one when their spans overlap (or lie within `near_ms`): each is paired at most
once, the longest overlap first. What has no partner but lies within an alarm of the other side was joined to it, or
split off.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules.columns import Change, Columns
from rules.engine import Engine
from rules.table import DeviceRules
from wire.alert import Hazard, Verb
from wire.level import Level
from wire.quality import Quality
from wire.time import REAL

BATCH = 20_000
"""Readings a step; parts are cut between messages only."""
NEAR_MS = 60_000
DAY_MS = 86_400_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Readings(NamedTuple):
    """Readings of many points, in order of arrival; columns of equal length."""

    series: Sequence[tuple[str, str]]  # device and point
    of: npt.NDArray[np.int32]  # entry of `series`
    ts: npt.NDArray[np.int64]  # event time, ms
    value: npt.NDArray[np.float64]
    flag: npt.NDArray[np.uint8] | None = None  # wire.Quality; None = not evaluated
    arrival: npt.NDArray[np.int64] | None = None  # None: as they come, each at the newest event time so far


@dataclass(frozen=True, slots=True)
class Fired:
    """One alarm, from raise to clear."""

    device: str
    rule: str
    hazard: Hazard
    opened_at: int  # event ms
    cleared_at: int | None  # None: still on at the end of the readings
    level: Level  # the worst it reached
    suspect: bool
    evidence: Mapping[str, float | str | None] = field(default_factory=dict)
    steps: tuple[Change, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """The order of alarms, and the name of one."""
        return (self.device, self.rule, self.opened_at)


def fired(changes: Iterable[Change]) -> list[Fired]:
    """Changes of the engine, put together to alarms by device, rule and opening."""
    stories: dict[tuple[str, str, int], list[Change]] = {}
    for change in changes:
        stories.setdefault((change.device, change.rule, change.opened_at), []).append(change)
    found = []
    for (device, rule, opened_at), story in stories.items():
        reached = [each.level for each in story if each.verb in (Verb.RAISED, Verb.ESCALATED) and each.level]
        if not reached:
            continue
        found.append(
            Fired(
                device=device,
                rule=rule,
                hazard=story[0].hazard,
                opened_at=opened_at,
                cleared_at=story[-1].at if story[-1].verb is Verb.CLEARED else None,
                level=max(reached, key=lambda level: level.rank),
                suspect=story[0].suspect,
                evidence=plain(story[0].evidence),
                steps=tuple(replace(each, decided_by=-1) for each in story),
            )
        )
    return sorted(found, key=lambda each: each.key)


def plain(evidence: Mapping[str, Any]) -> dict[str, float | str | None]:
    """Evidence as JSON can say it: what is not a finite number is None."""
    return {
        key: None if isinstance(value, float | np.floating) and not math.isfinite(value) else value
        for key, value in evidence.items()
    }


class Replay:
    """One table of rules over readings that come part by part.

    Args:
        devices: with the rules to be judged by; `silence` among them needs `watch`.
        watch: let time pass between readings, as live: silence, and holds that a gap cuts off. Off by default,
            because a hole in what was recorded need not have been silence.
    """

    def __init__(self, devices: Iterable[DeviceRules], *, watch: bool = False) -> None:
        self.devices = {each.device: each for each in devices}
        self.engine = Engine()
        self.engine.configure(self.devices.values())
        self.changes: list[Change] = []
        self.rows = 0
        self._newest: int | None = None
        self._channels: dict[tuple[str, str], int] = {}
        self._patience_ms = patience_ms(self.devices.values()) if watch else None
        self._timelines = {each.timeline for each in self.devices.values()} or {REAL}

    def step(self, readings: Readings) -> list[Columns]:
        """Judge a part; what the quality tests made of it, batch by batch, in the order of the readings."""
        if not len(readings.ts):
            return []
        columns = self._columns(readings)
        judged = []
        for start, stop in itertools.pairwise(self._cuts(columns)):
            batch = columns.part(slice(start, stop))
            if self._patience_ms is not None:
                self.pass_time(int(batch.arrival[0]) - 1)
            assessed = self.engine.assess(batch)
            self.changes.extend(self.engine.step(assessed))
            judged.append(assessed)
        self.rows += len(columns.ts)
        self._newest = int(columns.arrival[-1])
        return judged

    def pass_time(self, now: int) -> None:
        """Let time pass up to an instant on every timeline."""
        self.changes.extend(self.engine.tick(dict.fromkeys(self._timelines, now)))

    @property
    def blind(self) -> dict[tuple[str, str], str]:
        """Rules that could not judge, by device and rule, and why."""
        return self.engine.blind

    def fired(self) -> list[Fired]:
        """The alarms so far."""
        return fired(self.changes)

    def _columns(self, readings: Readings) -> Columns:
        for name in readings.series:
            if name not in self._channels:
                self._channels[name] = self.engine.channel(*name)
        channel = np.array([self._channels[name] for name in readings.series], dtype=np.int32)
        arrival = readings.arrival
        if arrival is None:
            arrival = np.maximum.accumulate(readings.ts)
            if self._newest is not None:
                arrival = np.maximum(arrival, self._newest)
        return Columns.of(channel[readings.of], readings.ts, readings.value, arrival=arrival, flag=readings.flag)

    def _cuts(self, columns: Columns) -> list[int]:
        """Where batches begin and end: between messages, and before a silence if that is watched."""
        count = len(columns.ts)
        step = np.diff(columns.ts) != 0
        step |= np.diff(columns.arrival) != 0
        borders = np.flatnonzero(step) + 1
        wanted = np.arange(BATCH, count, BATCH)
        at = np.searchsorted(borders, wanted)
        cuts = {0, count, *borders[at[at < len(borders)]].tolist()}
        if self._patience_ms is not None:
            cuts.update((np.flatnonzero(np.diff(columns.arrival) > self._patience_ms) + 1).tolist())
        return sorted(cuts)


def patience_ms(devices: Iterable[DeviceRules]) -> int:
    """The shortest time after which something happens because nothing came."""
    rules = [rule for device in devices for rule in device.rules.values()]
    waits = [rule.max_gap_s for rule in rules if rule.point] + [
        min(rule.after_s.values()) for rule in rules if rule.after_s
    ]
    return round(min(waits, default=1e9) * 1000)


class Verdict(StrEnum):
    """What a change of rules did to an alarm; the gravest that holds."""

    ONLY_AFTER = "only_after"  # would fire
    ONLY_BEFORE = "only_before"  # would not fire any more
    SPLIT = "split"  # a new alarm in the time of one that was on
    JOINED = "joined"  # no alarm of its own any more: another one is on then
    LEVEL = "level"  # reaches another level
    EARLIER = "earlier"
    LATER = "later"
    SAME = "same"  # opens at the same instant at the same level; it may last longer or shorter


@dataclass(frozen=True, slots=True)
class Pair:
    """An alarm before and after the change; one of them may be missing."""

    verdict: Verdict
    before: Fired | None
    after: Fired | None

    @property
    def shift_s(self) -> float | None:
        """How much later it opens."""
        if self.before is None or self.after is None:
            return None
        return (self.after.opened_at - self.before.opened_at) / 1000

    @property
    def key(self) -> tuple[int, str, str]:
        """The order of pairs: by the opening that comes first."""
        one = min((each for each in (self.before, self.after) if each), key=lambda each: each.opened_at)
        return (one.opened_at, one.device, one.rule)


def compare(before: Sequence[Fired], after: Sequence[Fired], *, until: int, near_ms: int = NEAR_MS) -> list[Pair]:
    """Which alarms stayed, changed, went, came; in the order of time.

    Args:
        before: alarms of one side.
        after: of the other.
        until: the end of the readings: what is on then ends there.
        near_ms: alarms that do not overlap are one if no more lies between them.
    """
    sides: dict[tuple[str, str], tuple[list[Fired], list[Fired]]] = {}
    for number, side in enumerate((before, after)):
        for each in side:
            sides.setdefault((each.device, each.rule), ([], []))[number].append(each)
    pairs: list[Pair] = []
    for old, new in sides.values():
        pairs.extend(_pairs(old, new, until, near_ms))
    return sorted(pairs, key=lambda pair: pair.key)


def _end(one: Fired, until: int) -> int:
    return max(until, one.opened_at) if one.cleared_at is None else one.cleared_at


def _overlap(one: Fired, other: Fired, until: int) -> int:
    """Length of the common span; below 0, the gap between them."""
    return min(_end(one, until), _end(other, until)) - max(one.opened_at, other.opened_at)


def _pairs(old: list[Fired], new: list[Fired], until: int, near_ms: int) -> Iterable[Pair]:
    old, new = (sorted(side, key=lambda each: each.opened_at) for side in (old, new))
    candidates: list[tuple[int, int, int]] = []
    start = 0
    for i, one in enumerate(old):
        while start < len(new) and _end(new[start], until) < one.opened_at - near_ms:
            start += 1
        for j in range(start, len(new)):
            if new[j].opened_at > _end(one, until) + near_ms:
                break
            candidates.append((-_overlap(one, new[j], until), i, j))
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    touched_old = {i for away, i, _ in candidates if away <= 0}
    touched_new = {j for away, _, j in candidates if away <= 0}
    for i, one in enumerate(old):
        if i in partner:
            yield Pair(_verdict(one, new[partner[i]]), one, new[partner[i]])
        else:
            yield Pair(Verdict.JOINED if i in touched_old else Verdict.ONLY_BEFORE, one, None)
    for j, each in enumerate(new):
        if j not in taken:
            yield Pair(Verdict.SPLIT if j in touched_new else Verdict.ONLY_AFTER, None, each)


def _verdict(before: Fired, after: Fired) -> Verdict:
    if before.level is not after.level:
        return Verdict.LEVEL
    if before.opened_at != after.opened_at:
        return Verdict.EARLIER if after.opened_at < before.opened_at else Verdict.LATER
    return Verdict.SAME


@dataclass(frozen=True, slots=True)
class Side:
    """Counts of one side."""

    alarms: int
    suspect: int
    on_s: float  # all alarms together
    by_level: Mapping[Level, int]
    by_day: Mapping[str, int]  # ISO date of the opening
    by_rule: Mapping[str, int]
    by_device: Mapping[str, int]


def summary(alarms: Sequence[Fired], *, until: int, utc_offset_h: float = 0.0) -> Side:
    """Count alarms by level, day, rule and device."""
    shift = round(utc_offset_h * 3_600_000)
    levels = Counter(each.level for each in alarms)
    return Side(
        alarms=len(alarms),
        suspect=sum(each.suspect for each in alarms),
        on_s=sum(_end(each, until) - each.opened_at for each in alarms) / 1000,
        by_level={level: levels[level] for level in Level},
        by_day=_counted(day_of(each.opened_at, shift) for each in alarms),
        by_rule=_counted(each.rule for each in alarms),
        by_device=_counted(each.device for each in alarms),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def day_of(ms: int, shift_ms: int = 0) -> str:
    """The date of an instant, `2026-11-22`."""
    return date.fromordinal(_EPOCH_DAY + (ms + shift_ms) // DAY_MS).isoformat()


def verdicts(pairs: Iterable[Pair]) -> dict[Verdict, int]:
    """How many of each kind."""
    counts = Counter(pair.verdict for pair in pairs)
    return {verdict: counts[verdict] for verdict in Verdict}


def fresh_flags(flag: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Stored flags without what the quality tests of then said: for judging by other tests."""
    return np.where(flag == Quality.MISSING, flag, np.uint8(Quality.UNKNOWN)).astype(np.uint8)
