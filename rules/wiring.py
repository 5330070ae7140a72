"""Which channel feeds whom beside what it is judged for: inputs of rule kinds, links of the quality tests."""

from typing import TYPE_CHECKING

from rules.beside import Pairs
from rules.link import Net
from rules.rule import Rule

if TYPE_CHECKING:
    from rules.table import Table


def pair(table: "Table") -> None:
    """Find the channels that rules look at beside what they judge; rules that look at what is not known say so.

    An input of another device is taken of the same exercise, and of reality where that device has no rows in it.
    """
    pairs: list[tuple[int, int, int, int]] = []
    table.unlinked.clear()
    for store in table.stores:
        store.blind[:] = store.unfit
    for sort, numbers in table.slots.by_sort():
        if len(sort.rule.inputs) > 1:
            for number in numbers[table.store[numbers] >= 0].tolist():
                _pairs_of(table, number, sort.rule, pairs)
    table.pairs = Pairs(len(table.channels), pairs) if pairs else None


def _pairs_of(table: "Table", number: int, rule: Rule, pairs: list[tuple[int, int, int, int]]) -> None:
    entity = table.by_index[table.slots.owner[number]]
    if entity is None:
        return
    store, line = table.stores[table.store[number]], int(table.line[number])
    for each in rule.inputs[1:]:
        device, point = rule.sources[each.name]
        if device is not None and point not in getattr(table.devices.get(device), "points", ()):
            what = f"point {point} of device {device}" if device in table.devices else f"device {device}"
            so = "; judged without it" if each.optional else ""
            why = f"rule {rule.id}: input {each.name}: {what} is not known here{so}"
            table.unlinked[(entity.device, rule.id)] = why
            store.blind[line] |= not each.optional
            continue
        other = device or entity.device
        exercise = entity.exercise if (entity.exercise, other) in table.entities else None
        channel = table.channels.get((exercise, other, point))
        if channel is not None:
            pairs.append((channel, store.number, line, store.names.index(each.name)))


def link(table: "Table") -> None:
    """Find the points that links look at; those of devices that are not known are passed over."""
    memory = table.memory
    table.net = None
    if not memory.link_of:
        return
    other: dict[int, int] = {}
    for number, (row, place) in memory.link_of.items():
        exercise, device, _ = table.channels.whose(memory.channel_of[row])
        text = memory.kinds.limits[int(memory.kind[row])].links[place]
        channel = table.channels.get((exercise, text.device or device, text.point))
        if channel is not None and channel < len(memory.of_channel) and memory.of_channel[channel] >= 0:
            other[number] = int(memory.of_channel[channel])
    table.net = Net(memory, other)
