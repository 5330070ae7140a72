"""Letting time pass: devices that fell silent, and holds that silence cut off."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from rules import condition, silence
from rules.condition import NEVER, Happening
from rules.scan import Ints
from rules.table import Table

Evidence = dict[str, float | str | None]


class Watch:
    """The dead-man timers of one engine."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._started: dict[str, int] = {}  # when we began to listen, by timeline: at the first `now`, or a `resume`
        self._used_before: dict[int, int] = {}  # grace that was used up by then, by slot

    def passed(self, now: Mapping[str, int], *, deaf: bool = False) -> "Iterator[Lapse]":
        """What time brought about, timeline by timeline; while we are deaf nobody falls silent."""
        for name, instant in now.items():
            started = self._started.setdefault(name, instant)
            entities = self._table.watch.get(name)
            if entities is not None:
                if not deaf:
                    yield from self._silences(entities, instant, started)
                yield from self._cut_off(entities, instant, started)

    def resume(self, now: Mapping[str, int]) -> None:
        """Begin to listen, as at a start: nobody was heard yet, and what is left of each grace runs from here."""
        for name, instant in now.items():
            self._started[name] = instant
            entities = self._table.watch.get(name)
            if entities is not None:
                self._table.heard[entities] = False
                for number in self._table.silent_slot[entities].tolist():
                    self._used_before.pop(number, None)

    def heard(self, number: int) -> None:
        """The device of a silence slot spoke: its grace is whole again."""
        self._used_before.pop(number, None)

    def _silences(self, entities: Ints, now: int, started: int) -> "Iterator[Lapse]":
        table = self._table
        slots = table.silent_slot[entities]
        entities, slots = entities[slots >= 0], slots[slots >= 0]
        if not len(slots):
            return
        seen, after, grace = table.seen[entities], table.after_ms[entities], table.grace_ms[entities]
        begun = np.where(table.heard[entities], NEVER, started)
        first_after = np.where(after == NEVER, -NEVER, after).min(axis=1)
        for where in np.flatnonzero(silence.in_grace(seen, first_after, begun, now)).tolist():
            number = int(slots[where])
            before = self._used_before.setdefault(number, int(table.state.used[number]))
            used = min(int(grace[where]), before + max(now - started, 0))
            if used != table.state.used[number]:
                table.state.used[number] = used
                table.touched[number] = True
        before_start = np.zeros(len(slots), dtype=np.int64)
        if self._used_before:
            before_start = np.array([self._used_before.get(number, 0) for number in slots.tolist()], dtype=np.int64)
        due = silence.due(seen, before_start, after, grace, begun)
        rank = ((due <= now) * np.arange(1, condition.LEVELS + 1)).max(axis=1)
        for where in np.flatnonzero(rank > table.state.rank[slots]).tolist():
            at = int(due[where, rank[where] - 1])
            evidence: Evidence = {"silent_s": (at - int(seen[where])) / 1000, "last_seen_ms": float(seen[where])}
            yield Lapse(_by_time(int(slots[where]), int(rank[where]), at, doubt=False), evidence)

    def _cut_off(self, entities: Ints, now: int, started: int) -> "Iterator[Lapse]":
        """Holds that began and were cut off by silence surface, suspect, at the maximum verify delay."""
        table = self._table
        watched = np.zeros(len(table.seen) + 1, dtype=np.bool_)  # the last one stands for 'no entity'
        watched[entities] = True
        pending = ((table.state.bits & (condition.HELD | condition.MET)) == condition.HELD).T
        for number in np.flatnonzero(pending.any(axis=1) & watched[table.entity_of_slot]).tolist():
            slot = table.slots[number]
            if slot is None:
                continue
            state, settings, kind = table.state[number], table.settings, int(table.kind[number])
            seen = int(table.seen[slot.entity])
            since = seen if table.heard[slot.entity] else max(seen, started)
            gap, verify = int(settings.max_gap_ms[kind]), int(settings.verify_ms[kind])
            for level in range(condition.LEVELS - 1, -1, -1):
                # a longer hold asks for persistence, not for verification: only a real gap cuts it off
                patience = gap if settings.hold_ms[level, kind] > verify else min(gap, verify)
                at = max(int(state["since"][level]) + verify, since + patience)
                if not pending[number, level] or now < at:
                    continue
                table.state.bits[level, number] |= condition.MET
                table.touched[number] = True
                evidence: Evidence = {
                    "point": slot.rule.point,
                    "held_s": float(state["run_ms"][level]) / 1000,
                    "samples": int(state["samples"][level]),
                    "cut_off": "silence",
                    "last_seen_ms": float(seen),
                }
                yield Lapse(_by_time(number, level + 1, at, doubt=True), evidence)


class Lapse(NamedTuple):
    """What time brought about in one slot."""

    happening: Happening
    evidence: Evidence


def _by_time(slot: int, rank: int, at: int, *, doubt: bool) -> Happening:
    return Happening(
        row=-1, slot=slot, rank=rank, leaves=False, late=False, ts=at, doubt=doubt, signal=0.0, held_s=0.0, samples=0
    )
