"""Which readings of a batch are judged, by which slots, and where what these need lies in the arrays."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rules import kind_step, level
from rules.columns import Columns
from rules.kind_step import Place
from rules.outline import Outline
from rules.pick import FEW, Pick
from rules.scan import Bools, Floats, Ints, every, some

if TYPE_CHECKING:
    from rules.table import Table


@dataclass(slots=True)
class Aim:
    """Rows to be judged: those of a store together, in it those of a slot in order of arrival. Not to be written to."""

    row: Pick  # index of the reading in the batch
    slot: Pick
    alone: bool  # no slot stands twice
    kind: Ints  # entry of the settings
    said: "Said"
    places: list[Place]  # by store
    feeding: Any = None  # what `rules.together` found for these rows

    def signal(self, value: Floats) -> Floats:
        """The judged signal, always 'above' (`level.signal`), of the readings of the rows."""
        found = value + 0.0  # a zero has no sign
        turned = self.said.turned
        if turned is not None:
            found[turned.row] = level.signal(value[turned.row], turned.sign, turned.scale, turned.shift)
        return found


@dataclass(frozen=True, slots=True)
class Said:
    """What the settings say of rows."""

    sign: Floats
    below: Floats
    lowest: Floats
    turned: "Turned | None"
    scheduled: bool  # some rule has hours
    rated: Ints  # rows whose signal is a rate


@dataclass(frozen=True, slots=True)
class Turned:
    """Rows whose signal is not the value itself."""

    row: Ints
    sign: Floats  # of the settings, as scale and shift
    scale: Floats
    shift: Floats


def take(table: "Table", columns: Columns, outline: Outline, finite: Bools) -> Aim:
    """Find the rows of a batch; where all of it is judged as ever, from what was found the last time.

    Args:
        table: rules that look at few readings remember what they have looked at.
        columns: the batch.
        outline: of the batch.
        finite: readings that are numbers.
    """
    usual = every(finite)
    rare = None
    if table.rare is not None:
        rare = table.rare.due(columns, outline.rare, table.state.newest)
        if not len(rare[0]):
            rare = None
    if not usual or rare is not None or not outline.whole:
        return _found(table, outline, None if usual else finite[outline.index], rare)
    if outline.aim is None:
        outline.aim = _found(table, outline, None, None)
    return outline.aim


def _found(table: "Table", outline: Outline, finite: Bools | None, rare: tuple[Ints, Ints] | None) -> Aim:
    index, channel = outline.index, outline.channel
    number = table.number[channel]
    if finite is not None:
        number = np.where(finite, number, 0)
    rows, slots, lengths = [index[:0]], [index[:0]], [0]
    for place in range(int(number.max())):
        where = (number > place).nonzero()[0]
        whole = len(where) == len(index)
        rows.append(index if whole else index[where])
        start = table.start[channel if whole else channel[where]]
        slots.append(table.target[start + place].astype(np.int64))
        lengths.append(len(rows[-1]))
    if rare is not None:
        rows.append(rare[0])
        slots.append(rare[1])
        lengths.append(len(rare[0]))
    row, slot = np.concatenate(rows), np.concatenate(slots)
    alone = table.alone(slot)
    store = table.store[slot]
    if not alone:
        order = np.argsort(store * np.int64(len(table.slots)) + slot, kind="stable")
        row, slot = row[order], slot[order]
    elif len(slot) > FEW:
        # those of one rule together: their state lies regularly
        kinds = int(table.kind.max()) + 1
        nth = np.repeat(np.arange(len(lengths)), lengths)
        key = ((store + np.int64(1)) * len(lengths) + nth) * kinds + table.kind[slot]
        if int(key.max(initial=0)) < 2**15:
            key = key.astype(np.int16)  # short numbers: by radix
        order = np.argsort(key, kind="stable")
        row, slot = row[order], slot[order]
    elif some(store[1:] < store[:-1]):
        order = np.argsort(store, kind="stable")
        row, slot = row[order], slot[order]
    short = table.kind[slot]
    said = table.said.get(short)
    if said is None:
        said = table.said.keep(short, _said(table, short))
    return Aim(
        row=Pick(row),
        slot=Pick(slot),
        alone=alone,
        kind=short.astype(np.int64),
        said=said,
        places=kind_step.places(table, row, slot, said.sign),
    )


def _said(table: "Table", kind: npt.NDArray[np.int32]) -> Said:
    settings = table.settings
    sign, scale, shift = settings.sign[kind], settings.scale[kind], settings.shift[kind]
    row = ((sign != 1) | (scale != 1) | (shift != 0)).nonzero()[0]  # NaN is not 1
    return Said(
        sign=sign,
        below=settings.below[kind],
        lowest=settings.lowest[kind],
        turned=Turned(row, sign[row], scale[row], shift[row]) if len(row) else None,
        scheduled=some(settings.scheduled[kind]),
        rated=settings.rated[kind].nonzero()[0],
    )
