"""State rows out: what the edge's journal keeps, so that a restart goes on where it was (`rules.adopt` reads them).

A row that is idle (nothing on, nothing held: only its newest time moves, and a clear hold of nothing) is written no
oftener than once in a while: at 500 readings a second that is the difference between megabytes and gigabytes a day on
a flash card, and without it a reading costs twenty times as much for the clear hold after each start. What is lost with
it after a crash is at most that much of times that decide no alarm.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rules import condition
from rules.condition import HELD, NEVER, State
from rules.keys import quality_key, row_key
from rules.scan import Bools, Ints, cut, some
from rules.slots import Sort
from rules.table import Table

FORMAT = 1
QUALITY_SETTLES = 10
"""What the quality tests remember is written so much more seldom: after a crash a few readings teach it again."""
CHECK = np.dtype([("format", "u1"), ("rule", "u4"), ("hazard", "S16")])
HEAD = np.dtype([("format", "u1"), ("seen", "i8")])


def collect(table: Table, settle_ms: int) -> dict[str, bytes]:
    """Rows touched since the last call and worth writing."""
    out: dict[str, bytes] = {}
    numbers = table.touched.nonzero()[0]
    table.touched[numbers] = False
    if len(numbers):
        saved, newest = table.saved[numbers], table.state.newest[numbers]
        opened = table.state.opened[numbers]
        quiet = _is_idle(table.state, numbers)
        moved = newest - np.where(saved["newest"] == NEVER, NEVER // 2, saved["newest"])
        keep = ~quiet | ~saved["quiet"] | (opened != saved["opened"]) | (moved >= settle_ms)
        chosen = numbers[keep]
        records = cut(_records(table.state, chosen)) if len(chosen) else []
        for sort, places in table.slots.grouped(chosen):
            mine = chosen[places]
            rows = pack(table, sort, mine, [records[place] for place in places.tolist()])
            for index, row in zip(table.slots.owner[mine].tolist(), rows, strict=True):
                entity = table.by_index[index]
                if entity is not None:
                    out[row_key(entity.exercise, entity.device, sort.rule.id)] = row
        table.saved["quiet"][chosen] = quiet[keep]
        table.saved["newest"][chosen] = newest[keep]
        table.saved["opened"][chosen] = opened[keep]
    out.update(_collect_quality(table, settle_ms * QUALITY_SETTLES))
    indices = table.touched_seen.nonzero()[0]
    table.touched_seen[indices] = False
    saved_seen = np.where(table.saved_seen[indices] == NEVER, NEVER // 2, table.saved_seen[indices])
    indices = indices[table.seen[indices] - saved_seen >= settle_ms]
    if len(indices):
        heads = np.zeros(len(indices), dtype=HEAD)
        heads["format"], heads["seen"] = FORMAT, table.seen[indices]
        for index, head in zip(indices.tolist(), cut(heads), strict=True):
            entity = table.by_index[index]
            if entity is not None:
                out[row_key(entity.exercise, entity.device)] = head
        table.saved_seen[indices] = table.seen[indices]
    return out


def _is_idle(state: State, slots: Ints) -> Bools:
    """Where no level is on or held: what still moves decides no alarm."""
    idle: Bools = ~((np.take(state.bits, slots, axis=1) & HELD) != 0).any(axis=0)
    idle &= (state.rank[slots] == 0) & (state.newest[slots] != NEVER)
    late = state.late_row[slots]
    if some(late >= 0):
        idle &= (late < 0) | ~((state.late.bits[:, late] & HELD) != 0).any(axis=0)
    return idle


def _records(state: State, slots: Ints) -> npt.NDArray[Any]:
    """`State.record` of many slots, all at once."""
    rows = np.zeros(len(slots), dtype=condition.RECORD)
    for name in ("newest", "judged", "opened", "closed", "used", "rank", "highest", "suspect"):
        rows[name] = getattr(state, name)[slots]
    for name in condition.HOLDS:
        rows[name] = getattr(state.holds, name)[:, state.hold_row[slots]].T
    bits, run_ms = state.bits[:, slots].T, state.run_ms[:, slots].T
    for name, bit in condition.BITS.items():
        rows[name] = (bits & bit) != 0
    rows["held_ms"], rows["clear_ms"] = run_ms * rows["held"], run_ms * rows["clearing"]
    rows["late_at"] = NEVER
    for index in np.flatnonzero(state.late_row[slots] >= 0).tolist():  # few ever hear late
        rows[index : index + 1] = state.record(int(slots[index]))
    return rows


def _collect_quality(table: Table, settle_ms: int) -> dict[str, bytes]:
    memory = table.memory
    rows = memory.touched.nonzero()[0]
    newest, saved = memory.rows["newest"][rows], memory.saved[rows]
    rows = rows[(saved == NEVER) | (newest - saved >= settle_ms)]
    memory.touched[rows] = False
    memory.saved[rows] = memory.rows["newest"][rows]
    if not len(rows):
        return {}
    out: dict[str, bytes] = {}
    kinds = memory.kind[rows]
    for kind in np.unique(kinds).tolist():
        mine = rows[kinds == kind]
        for row, packed in zip(mine.tolist(), memory.pack_many(mine), strict=True):
            out[quality_key(*table.channels.whose(memory.channel_of[row]))] = packed
    return out


def pack(table: Table, sort: Sort, numbers: Ints, records: list[bytes]) -> list[bytes]:
    """State rows of slots of one rule: their records, with their rings of kept readings if the rule has such."""
    head = np.array((FORMAT, sort.check, sort.rule.hazard.encode()), dtype=CHECK).tobytes()
    rows = [head + record for record in records]
    store = int(table.store[numbers[0]])
    if store >= 0:
        lines = table.line[numbers].astype(np.int64)
        more = table.stores[store].pack_many(lines, sort.rule, sort.learnt)
        rows = [row + each for row, each in zip(rows, more, strict=True)]
    rings = table.ring[numbers]
    if rings[0] >= 0:
        more = cut(table.rings.pack_many(rings.astype(np.int64), round(sort.rule.window_s * 1000)))
        rows = [row + each for row, each in zip(rows, more, strict=True)]
    return rows
