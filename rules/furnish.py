"""Slots for many new entities at once: devices that share their rules are laid into the arrays together."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rules.scan import Ints
from rules.slots import Run
from rules.table import DeviceRules, Entity, Table

New = tuple[Entity, DeviceRules]


def furnish(table: Table, new: Iterable[New]) -> None:
    """Give entities that have no slots yet those of their device's rules."""
    groups: dict[Any, list[New]] = {}
    for entity, device in new:
        groups.setdefault(_alike(device), []).append((entity, device))
    for group in groups.values():
        _furnish(table, [entity for entity, _ in group], [device for _, device in group])
    table.stale = True


def _alike(device: DeviceRules) -> Any:
    """The same for devices that differ in nothing but their name and place."""
    return (
        id(device.rules), id(device.quality), device.points, tuple(sorted(device.parameters.items())),
        tuple(device.valid.items()),
    )  # fmt: skip


def _furnish(table: Table, entities: Sequence[Entity], devices: Sequence[DeviceRules]) -> None:
    like = devices[0]
    count, rules = len(entities), list(like.rules.values())
    index = np.array([entity.index for entity in entities], dtype=np.int64)
    channels = _channels(table, entities, like)
    numbers = table.allot(count * len(rules)).reshape(len(rules), count).T  # those of one rule in a row
    _name(entities, tuple(like.rules), numbers)
    for place, rule in enumerate(rules):
        ready = table.prepare(rule, like.parameters)
        slots = numbers[:, place]
        table.slots.put(slots, index, ready.sort)
        if ready.fitting is not None:
            store = table.kind_store(rule.kind)
            table.store[slots] = store.number
            table.line[slots] = store.admit_many(slots, index, rule, ready.fitting)
        else:
            table.store[slots] = -1
        table.kind[slots] = ready.kind
        table.settings.hold(ready.kind, count)
        table.calm.quiet[slots] = False
        judged = rule.point is not None and rule.point in like.points
        table.channel_of[slots] = channels[:, like.points.index(rule.point)] if judged and rule.point else -1
        for device in devices if ready.why is not None or table.blind else ():
            table.blind.pop((device.device, rule.id), None)
            if ready.why is not None:
                table.blind[(device.device, rule.id)] = ready.why
        if rule.kind == "rate":
            table.ring[slots] = [table.rings.allot() for _ in range(count)]
        else:
            table.ring[slots] = -1
    for place, point in enumerate(like.points):
        limits = like.quality.get(point)
        if limits is not None:
            table.memory.admit_many(channels[:, place], limits)


def _channels(table: Table, entities: Sequence[Entity], like: DeviceRules) -> Ints:
    """The channels of all points, a row for each entity."""
    known = table.channels
    rows: list[Sequence[int]] = []
    for entity in entities:
        if known.has(entity.exercise, entity.device):
            of = [(entity.exercise, entity.device, point) for point in like.points]
            rows.append([number if (number := known.get(name)) is not None else known.add(name) for name in of])
        else:
            first = known.lay(entity.exercise, entity.device, like.points)
            rows.append(range(first, first + len(like.points)))
    found = np.array(rows, dtype=np.int64).reshape(len(entities), len(like.points))
    table.range_of(found, like, like.points)
    table.entity_at[found] = np.array([entity.index for entity in entities])[:, None]
    return found


def _name(entities: Sequence[Entity], names: tuple[str, ...], numbers: Ints) -> None:
    """Tell entities their slots."""
    apart = len(entities)
    inside = names and (np.diff(numbers, axis=1) == apart).all()
    for entity, own in zip(entities, numbers.tolist(), strict=True):
        entity.slots = Run(names, own[0], apart) if inside else dict(zip(names, own, strict=True))
