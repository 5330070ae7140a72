"""State rows in and out: what the edge's journal keeps, so that a restart goes on where it was.

A row that is idle (nothing on, nothing held: only its newest time moves, and a clear hold of nothing) is written no
oftener than once in a while: at 500 readings a second that is the difference between megabytes and gigabytes a day on
a flash card, and without it a reading costs twenty times as much for the clear hold after each start. What is lost with
it after a crash is at most that much of times that decide no alarm.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import condition, rate
from rules.columns import Change
from rules.condition import HELD, NEVER, State
from rules.scan import Bools, Ints, some
from rules.table import Entity, Slot, Table, quality_key, row_key
from wire.alert import Hazard, Verb

FORMAT = 1
QUALITY_SETTLES = 10
"""What the quality tests remember is written so much more seldom: after a crash a few readings teach it again."""
_CHECK = np.dtype([("format", "u1"), ("rule", "u4"), ("hazard", "S16")])
_HEAD = np.dtype([("format", "u1"), ("seen", "i8")])


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
        for number, record in zip(chosen.tolist(), _records(table.state, chosen), strict=True):
            slot = table.slots[number]
            entity = table.by_index[slot.entity] if slot is not None else None
            if slot is not None and entity is not None:
                out[row_key(entity.exercise, entity.device, slot.rule.id)] = pack(table, number, slot, record)
        table.saved["quiet"][chosen] = quiet[keep]
        table.saved["newest"][chosen] = newest[keep]
        table.saved["opened"][chosen] = opened[keep]
    out.update(_collect_quality(table, settle_ms * QUALITY_SETTLES))
    indices = table.touched_seen.nonzero()[0]
    table.touched_seen[indices] = False
    saved_seen = np.where(table.saved_seen[indices] == NEVER, NEVER // 2, table.saved_seen[indices])
    for index in indices[table.seen[indices] - saved_seen >= settle_ms].tolist():
        entity = table.by_index[index]
        if entity is not None:
            head = np.array((FORMAT, table.seen[index]), dtype=_HEAD)
            out[row_key(entity.exercise, entity.device)] = head.tobytes()
            table.saved_seen[index] = table.seen[index]
    return out


def _is_idle(state: State, slots: Ints) -> Bools:
    """Where no level is on or held: what still moves decides no alarm."""
    idle: Bools = ~((np.take(state.bits, slots, axis=1) & HELD) != 0).any(axis=0)
    idle &= (state.rank[slots] == 0) & (state.newest[slots] != NEVER)
    late = state.late_row[slots]
    if some(late >= 0):
        idle &= (late < 0) | ~((state.late.bits[:, late] & HELD) != 0).any(axis=0)
    return idle


def _records(state: State, slots: Ints) -> list[npt.NDArray[Any]]:
    """`State.record` of many slots, all at once."""
    rows = np.zeros(len(slots), dtype=condition.RECORD)
    for name in ("newest", "judged", "opened", "closed", "used", "rank", "highest", "suspect"):
        rows[name] = getattr(state, name)[slots]
    for name in ("since", "samples"):
        rows[name] = getattr(state, name)[:, slots].T
    bits, run_ms = state.bits[:, slots].T, state.run_ms[:, slots].T
    for name, bit in condition.BITS.items():
        rows[name] = (bits & bit) != 0
    rows["held_ms"], rows["clear_ms"] = run_ms * rows["held"], run_ms * rows["clearing"]
    rows["late_at"] = NEVER
    for index in np.flatnonzero(state.late_row[slots] >= 0).tolist():  # few ever hear late
        rows[index : index + 1] = state.record(int(slots[index]))
    return [rows[index : index + 1] for index in range(len(rows))]


def _collect_quality(table: Table, settle_ms: int) -> dict[str, bytes]:
    memory = table.memory
    rows = memory.touched.nonzero()[0]
    newest, saved = memory.rows["newest"][rows], memory.saved[rows]
    rows = rows[(saved == NEVER) | (newest - saved >= settle_ms)]
    memory.touched[rows] = False
    memory.saved[rows] = memory.rows["newest"][rows]
    if not len(rows):
        return {}
    whose = table.whose()
    return {quality_key(*whose[memory.channel_of[row]]): memory.pack(row) for row in rows.tolist()}


def pack(table: Table, number: int, slot: Slot, record: npt.NDArray[Any] | None = None) -> bytes:
    """One state row (`record`, if it is at hand), with its ring of kept readings if the rule has one."""
    head = np.array((FORMAT, slot.check, slot.rule.hazard.encode()), dtype=_CHECK)
    row: bytes = head.tobytes() + (table.state.record(number) if record is None else record).tobytes()
    ring = int(table.ring[number])
    if table.store[number] >= 0:
        row += table.stores[table.store[number]].pack(int(table.line[number]), slot.rule, slot.learnt)
    return row + table.rings.pack(ring, round(slot.rule.window_s * 1000)) if ring >= 0 else row


def unpack(table: Table, number: int, slot: Slot, row: bytes) -> bool:
    """Take a row that `pack` gave; of another rule than the slot's only the episode. False: not readable."""
    size = _CHECK.itemsize + condition.RECORD.itemsize
    if len(row) < size:
        return False
    head = np.frombuffer(row[: _CHECK.itemsize], dtype=_CHECK)[0]
    if head["format"] != FORMAT:
        return False
    state = np.frombuffer(row[_CHECK.itemsize : size], dtype=condition.RECORD)[0]
    if table.store[number] >= 0:
        try:
            table.stores[table.store[number]].unpack(int(table.line[number]), slot.rule, slot.learnt, row[size:])
        except (IndexError, ValueError):
            return False
    if head["rule"] != slot.check:
        table.keep_episode(number, state)
        return True
    table.state.take(number, state)
    table.calm.quiet[number] = False
    ring = int(table.ring[number])
    if ring >= 0 and len(row) - size == rate.RING.itemsize:
        table.rings.unpack(ring, round(slot.rule.window_s * 1000), row[size:])
    return True


def adopt(table: Table, entity: Entity, rows: dict[str, bytes]) -> list[str]:
    """Take the rows of an entity out of `rows`; the keys of those that could not be read."""
    unreadable: list[str] = []
    if not rows:
        return unreadable
    key = row_key(entity.exercise, entity.device)
    head = rows.pop(key, None)
    if head is not None:
        if len(head) == _HEAD.itemsize and head[0] == FORMAT:
            seen = int(np.frombuffer(head, dtype=_HEAD)[0]["seen"])
            table.seen[entity.index] = max(int(table.seen[entity.index]), seen)
            table.saved_seen[entity.index] = seen
        else:
            unreadable.append(key)
    device = table.devices.get(entity.device)
    for point in device.quality if device is not None else ():
        key = quality_key(entity.exercise, entity.device, point)
        packed = rows.pop(key, None)
        channel = table.channels.get((entity.exercise, entity.device, point))
        if packed is not None and channel is not None:
            row = int(table.memory.of_channel[channel])
            if row >= 0 and not table.memory.unpack(row, packed):
                unreadable.append(key)
    for rule_id, number in entity.slots.items():
        key = row_key(entity.exercise, entity.device, rule_id)
        kept, slot = rows.pop(key, None), table.slots[number]
        if kept is not None and slot is not None and not unpack(table, number, slot, kept):
            unreadable.append(key)
    return unreadable


def orphan(key: str, row: bytes) -> list[Change]:
    """The `cleared` of a restored row that no rule stands behind; empty where no alarm was on."""
    size = _CHECK.itemsize + condition.RECORD.itemsize
    exercise, device, rule = key.split("/", 2)
    if not rule or rule.startswith(":") or len(row) < size or row[0] != FORMAT:
        return []
    state = np.frombuffer(row[_CHECK.itemsize : size], dtype=condition.RECORD)[0]
    if not state["rank"]:
        return []
    head = np.frombuffer(row[: _CHECK.itemsize], dtype=_CHECK)[0]
    return [
        Change(
            device=device,
            exercise=exercise or None,
            rule=rule,
            hazard=Hazard(bytes(head["hazard"]).decode()),
            verb=Verb.CLEARED,
            level=None,
            at=max(int(state["newest"]), int(state["opened"])),
            opened_at=int(state["opened"]),
            evidence={"because": "the rule was taken away"},
        )
    ]


def exercises(rows: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """(exercise, device) pairs that rows belong to."""
    parts = (key.split("/", 2) for key in rows)
    return {(part[0], part[1]) for part in parts if len(part) == 3 and part[0]}
