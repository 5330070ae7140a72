"""The rows behind an engine: which device has which rules, and where in the arrays their state lies."""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import condition, event, level, rate, scan, wiring
from rules.aim import Aim
from rules.beside import Pairs
from rules.condition import NEVER
from rules.judgement import Calm
from rules.kind_store import Fitting, KindStore
from rules.kinds import KINDS
from rules.link import Net
from rules.memory import Memory
from rules.quality_declaration import Limits
from rules.rare import Rare
from rules.rule import Rule
from rules.scan import roomy as _roomy
from rules.shapes import Shapes
from wire.time import REAL


@dataclass(frozen=True, slots=True)
class DeviceRules:
    """What the engine must know of a device."""

    device: str
    rules: Mapping[str, Rule]
    points: tuple[str, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    valid: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # by point
    cadence_s: float = 10.0
    timeline: str = REAL
    quality: Mapping[str, Limits] = field(default_factory=dict)  # by point; without: range and clock alone
    groups: Mapping[str, str] = field(default_factory=dict)  # site, building, zone: where it belongs to


@dataclass(slots=True)
class Entity:
    """A device in reality, or in one exercise."""

    index: int
    device: str
    exercise: str | None
    slots: dict[str, int] = field(default_factory=dict)  # by rule


@dataclass(slots=True)
class Slot:
    """One rule on one entity."""

    entity: int
    rule: Rule
    ranks: tuple[int, ...]
    check: int  # of rule and reference: state of another rule does not fit
    learnt: int = 0  # of what a kind's memory depends on


@dataclass(frozen=True, slots=True)
class _Ready:
    """A rule in the form that slots take; holds the rule, so that its id stays its own."""

    rule: Rule
    kind: int
    check: int
    ranks: tuple[int, ...]
    why: str | None
    fitting: Fitting | None  # of a kind of rules.kinds


SAVED = np.dtype([("quiet", "?"), ("newest", "i8"), ("opened", "i8")])


def quality_key(exercise: str | None, device: str, point: str) -> str:
    """The name of what the quality tests remember of a point."""
    return f"{exercise or ''}/{device}/:{point}"


def row_key(exercise: str | None, device: str, rule: str = "") -> str:
    """The name of a state row; without a rule, of the device's last sign of life."""
    return f"{exercise or ''}/{device}/{rule}"


_UNSAVED = np.array((False, NEVER, NEVER), dtype=SAVED)


class Table:
    """Entities, slots and channels, and the arrays that they index. Arrays may be longer than what is in use."""

    def __init__(self) -> None:
        self.devices: dict[str, DeviceRules] = {}
        self.entities: dict[tuple[str | None, str], Entity] = {}
        self.lives: dict[str, dict[str | None, Entity]] = {}  # by device: its entities by exercise
        self.by_index: list[Entity | None] = []
        self.slots: list[Slot | None] = []
        self.channels: dict[tuple[str | None, str, str], int] = {}
        self.memory = Memory()
        self.net: Net | None = None
        self.blind: dict[tuple[str, str], str] = {}
        self.state = condition.State()
        self.settings = condition.Settings()
        self.kind = np.zeros(0, dtype=np.int32)  # by slot: its entry of the settings; -1 = the slot is free
        self.ring = np.zeros(0, dtype=np.int32)  # by slot: -1 = not a rate
        self.stores: list[KindStore] = []  # of the kinds in use
        self.store = np.zeros(0, dtype=np.int16)  # by slot: -1 = not of a kind of rules.kinds
        self.line = np.zeros(0, dtype=np.int32)  # by slot: in its store
        self.calm = Calm(np.zeros(0, dtype=np.bool_))
        self.rings = rate.Rings()
        self.scratch = np.zeros(0, dtype=np.int32)
        self.touched = np.zeros(0, dtype=np.bool_)
        self.saved = np.zeros(0, dtype=SAVED)
        self.seen = np.zeros(0, dtype=np.int64)
        self.saved_seen = np.zeros(0, dtype=np.int64)
        self.touched_seen = np.zeros(0, dtype=np.bool_)
        self.heard = np.zeros(0, dtype=np.bool_)  # since we began to listen
        self.low = np.zeros(0)
        self.high = np.zeros(0)
        self.stale = True
        self._free: list[int] = []
        self._ready: dict[tuple[int, Any], _Ready] = {}
        # looked up by step and tick, rebuilt when stale
        self.start = np.zeros(1, dtype=np.int64)  # channel -> stretch of target
        self.aims: Shapes[Aim] = Shapes()
        self.number = np.zeros(0, dtype=np.int32)  # by channel: length of that stretch
        self.target = np.zeros(0, dtype=np.int64)  # slots
        self.rare: Rare | None = None  # rules that look at few readings of their channel: not in target
        self.pairs: Pairs | None = None  # what rules look at beside what they judge
        self.unlinked: dict[tuple[str, str], str] = {}  # rules that look at devices that are not known
        self.entity_of = np.zeros(0, dtype=np.int64)  # by channel
        self.entity_of_slot = np.zeros(0, dtype=np.int32)
        self.silent_slot = np.zeros(0, dtype=np.int64)  # by entity
        self.event_slot = np.zeros(0, dtype=np.int64)  # slots of kind event
        self.ends_ms = np.zeros(0, dtype=np.int64)  # of each of them: how long its word holds; NEVER = until a 0
        self.after_ms = np.zeros((0, condition.LEVELS), dtype=np.int64)  # by entity, as grace_ms
        self.grace_ms = np.zeros(0, dtype=np.int64)
        self.watch: dict[str, npt.NDArray[np.int64]] = {}  # entities by timeline

    def admit(self, exercise: str | None, device: str) -> Entity:
        """A new entity, without slots."""
        index = len(self.by_index)
        entity = Entity(index=index, device=device, exercise=exercise)
        self.by_index.append(entity)
        self.entities[(exercise, device)] = entity
        self.lives.setdefault(device, {})[exercise] = entity
        self.seen = _roomy(self.seen, index + 1, NEVER)
        self.saved_seen = _roomy(self.saved_seen, index + 1, NEVER)
        self.touched_seen = _roomy(self.touched_seen, index + 1, False)
        self.heard = _roomy(self.heard, index + 1, False)
        self.stale = True
        return entity

    def furnish(self, entity: Entity, device: DeviceRules) -> None:
        """Give an entity the slots of its device's rules; a rule that changed keeps its episode, not its holds."""
        for rule_id, rule in device.rules.items():
            number = entity.slots.get(rule_id)
            ready = self._prepare(rule, device.parameters)
            known = None
            if number is None:
                number = entity.slots[rule_id] = self._allot()
            else:
                known = self.slots[number]
                if known is not None and known.check == ready.check:
                    continue
                self._let_go(number)
                self.keep_episode(number, self.state.record(number)[0])
            learnt = ready.fitting.check if ready.fitting is not None else 0
            self.slots[number] = Slot(entity.index, rule, ready.ranks, ready.check, learnt)
            self._lay(number, entity.index, rule, ready.fitting, known)
            self.kind[number] = ready.kind
            self.settings.hold(ready.kind)
            self.calm.quiet[number] = False
            self.blind.pop((device.device, rule_id), None)
            if ready.why is not None:
                self.blind[(device.device, rule_id)] = ready.why
            if rule.kind == "rate":
                self.ring[number] = self.rings.allot()
        for point in device.points:
            limits = device.quality.get(point)
            if limits is not None:
                self.memory.admit(self.channel(entity.exercise, device, point), limits)
        self.stale = True

    def _lay(self, number: int, entity: int, rule: Rule, fitting: Fitting | None, known: Slot | None) -> None:
        """Give a slot a line of its kind; it stays where another threshold does not change what the kind remembers."""
        before = int(self.store[number])
        if before >= 0:
            if fitting is not None and known is not None and known.learnt == fitting.check:
                self.stores[before].refit(int(self.line[number]), fitting)
                return
            self.stores[before].release(int(self.line[number]))
            self.store[number] = -1
        if fitting is not None:
            store = self._store(rule.kind)
            self.store[number] = store.number
            self.line[number] = store.admit(number, entity, rule, fitting)

    def _store(self, kind: str) -> KindStore:
        for store in self.stores:
            if store.name == kind:
                return store
        store = KindStore(len(self.stores), kind, KINDS[kind])
        self.stores.append(store)
        return store

    def untested(self, entity: Entity, before: DeviceRules | None, now: DeviceRules | None = None) -> list[str]:
        """Forget the quality tests that a device has no more; the keys of their rows."""
        keys = []
        for point in before.quality if before is not None else ():
            number = self.channels.get((entity.exercise, entity.device, point))
            if number is not None and (now is None or point not in now.quality or point not in now.points):
                self.memory.release(number)
                keys.append(quality_key(entity.exercise, entity.device, point))
        return keys

    def _prepare(self, rule: Rule, parameters: Mapping[str, float]) -> "_Ready":
        """A rule in arrays; devices of one model share their rules, so this is done once for all of them."""
        parameter: Any = parameters.get(rule.reference) if rule.reference else None
        key = (id(rule), tuple(sorted(parameters.items())) if rule.inputs else parameter)
        ready = self._ready.get(key)
        if ready is None:
            row = np.zeros(1, dtype=condition.SETTINGS)
            row["enter"] = row["exit"] = row["lowest"] = np.nan
            why = level.settings_row(rule, parameters, row[0]) if rule.levels else None
            fitting = self._store(rule.kind).fit(rule, parameters) if rule.inputs else None
            if fitting is not None:
                parameter, why = (fitting.check, fitting.whole), fitting.why and f"rule {rule.id}: {fitting.why}"
            text = repr((rule, parameter)).encode()
            ready = self._ready[key] = _Ready(
                rule=rule,
                kind=self.settings.admit(row[0], hashlib.blake2b(text, digest_size=16).digest()),
                check=zlib.crc32(text),
                ranks=tuple(sorted(each.rank for each in (rule.levels or rule.after_s))),
                why=why,
                fitting=fitting,
            )
        return ready

    def tidy(self) -> None:
        """Forget prepared rules; call when a table has been taken."""
        self._ready.clear()
        self.settings.tidy()

    def keep_episode(self, number: int, old: Any) -> None:
        """Carry the episode (not the holds) of an old row into a blank one."""
        self.state.blank(number)
        row = self.state[number]
        for name in ("newest", "opened", "closed", "rank", "highest", "suspect", "used"):
            row[name] = old[name]
        self.saved["quiet"][number] = False
        self.calm.quiet[number] = False
        self.touched[number] = True

    def channel(self, exercise: str | None, device: DeviceRules, point: str) -> int:
        """The number of a point; a new one when it was never asked for."""
        key = (exercise, device.device, point)
        number = self.channels.get(key)
        if number is None:
            number = self.channels[key] = len(self.channels)
            self.low = _roomy(self.low, number + 1, np.nan)
            self.high = _roomy(self.high, number + 1, np.nan)
            self._measure(number, device, point)
            self.stale = True
        return number

    def whose(self) -> list[tuple[str | None, str, str]]:
        """Exercise, device and point by channel."""
        return list(self.channels)

    def measure(self, device: DeviceRules) -> None:
        """Take the valid ranges of a device over to its channels."""
        for exercise in self.lives.get(device.device, {}):
            for point in device.points:
                number = self.channels.get((exercise, device.device, point))
                if number is not None:
                    self._measure(number, device, point)

    def _measure(self, number: int, device: DeviceRules, point: str) -> None:
        self.low[number], self.high[number] = device.valid.get(point) or (np.nan, np.nan)

    def release(self, entity: Entity, rule_id: str) -> None:
        """Take a slot away."""
        number = entity.slots.pop(rule_id)
        self._let_go(number)
        if self.store[number] >= 0:
            self.stores[self.store[number]].release(int(self.line[number]))
            self.store[number] = -1
        self.kind[number] = -1
        self.slots[number] = None
        self.state.blank(number)
        self.touched[number] = self.calm.quiet[number] = False
        self.blind.pop((entity.device, rule_id), None)
        self._free.append(number)
        self.stale = True

    def drop(self, entity: Entity) -> list[str]:
        """Take an entity away with its slots; the keys of its rows."""
        keys = [row_key(entity.exercise, entity.device, rule) for rule in ("", *entity.slots)]
        keys += self.untested(entity, self.devices.get(entity.device))
        for rule_id in list(entity.slots):
            self.release(entity, rule_id)
        del self.entities[(entity.exercise, entity.device)]
        del self.lives[entity.device][entity.exercise]
        self.by_index[entity.index] = None
        self.touched_seen[entity.index] = False
        self.stale = True
        return keys

    def _allot(self) -> int:
        if self._free:
            number = self._free.pop()
            self.saved[number] = _UNSAVED
            return number
        number = len(self.slots)
        self.slots.append(None)
        if number >= len(self.kind):
            self.state.grow(number + 1)
            self.kind = _roomy(self.kind, number + 1, -1)
            self.ring = _roomy(self.ring, number + 1, -1)
            self.store = _roomy(self.store, number + 1, -1)
            self.line = _roomy(self.line, number + 1, -1)
            self.touched = _roomy(self.touched, number + 1, False)
            self.calm.quiet = _roomy(self.calm.quiet, number + 1, False)
            self.saved = _roomy(self.saved, number + 1, _UNSAVED)
        return number

    def _let_go(self, number: int) -> None:
        """A slot's rule is no more: its entry of the settings, its ring."""
        self.settings.let_go(int(self.kind[number]))
        if self.ring[number] >= 0:
            self.rings.release(int(self.ring[number]))
            self.ring[number] = -1

    def cooldown_ms(self, number: int) -> int:
        """Of a slot's rule."""
        return int(self.settings.cooldown_ms[self.kind[number]])

    def alone(self, slot: npt.NDArray[np.int64]) -> bool:
        """Whether no slot stands twice."""
        self.scratch = _roomy(self.scratch, len(self.slots), 0)
        return scan.alone(slot, self.scratch)

    def reindex(self) -> None:
        """Rebuild what `step` and `tick` look up, if rows changed."""
        if not self.stale:
            return
        self._aim()
        self.aims.clear()
        self.silent_slot = np.full(len(self.by_index), -1, dtype=np.int64)
        events: list[int] = []
        ends: dict[int, int] = {}
        self.entity_of_slot = np.full(len(self.state), -1, dtype=np.int32)
        self.after_ms = np.full((len(self.by_index), condition.LEVELS), NEVER, dtype=np.int64)
        self.grace_ms = np.zeros(len(self.by_index), dtype=np.int64)
        for number, slot in enumerate(self.slots):
            if slot is None:
                continue
            self.entity_of_slot[number] = slot.entity
            if slot.rule.kind == event.KIND:
                events.append(number)
                if slot.rule.options.ends_after_s is not None:
                    ends[number] = round(slot.rule.options.ends_after_s * 1000)
            if slot.rule.kind == "silence":
                self.silent_slot[slot.entity] = number
                self.after_ms[slot.entity] = NEVER
                self.grace_ms[slot.entity] = round(slot.rule.grace_s * 1000)
                for each, after in slot.rule.after_s.items():
                    self.after_ms[slot.entity, each.rank - 1] = round(after * 1000)
        self.event_slot = np.array(events, dtype=np.int64)
        self.ends_ms = np.array([ends.get(number, NEVER) for number in events], dtype=np.int64)
        watch: dict[str, list[int]] = {}
        for (exercise, device), entity in self.entities.items():
            watch.setdefault(exercise or self.devices[device].timeline, []).append(entity.index)
        self.watch = {name: np.array(indices, dtype=np.int64) for name, indices in watch.items()}
        wiring.link(self)
        wiring.pair(self)
        self.stale = False

    def _aim(self) -> None:
        """Which slots judge a channel, and whose it is."""
        targets: list[list[int]] = [[] for _ in self.channels]
        rare: list[tuple[int, int, int]] = []
        self.entity_of = np.full(len(self.channels), -1, dtype=np.int64)
        for (exercise, device, point), number in self.channels.items():
            entity = self.entities.get((exercise, device))
            if entity is None:
                continue
            self.entity_of[number] = entity.index
            for slot_number in entity.slots.values():
                slot = self.slots[slot_number]
                if slot is None or slot.rule.point != point:
                    continue
                every_s = getattr(KINDS.get(slot.rule.kind), "EVERY_S", 0)
                if every_s:
                    rare.append((number, slot_number, every_s * 1000))
                else:
                    targets[number].append(slot_number)
        self.rare = Rare(len(self.channels), rare) if rare else None
        lengths = np.array([len(each) for each in targets], dtype=np.int64)
        self.start = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths)))
        self.number = lengths.astype(np.int32)
        self.target = np.array([number for each in targets for number in each], dtype=np.int64)

    def bytes(self) -> int:
        """Memory of all arrays."""
        parts: list[Any] = [vars(self), vars(self.state), vars(self.state.late), vars(self.settings), vars(self.rings)]
        memory = self.memory
        parts += [vars(memory), memory.rows, memory.looks, memory.windows, memory.links, vars(memory.kinds)]
        arrays = [each for part in parts for each in part.values() if isinstance(each, np.ndarray)]
        kinds = sum(each.bytes() for each in self.stores) + (self.rare.bytes() if self.rare is not None else 0)
        return sum(each.nbytes for each in arrays) + self.calm.quiet.nbytes + kinds
