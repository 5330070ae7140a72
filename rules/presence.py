"""Signs of life: who was heard last when, and the silences that end with it."""

import numpy as np

from rules.columns import Change
from rules.episode import Turn
from rules.scan import Ints, every
from rules.table import Table
from rules.telling import tell
from rules.watch import Watch
from wire.alert import Verb


def heard(table: Table, watch: Watch, entity: Ints, arrival: Ints, index: Ints) -> list[Change]:
    """Readings came; `entity` is -1 where nobody is known. The ends of silences, by index of the reading."""
    live = entity >= 0
    if not every(live):
        entity, index, arrival = entity[live], index[live], arrival[live]
    np.maximum.at(table.seen, entity, arrival)
    table.touched_seen[entity] = table.heard[entity] = True
    if not len(table.state):
        return []
    slots = table.silent_slot[entity]
    waiting = ((table.state.rank[slots] > 0) | (table.state.used[slots] > 0)) & (slots >= 0)
    changes = []
    for where in waiting.nonzero()[0].tolist():
        number = int(slots[where])
        state = table.state[number]
        if table.slots[number] is None or not (state["rank"] or state["used"]):
            continue
        state["used"] = 0
        watch.heard(number)
        table.touched[number] = True
        if state["rank"]:
            at = max(int(arrival[where]), int(state["opened"]))
            state["rank"], state["closed"] = 0, at
            evidence = {"silent_s": (at - int(state["opened"])) / 1000}
            changes.append(tell(table, number, Turn(Verb.CLEARED, 0), at, int(index[where]), evidence))
    return changes
