"""Letting time pass: devices that fell silent, and holds that silence cut off."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from rules import condition, event, schedule, silence
from rules.condition import NEVER, Happening
from rules.scan import Bools, Ints, some
from rules.slots import Slot
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
                yield from self._unproven(entities, instant, started)
                yield from self._cut_off(entities, instant, started)
                yield from self._over(entities, instant)

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

    def _cooling(self) -> Bools:
        """By slot and level: fulfilled, while a cooldown let nothing open."""
        table = self._table
        state, kind = table.state, table.kind
        cooled = (table.settings.cooldown_ms[kind] > 0) & (kind >= 0) & (state.rank == 0)
        if not some(cooled):
            return np.zeros(1, dtype=np.bool_)
        met = (state.bits & (condition.HELD | condition.MET)) == (condition.HELD | condition.MET)
        return np.asarray((met & cooled).T)

    def _by_device(self, slots: Ints) -> Ints:
        """In the order of the devices, then of their rules."""
        return slots[np.argsort(self._table.entity_of_slot[slots], kind="stable")]

    def _may_enter(self, kind: int, at: int) -> bool:
        settings = self._table.settings
        if not settings.scheduled[kind]:
            return True
        return bool(schedule.inside(np.array([at]), settings, np.array([kind]))[0])

    def _cut_off(self, entities: Ints, now: int, started: int) -> "Iterator[Lapse]":
        """Holds that began and were cut off by silence surface, suspect, at the maximum verify delay."""
        table = self._table
        watched = np.zeros(len(table.seen) + 1, dtype=np.bool_)  # the last one stands for 'no entity'
        watched[entities] = True
        pending = ((table.state.bits & (condition.HELD | condition.MET)) == condition.HELD).T
        pending |= self._cooling()
        for number in self._by_device(np.flatnonzero(pending.any(axis=1) & watched[table.entity_of_slot])).tolist():
            slot = table.slots[number]
            if slot is None:
                continue
            if slot.rule.kind == event.KIND:
                yield from self._escalated(number, slot, pending[number], now)
                continue
            state, settings, kind = table.state[number], table.settings, int(table.kind[number])
            seen = int(table.seen[slot.entity])
            since = seen if table.heard[slot.entity] else max(seen, started)
            gap, verify = int(settings.max_gap_ms[kind]), int(settings.verify_ms[kind])
            for level in range(condition.LEVELS - 1, -1, -1):
                # a longer hold asks for persistence, not for verification: only a real gap cuts it off
                patience = gap if settings.hold_ms[level, kind] > verify else min(gap, verify)
                at = max(int(state["since"][level]) + verify, since + patience)
                if level < int(state["highest"]):
                    at = max(at, int(state["closed"]) + table.cooldown_ms(number))
                if not pending[number, level] or now < at or not self._may_enter(kind, at):
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

    def _unproven(self, entities: Ints, now: int, started: int) -> "Iterator[Lapse]":
        """What a kind was still verifying when its device fell silent surfaces too: it verifies inside its signal."""
        table = self._table
        for store in table.stores:
            unproven = getattr(store.module, "unproven", None)
            if unproven is None:
                continue
            signal = unproven(store.settings[store.setting], store.memory[: len(store.setting)])
            stirs = np.flatnonzero(signal > 0)
            for number, strength in zip(store.slot[stirs].tolist(), signal[stirs].tolist(), strict=True):
                slot, kind = table.slots[number], int(table.kind[number])
                if slot is None or table.store[number] != store.number or not np.isin(slot.entity, entities):
                    continue
                settings, state = table.settings, table.state[number]
                rank = int((settings.enter[:, kind] <= strength).sum())
                seen = int(table.seen[slot.entity])
                since = seen if table.heard[slot.entity] else max(seen, started)
                at = since + max(int(settings.verify_ms[kind]), int(settings.max_gap_ms[kind]))
                if rank <= int(state["rank"]) or now < at or not self._may_enter(kind, at):
                    continue
                table.touched[number] = True
                evidence: Evidence = {
                    "point": slot.rule.point,
                    "signal": strength,
                    "cut_off": "silence",
                    "last_seen_ms": float(seen),
                }
                yield Lapse(_by_time(number, rank, at, doubt=True), evidence)

    def _escalated(self, number: int, slot: Slot, pending: Bools, now: int) -> "Iterator[Lapse]":
        """Events that are up and whose next level's time has come: the device's own word, not a hold cut off."""
        table = self._table
        state, hold_ms = table.state[number], table.settings.hold_ms[:, table.kind[number]]
        for level in range(condition.LEVELS - 1, -1, -1):
            at = max(int(state["since"][level]) + int(hold_ms[level]), int(state["opened"]))
            if not pending[level] or now < at:
                continue
            table.state.bits[level, number] |= condition.MET
            table.touched[number] = True
            evidence: Evidence = {
                "point": slot.rule.point,
                "held_s": (at - int(state["since"][level])) / 1000,
                "by": "time",
            }
            doubt = bool(state["bits"][level] & condition.DOUBT)
            yield Lapse(_by_time(number, level + 1, at, doubt=doubt), evidence)

    def _over(self, entities: Ints, now: int) -> "Iterator[Lapse]":
        """Events whose 0 was said long enough ago, or whose 1 is too old."""
        table = self._table
        slots = table.event_slot
        on = np.isin(table.entity_of_slot[slots], entities) & (table.state.rank[slots] > 0)
        slots, ends_ms = slots[on], table.ends_ms[on]
        if not len(slots):
            return
        clear_ms = table.settings.clear_ms[table.kind[slots]]
        at = event.ends(table.state, slots, clear_ms, ends_ms)
        over = np.flatnonzero(at <= now)
        for where in over[np.argsort(table.entity_of_slot[slots[over]], kind="stable")].tolist():
            number = int(slots[where])
            slot = table.slots[number]
            if slot is None:
                continue
            said = some((table.state.bits[:, number] & condition.CLEARING) != 0)
            table.state.bits[:, number] = condition.CLEARING | condition.CLEARED
            table.state.run_ms[:, number] = clear_ms[where]
            evidence: Evidence = {"point": slot.rule.point, "by": "time", "because_of": "said" if said else "too_old"}
            happening = _by_time(number, min(slot.ranks), int(at[where]), doubt=False)
            yield Lapse(happening._replace(leaves=True), evidence)


class Lapse(NamedTuple):
    """What time brought about in one slot."""

    happening: Happening
    evidence: Evidence


def _by_time(slot: int, rank: int, at: int, *, doubt: bool) -> Happening:
    return Happening(
        row=-1, slot=slot, rank=rank, leaves=False, late=False, ts=at, doubt=doubt, signal=0.0, held_s=0.0, samples=0
    )
