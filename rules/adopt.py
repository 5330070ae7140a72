"""State rows that a journal kept, taken in again: those of one rule all at once, whatever the number of devices.

Rows of equal length are laid under one another as bytes and read by columns. What `rules.export` writes is documented
there.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rules import condition, rate
from rules.columns import Change
from rules.export import CHECK, FORMAT, HEAD
from rules.keys import quality_key, row_key
from rules.scan import Bools, Ints
from rules.slots import Sort
from rules.table import Entity, Table
from wire.alert import Hazard, Verb

Raw = npt.NDArray[np.uint8]
"""Rows of equal length, as bytes."""


def adopt(table: Table, entities: Sequence[Entity], rows: dict[str, bytes]) -> list[str]:
    """Take the rows of entities out of `rows`; the keys of those that could not be read."""
    if not rows:
        return []
    unreadable = _heads(table, entities, rows)
    unreadable += _quality(table, entities, rows)
    slots: list[int] = []
    keys: list[str] = []
    kept: list[bytes] = []
    for entity in entities:
        start = row_key(entity.exercise, entity.device)
        for rule_id, number in entity.slots.items():
            row = rows.pop(start + rule_id, None)
            if row is not None:
                slots.append(number)
                keys.append(start + rule_id)
                kept.append(row)
    numbers = np.array(slots, dtype=np.int64)
    for sort, mine in table.slots.grouped(numbers):
        for where, raw in _alike([kept[place] for place in mine.tolist()]):
            read = _rows(table, sort, numbers[mine[where]], raw)
            unreadable += [keys[place] for place in mine[where][~read].tolist()]
    return unreadable


def _alike(rows: Sequence[bytes]) -> Iterator[tuple[Ints, Raw]]:
    """Rows of equal length: which they are, and their bytes."""
    length = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    for each in np.unique(length).tolist():
        where = np.flatnonzero(length == each)
        chosen = rows if len(where) == len(rows) else [rows[place] for place in where.tolist()]
        yield where, np.frombuffer(b"".join(chosen), dtype=np.uint8).reshape(len(where), each)


def _heads(table: Table, entities: Sequence[Entity], rows: dict[str, bytes]) -> list[str]:
    """When devices were heard last."""
    unreadable = []
    index: list[int] = []
    found: list[bytes] = []
    for entity in entities:
        key = row_key(entity.exercise, entity.device)
        head = rows.pop(key, None)
        if head is None:
            continue
        if len(head) == HEAD.itemsize and head[0] == FORMAT:
            index.append(entity.index)
            found.append(head)
        else:
            unreadable.append(key)
    seen = np.frombuffer(b"".join(found), dtype=HEAD)["seen"]
    table.seen[index] = np.maximum(table.seen[index], seen)
    table.saved_seen[index] = seen
    return unreadable


def _quality(table: Table, entities: Sequence[Entity], rows: dict[str, bytes]) -> list[str]:
    """What the quality tests remember."""
    memory = table.memory
    unreadable = []
    places: list[int] = []
    keys: list[str] = []
    found: list[bytes] = []
    for entity in entities:
        device = table.devices.get(entity.device)
        for point in device.quality if device is not None else ():
            key = quality_key(entity.exercise, entity.device, point)
            packed = rows.pop(key, None)
            if packed is None:
                continue
            channel = table.channels.get((entity.exercise, entity.device, point))
            row = int(memory.of_channel[channel]) if channel is not None else -1
            if row >= 0:
                places.append(row)
                keys.append(key)
                found.append(packed)
    at = np.array(places, dtype=np.int64)
    for kind in np.unique(memory.kind[at]).tolist():
        mine = np.flatnonzero(memory.kind[at] == kind)
        for where, raw in _alike([found[place] for place in mine.tolist()]):
            read = memory.unpack_many(at[mine[where]], raw)
            unreadable += [] if read else [keys[place] for place in mine[where].tolist()]
    return unreadable


def _rows(table: Table, sort: Sort, slots: Ints, raw: Raw) -> Bools:
    """Take rows of one rule; of another rule than the slots' only the episode. Which of them could be read."""
    size = CHECK.itemsize + condition.RECORD.itemsize
    if raw.shape[1] < size:
        return np.zeros(len(slots), dtype=np.bool_)
    head = raw[:, : CHECK.itemsize].copy().view(CHECK)[:, 0]
    records = raw[:, CHECK.itemsize : size].copy().view(condition.RECORD)[:, 0]
    read: Bools = head["format"] == FORMAT
    number = int(table.store[slots[0]])
    if number >= 0 and read.any():
        lines = table.line[slots[read]].astype(np.int64)
        read[read] = table.stores[number].unpack_many(lines, sort.rule, sort.learnt, raw[read, size:])
    same = head["rule"] == sort.check
    for place in np.flatnonzero(read & ~same).tolist():
        table.keep_episode(int(slots[place]), records[place])
    mine = np.flatnonzero(read & same)
    table.state.take_many(slots[mine], records[mine])
    table.calm.quiet[slots[mine]] = False
    rings = table.ring[slots[mine]].astype(np.int64)
    if len(mine) and rings[0] >= 0 and raw.shape[1] - size == rate.RING.itemsize:
        packed = raw[mine, size:].copy().view(rate.RING)[:, 0]
        table.rings.unpack_many(rings, round(sort.rule.window_s * 1000), packed)
    return read


def orphan(key: str, row: bytes) -> list[Change]:
    """The `cleared` of a restored row that no rule stands behind; empty where no alarm was on."""
    size = CHECK.itemsize + condition.RECORD.itemsize
    exercise, device, rule = key.split("/", 2)
    if not rule or rule.startswith(":") or len(row) < size or row[0] != FORMAT:
        return []
    state = np.frombuffer(row[CHECK.itemsize : size], dtype=condition.RECORD)[0]
    if not state["rank"]:
        return []
    head = np.frombuffer(row[: CHECK.itemsize], dtype=CHECK)[0]
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
    parts = (key.split("/", 2) for key in rows if not key.startswith("/"))
    return {(part[0], part[1]) for part in parts if len(part) == 3}
