"""Signs of life: who was heard last when, and the silences that end with it."""

from typing import TYPE_CHECKING

import numpy as np

from rules.columns import Change
from rules.episode import Turn
from rules.pick import Pick
from rules.scan import Ints, every, some
from rules.telling import tell
from rules.watch import Watch
from wire.alert import Verb

if TYPE_CHECKING:
    from rules.table import Table


class Signs:
    """Whom some messages are from, and which slots wait for such a sign."""

    def __init__(self, table: "Table", entity: Ints, *, keep: bool = False) -> None:
        """`entity` is -1 where nobody is known. `keep`: these signs will be read again and again."""
        live = entity >= 0
        self.live: Ints | None = None if every(live) else live.nonzero()[0]
        """Messages of somebody; None: all."""
        if self.live is not None:
            entity = entity[self.live]
        self.entity = Pick(entity.copy()) if keep else entity
        self.alone = keep and (len(entity) == 1 or table.alone(entity, len(table.by_index)))
        """Nobody stands twice."""
        slots = table.silent_slot[entity]
        self.where = (slots >= 0).nonzero()[0]
        """Messages of devices whose silence is watched."""
        slots = slots[self.where]
        self.slots = Pick(slots) if keep else slots


def heard(table: "Table", watch: Watch, signs: Signs, arrival: Ints, index: Ints) -> list[Change]:
    """Messages came; the ends of silences, by index of the reading.

    Args:
        table: moves on.
        watch: likewise.
        signs: whom they are from.
        arrival: of each.
        index: the first reading of each.
    """
    if signs.live is not None:
        index, arrival = index[signs.live], arrival[signs.live]
    entity, slots, state = signs.entity, signs.slots, table.state
    if isinstance(entity, Pick):
        if signs.alone:
            entity.put(table.seen, np.maximum(entity.of(table.seen), arrival))
        else:
            np.maximum.at(table.seen, entity.numbers, arrival)
        entity.put(table.touched_seen, True)
        entity.put(table.heard, True)
    else:
        np.maximum.at(table.seen, entity, arrival)
        table.touched_seen[entity] = table.heard[entity] = True
    if not len(state) or not len(signs.where):
        return []
    if isinstance(slots, Pick):
        waiting = (slots.of(state.rank) > 0) | (slots.of(state.used) > 0)
        slots = slots.numbers
    else:
        waiting = (state.rank[slots] > 0) | (state.used[slots] > 0)
    if not some(waiting):
        return []
    changes = []
    for nth in waiting.nonzero()[0].tolist():
        number, where = int(slots[nth]), int(signs.where[nth])
        row = state[number]
        if table.slots[number] is None or not (row["rank"] or row["used"]):
            continue
        row["used"] = 0
        watch.heard(number)
        table.touched[number] = True
        if row["rank"]:
            at = max(int(arrival[where]), int(row["opened"]))
            row["rank"], row["closed"] = 0, at
            evidence = {"silent_s": (at - int(row["opened"])) / 1000}
            changes.append(tell(table, number, Turn(Verb.CLEARED, 0), at, int(index[where]), evidence))
    return changes
