"""What `step` and `tick` look up, built anew from a table whose rows changed; numpy over all slots."""

from typing import TYPE_CHECKING

import numpy as np

from rules import condition, event, wiring
from rules.condition import NEVER
from rules.kinds import KINDS
from rules.rare import Rare
from rules.scan import Ints

if TYPE_CHECKING:
    from rules.table import Table


def build(table: "Table") -> None:
    """Everything; the table's arrays are right before."""
    _aim(table)
    table.outlines.clear()
    table.said.clear()
    entities = len(table.by_index)
    table.silent_slot = np.full(entities, -1, dtype=np.int64)
    table.after_ms = np.full((entities, condition.LEVELS), NEVER, dtype=np.int64)
    table.grace_ms = np.zeros(entities, dtype=np.int64)
    count = len(table.slots)
    table.entity_of_slot = np.full(len(table.state), -1, dtype=np.int32)
    used = table.slots.sort[:count] >= 0
    table.entity_of_slot[:count][used] = table.slots.owner[:count][used]
    events: list[Ints] = []
    ends: list[Ints] = []
    for sort, numbers in table.slots.by_sort():
        rule = sort.rule
        if rule.kind == event.KIND:
            after = rule.options.ends_after_s
            events.append(numbers)
            ends.append(np.full(len(numbers), NEVER if after is None else round(after * 1000), dtype=np.int64))
        if rule.kind == "silence":
            owner = table.slots.owner[numbers]
            table.silent_slot[owner] = numbers
            table.grace_ms[owner] = round(rule.grace_s * 1000)
            for each, after_s in rule.after_s.items():
                table.after_ms[owner, each.rank - 1] = round(after_s * 1000)
    nothing = np.zeros(0, dtype=np.int64)
    found, until = np.concatenate([nothing, *events]), np.concatenate([nothing, *ends])
    order = np.argsort(found)
    table.event_slot, table.ends_ms = found[order], until[order]
    watch: dict[str, list[int]] = {}
    for (exercise, device), entity in table.entities.items():
        watch.setdefault(exercise or table.devices[device].timeline, []).append(entity.index)
    table.watch = {name: np.array(indices, dtype=np.int64) for name, indices in watch.items()}
    wiring.link(table)
    wiring.pair(table)


def _aim(table: "Table") -> None:
    """Which slots judge a channel, and whose it is."""
    channels = len(table.channels)
    if table.dropped:
        table.entity_at[np.isin(table.entity_at, list(table.dropped))] = -1
        table.dropped.clear()
    table.entity_of = table.entity_at[:channels]
    kept: list[Ints] = [np.zeros(0, dtype=np.int64)]
    rare: list[tuple[int, int, int]] = []
    for sort, numbers in table.slots.by_sort():
        judges = numbers[table.channel_of[numbers] >= 0]
        every_s = getattr(KINDS.get(sort.rule.kind), "EVERY_S", 0)
        if every_s:
            whose = table.channel_of[judges].tolist()
            rare += [(channel, slot, every_s * 1000) for channel, slot in zip(whose, judges.tolist(), strict=True)]
        else:
            kept.append(judges)
    rare.sort()
    table.rare = Rare(channels, rare) if rare else None
    slots = np.sort(np.concatenate(kept))
    channel = table.channel_of[slots]
    lengths = np.bincount(channel, minlength=channels).astype(np.int64)
    table.start = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths))).astype(np.int32)
    table.number = lengths.astype(np.int32)
    table.target = slots[np.argsort(channel, kind="stable")].astype(np.int32)
