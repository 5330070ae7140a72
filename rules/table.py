"""The rows behind an engine: which device has which rules, and where in the arrays their state lies."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import condition, level, rate
from rules.condition import NEVER, Calm
from rules.declaration import Rule
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


@dataclass(frozen=True, slots=True)
class _Ready:
    """A rule in the form that slots take; holds the rule, so that its id stays its own."""

    rule: Rule
    settings: Any
    check: int
    ranks: tuple[int, ...]
    below: float
    why: str | None


SAVED = np.dtype([("quiet", "?"), ("newest", "i8"), ("opened", "i8")])


def row_key(exercise: str | None, device: str, rule: str = "") -> str:
    """The name of a state row; without a rule, of the device's last sign of life."""
    return f"{exercise or ''}/{device}/{rule}"


def _roomy(array: npt.NDArray[Any], needed: int, fill: Any) -> npt.NDArray[Any]:
    """The array with room for `needed`, doubled when it grows."""
    if needed <= len(array):
        return array
    grown = np.empty(max(64, needed, 2 * len(array)), dtype=array.dtype)
    grown[: len(array)] = array
    grown[len(array) :] = fill
    return grown


def _unused() -> condition.Settings:
    row = np.zeros(1, dtype=condition.SETTINGS)
    row["enter"] = row["exit"] = row["lowest"] = np.nan
    row["ring"] = -1
    return row


_BLANK = condition.blank(1)[0]
_UNUSED = _unused()[0]
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
        self.blind: dict[tuple[str, str], str] = {}
        self.state = condition.blank(0)
        self.settings = np.zeros(0, dtype=condition.SETTINGS)
        self.calm = Calm(np.zeros(0, dtype=np.bool_), np.zeros(0))
        self.rings = rate.blank(0)
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
        self._ready: dict[tuple[int, float | None], _Ready] = {}
        self._free_rings: list[int] = []
        # looked up by step and tick, rebuilt when stale
        self.start = np.zeros(1, dtype=np.int64)  # channel -> stretch of target
        self.target = np.zeros(0, dtype=np.int64)  # slots
        self.entity_of = np.zeros(0, dtype=np.int64)  # by channel
        self.entity_of_slot = np.zeros(0, dtype=np.int64)
        self.silent_slot = np.zeros(0, dtype=np.int64)  # by entity
        self.after_ms = np.zeros((0, condition.LEVELS), dtype=np.int64)  # by slot
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
            if number is None:
                number = entity.slots[rule_id] = self._allot()
            else:
                known = self.slots[number]
                if known is not None and known.check == ready.check:
                    continue
                old = self.state[number].copy()
                self._release_ring(number)
                self.keep_episode(number, old)
            self.slots[number] = Slot(entity=entity.index, rule=rule, ranks=ready.ranks, check=ready.check)
            self.settings[number] = ready.settings
            self.calm.quiet[number] = False
            self.calm.below[number] = ready.below
            self.blind.pop((device.device, rule_id), None)
            if ready.why is not None:
                self.blind[(device.device, rule_id)] = ready.why
            if rule.kind == "rate":
                self.settings["ring"][number] = self._allot_ring()
        self.stale = True

    def _prepare(self, rule: Rule, parameters: Mapping[str, float]) -> "_Ready":
        """A rule in arrays; devices of one model share their rules, so this is done once for all of them."""
        parameter = parameters.get(rule.reference) if rule.reference else None
        key = (id(rule), parameter)
        ready = self._ready.get(key)
        if ready is None:
            row = _unused()
            why = level.settings_row(rule, parameters, row[0]) if rule.point else None
            ready = self._ready[key] = _Ready(
                rule=rule,
                settings=row[0].copy(),
                check=zlib.crc32(repr((rule, parameter)).encode()),
                ranks=tuple(sorted(each.rank for each in (rule.levels or rule.after_s))),
                below=float(np.nanmin(row["exit"])) if rule.point else -np.inf,
                why=why,
            )
        return ready

    def tidy(self) -> None:
        """Forget prepared rules; call when a table has been taken."""
        self._ready.clear()

    def keep_episode(self, number: int, old: Any) -> None:
        """Carry the episode (not the holds) of an old row into a blank one."""
        self.state[number] = _BLANK
        for name in ("newest", "opened", "closed", "rank", "highest", "suspect", "used"):
            self.state[name][number] = old[name]
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
        self._release_ring(number)
        self.slots[number] = None
        self.state[number] = _BLANK
        self.settings[number] = _UNUSED
        self.touched[number] = self.calm.quiet[number] = False
        self.blind.pop((entity.device, rule_id), None)
        self._free.append(number)
        self.stale = True

    def drop(self, entity: Entity) -> list[str]:
        """Take an entity away with its slots; the keys of its rows."""
        keys = [row_key(entity.exercise, entity.device, rule) for rule in ("", *entity.slots)]
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
        else:
            number = len(self.slots)
            self.slots.append(None)
            self.state = _roomy(self.state, number + 1, _BLANK)
            self.settings = _roomy(self.settings, number + 1, _UNUSED)
            self.touched = _roomy(self.touched, number + 1, False)
            self.calm.quiet = _roomy(self.calm.quiet, number + 1, False)
            self.calm.below = _roomy(self.calm.below, number + 1, -np.inf)
            self.saved = _roomy(self.saved, number + 1, np.zeros(1, dtype=SAVED)[0])
        self.saved[number] = _UNSAVED
        return number

    def _allot_ring(self) -> int:
        if not self._free_rings:
            length = len(self.rings)
            self.rings = _roomy(self.rings, length + 1, rate.blank(1)[0])
            self._free_rings.extend(range(len(self.rings) - 1, length - 1, -1))
        ring = self._free_rings.pop()
        self.rings[ring] = rate.blank(1)[0]
        return ring

    def _release_ring(self, number: int) -> None:
        ring = int(self.settings["ring"][number])
        if ring >= 0:
            self._free_rings.append(ring)
            self.settings["ring"][number] = -1

    def reindex(self) -> None:
        """Rebuild what `step` and `tick` look up, if rows changed."""
        if not self.stale:
            return
        targets: list[list[int]] = [[] for _ in self.channels]
        self.entity_of = np.full(len(self.channels), -1, dtype=np.int64)
        for (exercise, device, point), number in self.channels.items():
            entity = self.entities.get((exercise, device))
            if entity is None:
                continue
            self.entity_of[number] = entity.index
            for slot_number in entity.slots.values():
                slot = self.slots[slot_number]
                if slot is not None and slot.rule.point == point:
                    targets[number].append(slot_number)
        lengths = np.array([len(each) for each in targets], dtype=np.int64)
        self.start = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths)))
        self.target = np.array([number for each in targets for number in each], dtype=np.int64)
        self.silent_slot = np.full(len(self.by_index), -1, dtype=np.int64)
        self.entity_of_slot = np.full(len(self.state), -1, dtype=np.int64)
        self.after_ms = np.full((len(self.state), condition.LEVELS), NEVER, dtype=np.int64)
        self.grace_ms = np.zeros(len(self.state), dtype=np.int64)
        for number, slot in enumerate(self.slots):
            if slot is None:
                continue
            self.entity_of_slot[number] = slot.entity
            if slot.rule.kind == "silence":
                self.silent_slot[slot.entity] = number
                self.grace_ms[number] = round(slot.rule.grace_s * 1000)
                for each, after in slot.rule.after_s.items():
                    self.after_ms[number, each.rank - 1] = round(after * 1000)
        watch: dict[str, list[int]] = {}
        for (exercise, device), entity in self.entities.items():
            watch.setdefault(exercise or self.devices[device].timeline, []).append(entity.index)
        self.watch = {name: np.array(indices, dtype=np.int64) for name, indices in watch.items()}
        self.stale = False
