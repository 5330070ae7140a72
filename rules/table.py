"""The rows behind an engine: which device has which rules, and where in the arrays their state lies."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rules import condition, index, level, rate, scan
from rules.beside import Pairs
from rules.channels import Channels
from rules.condition import NEVER
from rules.judgement import Calm
from rules.keys import quality_key, row_key
from rules.kind_store import Fitting, KindStore
from rules.kinds import KINDS
from rules.link import Net
from rules.memory import Memory
from rules.quality_declaration import Limits
from rules.rare import Rare
from rules.rule import Rule
from rules.scan import roomy as _roomy
from rules.shapes import Shapes
from rules.slots import Slot, Slots, Sort
from wire.time import REAL

if TYPE_CHECKING:
    from rules.aim import Said
    from rules.outline import Outline


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
    slots: Mapping[str, int] = field(default_factory=dict)  # by rule

    def own_slots(self) -> dict[str, int]:
        """The slots, to be changed."""
        if not isinstance(self.slots, dict):
            self.slots = dict(self.slots)
        return self.slots


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule in the form that slots take."""

    rule: Rule
    sort: Sort
    kind: int
    why: str | None
    fitting: Fitting | None  # of a kind of rules.kinds

    @property
    def check(self) -> int:
        """Of rule and reference."""
        return self.sort.check


SAVED = np.dtype([("quiet", "?"), ("newest", "i8"), ("opened", "i8")])


_UNSAVED = np.array((False, NEVER, NEVER), dtype=SAVED)


class Table:
    """Entities, slots and channels, and the arrays that they index. Arrays may be longer than what is in use."""

    def __init__(self) -> None:
        self.devices: dict[str, DeviceRules] = {}
        self.entities: dict[tuple[str | None, str], Entity] = {}
        self.drilled: dict[str, dict[str, Entity]] = {}  # by device: its entities in exercises
        self.by_index: list[Entity | None] = []
        self.slots = Slots()
        self.channels = Channels()
        self.channel_of = np.zeros(0, dtype=np.int32)  # by slot: the channel that it judges; -1 = none
        self.entity_at = np.zeros(0, dtype=np.int32)  # by channel: its entity; -1 = gone
        self.dropped: set[int] = set()  # entities that are gone, and may still stand there
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
        self._ready: dict[tuple[int, Any], Ready] = {}
        # looked up by step and tick, rebuilt when stale
        self.start = np.zeros(1, dtype=np.int32)  # channel -> stretch of target
        self.outlines: Shapes[Outline] = Shapes()
        self.said: Shapes[Said] = Shapes()  # by kinds
        self.number = np.zeros(0, dtype=np.int32)  # by channel: length of that stretch
        self.target = np.zeros(0, dtype=np.int32)  # slots
        self.rare: Rare | None = None  # rules that look at few readings of their channel: not in target
        self.pairs: Pairs | None = None  # what rules look at beside what they judge
        self.unlinked: dict[tuple[str, str], str] = {}  # rules that look at devices that are not known
        self.entity_of = np.zeros(0, dtype=np.int32)  # by channel
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
        if exercise is not None:
            self.drilled.setdefault(device, {})[exercise] = entity
        self.seen = _roomy(self.seen, index + 1, NEVER)
        self.saved_seen = _roomy(self.saved_seen, index + 1, NEVER)
        self.touched_seen = _roomy(self.touched_seen, index + 1, False)
        self.heard = _roomy(self.heard, index + 1, False)
        self.stale = True
        return entity

    def lives(self, device: str) -> list[Entity]:
        """The entities of a device: in reality first, then in exercises."""
        real = self.entities.get((None, device))
        return [*(() if real is None else (real,)), *self.drilled.get(device, {}).values()]

    def furnish(self, entity: Entity, device: DeviceRules) -> None:
        """Give an entity the slots of its device's rules; a rule that changed keeps its episode, not its holds.

        Many new ones at once: `rules.furnish`.
        """
        slots = entity.own_slots()
        self.number_points(entity, device)
        for rule_id, rule in device.rules.items():
            number = slots.get(rule_id)
            ready = self.prepare(rule, device.parameters)
            known = None
            if number is None:
                number = slots[rule_id] = self._allot()
            else:
                known = self.slots[number]
                if known is not None and known.check == ready.check:
                    self.channel_of[number] = self._judged(entity, rule)
                    continue
                self._let_go(number)
                self.keep_episode(number, self.state.record(number)[0])
            self.slots.put(number, entity.index, ready.sort)
            self._lay(number, entity.index, rule, ready.fitting, known)
            self.kind[number] = ready.kind
            self.channel_of[number] = self._judged(entity, rule)
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

    def _judged(self, entity: Entity, rule: Rule) -> int:
        """The channel that a rule judges; -1: it has none."""
        number = self.channels.get((entity.exercise, entity.device, rule.point)) if rule.point is not None else None
        return -1 if number is None else number

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
            store = self.kind_store(rule.kind)
            self.store[number] = store.number
            self.line[number] = store.admit(number, entity, rule, fitting)

    def kind_store(self, kind: str) -> KindStore:
        """The lines of a kind."""
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

    def prepare(self, rule: Rule, parameters: Mapping[str, float]) -> Ready:
        """A rule in arrays; devices of one model share their rules, so this is done once for all of them."""
        parameter: Any = parameters.get(rule.reference) if rule.reference else None
        key = (id(rule), tuple(sorted(parameters.items())) if rule.inputs else parameter)
        ready = self._ready.get(key)
        if ready is None:
            row = np.zeros(1, dtype=condition.SETTINGS)
            row["enter"] = row["exit"] = row["lowest"] = np.nan
            why = level.settings_row(rule, parameters, row[0]) if rule.levels else None
            fitting = self.kind_store(rule.kind).fit(rule, parameters) if rule.inputs else None
            if fitting is not None:
                parameter, why = (fitting.check, fitting.whole), fitting.why and f"rule {rule.id}: {fitting.why}"
            text = repr((rule, parameter)).encode()
            check, ranks = zlib.crc32(text), tuple(sorted(each.rank for each in (rule.levels or rule.after_s)))
            ready = self._ready[key] = Ready(
                rule=rule,
                sort=Sort(rule, ranks, check, fitting.check if fitting is not None else 0),
                kind=self.settings.admit(row[0], hashlib.blake2b(text, digest_size=16).digest()),
                why=why,
                fitting=fitting,
            )
        return ready

    def tidy(self) -> None:
        """Forget prepared rules; call when a table has been taken."""
        self._ready.clear()
        self.settings.tidy()
        self.slots.tidy()

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
        """The number of a point of a device that has an entity; a new one when it was never asked for."""
        number = self.channels.get((exercise, device.device, point))
        if number is None:
            number = self.channels.add((exercise, device.device, point))
            self.range_of(np.array([number]), device, (point,))
            self.stale = True
        return number

    def number_points(self, entity: Entity, device: DeviceRules) -> None:
        """Channels for all points of an entity."""
        if not self.channels.has(entity.exercise, device.device):
            self.channels.lay(entity.exercise, device.device, device.points)
        numbers = np.array([self.channel(entity.exercise, device, point) for point in device.points], dtype=np.int64)
        self.range_of(numbers, device, device.points)
        self.entity_at[numbers] = entity.index

    def range_of(self, numbers: npt.NDArray[np.int64], device: DeviceRules, points: Sequence[str]) -> None:
        """Take the valid ranges of a device over to some channels of its points (a row a device, where many)."""
        count = len(self.channels)
        self.low, self.high = _roomy(self.low, count, np.nan), _roomy(self.high, count, np.nan)
        self.entity_at = _roomy(self.entity_at, count, -1)
        valid = [device.valid.get(point) or (np.nan, np.nan) for point in points]
        self.low[numbers], self.high[numbers] = [low for low, _ in valid], [high for _, high in valid]

    def measure(self, device: DeviceRules) -> None:
        """Take the valid ranges of a device over to its channels."""
        for entity in self.lives(device.device):
            numbers = self.channels.numbers(entity.exercise, device.device, device.points)
            points = [point for point, number in zip(device.points, numbers.tolist(), strict=True) if number >= 0]
            self.range_of(numbers[numbers >= 0], device, points)

    def release(self, entity: Entity, rule_id: str) -> None:
        """Take a slot away."""
        number = entity.own_slots().pop(rule_id)
        self._let_go(number)
        if self.store[number] >= 0:
            self.stores[self.store[number]].release(int(self.line[number]))
            self.store[number] = -1
        self.kind[number] = -1
        self.slots.clear(number)
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
        if entity.exercise is not None:
            del self.drilled[entity.device][entity.exercise]
        self.dropped.add(entity.index)
        self.by_index[entity.index] = None
        self.touched_seen[entity.index] = False
        self.stale = True
        return keys

    def _allot(self) -> int:
        return int(self.allot(1)[0])

    def allot(self, count: int) -> npt.NDArray[np.int64]:
        """So many slots; in a row, unless enough others are free."""
        if len(self._free) >= count:
            numbers = np.array([self._free.pop() for _ in range(count)], dtype=np.int64)
            self.saved[numbers] = _UNSAVED
            return numbers
        first = self.slots.more(count)
        end = first + count
        if end > len(self.kind):
            self.state.grow(end)
            for name in ("kind", "ring", "store", "line", "channel_of"):
                setattr(self, name, _roomy(getattr(self, name), end, -1))
            self.touched = _roomy(self.touched, end, False)
            self.calm.quiet = _roomy(self.calm.quiet, end, False)
            self.saved = _roomy(self.saved, end, _UNSAVED)
        return np.arange(first, end)

    def _let_go(self, number: int) -> None:
        """A slot's rule is no more: its entry of the settings, its ring."""
        self.settings.let_go(int(self.kind[number]))
        if self.ring[number] >= 0:
            self.rings.release(int(self.ring[number]))
            self.ring[number] = -1

    def cooldown_ms(self, number: int) -> int:
        """Of a slot's rule."""
        return int(self.settings.cooldown_ms[self.kind[number]])

    def alone(self, numbers: npt.NDArray[np.int64], count: int = 0) -> bool:
        """Whether no slot (or other number below `count`) stands twice."""
        self.scratch = _roomy(self.scratch, count or len(self.slots), 0)
        return scan.alone(numbers, self.scratch)

    def reindex(self) -> None:
        """Rebuild what `step` and `tick` look up, if rows changed."""
        if self.stale:
            index.build(self)
            self.stale = False

    def bytes(self) -> int:
        """Memory of all arrays."""
        parts: list[Any] = [
            vars(self),
            vars(self.state),
            vars(self.state.late),
            vars(self.state.holds),
            vars(self.settings),
            vars(self.rings),
        ]
        memory = self.memory
        parts += [vars(self.slots), vars(memory), memory.rows, memory.looks, memory.windows, memory.links]
        parts.append(vars(memory.kinds))
        arrays = [each for part in parts for each in part.values() if isinstance(each, np.ndarray)]
        kinds = sum(each.bytes() for each in self.stores) + (self.rare.bytes() if self.rare is not None else 0)
        return sum(each.nbytes for each in arrays) + self.calm.quiet.nbytes + kinds
