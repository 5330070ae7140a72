"""Which readings of a batch are judged, by which slots, and where what these need lies in the arrays."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from rules import kind_step
from rules.columns import Columns
from rules.kind_step import Place
from rules.scan import Bools, Floats, Ints, every, some

if TYPE_CHECKING:
    from rules.table import Table


class Aim(NamedTuple):
    """Rows to be judged: those of a store together, in it those of a slot in order of arrival. Not to be written to."""

    row: Ints  # index of the reading in the batch
    slot: Ints
    alone: bool  # no slot stands twice
    kind: Ints  # entry of the settings
    sign: Floats  # of the settings, as scale and shift
    scale: Floats
    shift: Floats
    places: list[Place]  # by store


def take(table: "Table", columns: Columns, index: Ints, channel: npt.NDArray[np.int32]) -> Aim:
    """Find the rows of a batch; where all of it is judged as ever, from what was found the last time.

    Args:
        table: rules that look at few readings remember what they have looked at.
        columns: the batch.
        index: readings of known channels.
        channel: theirs.
    """
    finite = np.isfinite(columns.value)
    usual = every(finite)
    rare = None
    if table.rare is not None:
        rare = table.rare.due(columns, index, channel, table.state.newest)
        if not len(rare[0]):
            rare = None
    if not usual or rare is not None or len(index) != len(columns.ts):
        return _found(table, index, channel, None if usual else finite[index], rare)
    found = table.aims.get(channel)
    return table.aims.keep(channel, _found(table, index, channel, None, None)) if found is None else found


def _found(
    table: "Table",
    index: Ints,
    channel: npt.NDArray[np.int32],
    finite: Bools | None,
    rare: tuple[Ints, Ints] | None,
) -> Aim:
    number = table.number[channel]
    if finite is not None:
        number = np.where(finite, number, 0)
    rows, slots = [index[:0]], [index[:0]]
    for place in range(int(number.max())):
        where = (number > place).nonzero()[0]
        whole = len(where) == len(index)
        rows.append(index if whole else index[where])
        slots.append(table.target[table.start[channel if whole else channel[where]] + place])
    if rare is not None:
        rows.append(rare[0])
        slots.append(rare[1])
    row, slot = np.concatenate(rows), np.concatenate(slots)
    alone = table.alone(slot)
    store = table.store[slot]
    if not alone:
        order = np.argsort(store * np.int64(len(table.slots)) + slot, kind="stable")
        row, slot = row[order], slot[order]
    elif some(store[1:] < store[:-1]):
        order = np.argsort(store, kind="stable")  # short numbers: by radix
        row, slot = row[order], slot[order]
    settings, kind = table.settings, table.kind[slot].astype(np.int64)
    aim = Aim(
        row, slot, alone, kind, settings.sign[kind], settings.scale[kind], settings.shift[kind],
        kind_step.places(table, slot),
    )  # fmt: skip
    for array in aim:
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return aim
