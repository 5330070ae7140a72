"""The rule kinds over a batch: their signals at the rows that they judge, and what they are told beside."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rules import kind_frame
from rules.beside import Beside
from rules.condition import Rows, Settings
from rules.evidence import Told
from rules.kind_frame import Heard, Judged
from rules.kind_store import KindStore
from rules.pick import Pick
from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints, some


class Kept(Protocol):
    """What this needs of the table."""

    stores: list[KindStore]
    store: npt.NDArray[np.int16]
    line: npt.NDArray[np.int32]
    settings: Settings
    touched: Bools


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of one store stand among all that are judged."""

    mine: slice | Ints  # that a line judges
    row: Pick  # their readings in the batch
    slot: Ints
    line: Pick
    setting: Ints
    own: Rowwise  # their settings
    sign: Floats
    blind: Ints  # rows whose line cannot judge


def places(table: Kept, row: Ints, slot: Ints, sign: Floats) -> list[Place]:
    """By store, where its rows stand; reading, slot and sign of all rows: those of a store stand together."""
    bounds = np.searchsorted(table.store[slot], np.arange(len(table.stores) + 1)).tolist()
    found = []
    for store in table.stores:
        begin, end = bounds[store.number], bounds[store.number + 1]
        line: Ints = table.line[slot[begin:end]].astype(np.int64)
        blind = store.blind[line]
        mine: slice | Ints = slice(begin, end)
        cannot = line[:0]
        if some(blind):
            whole = np.arange(begin, end)
            mine, cannot, line = whole[~blind], whole[blind], line[~blind]
        setting = store.setting[line].astype(np.int64)
        own = Rowwise(store.settings, setting)
        found.append(Place(mine, Pick(row[mine]), slot[mine], Pick(line), setting, own, sign[mine], cannot))
    return found


def signals(
    table: Kept,
    rows: Rows,
    where: list[Place],
    value: Floats,
    ordered: Bools,
    fresh: Bools,
    beside: Beside | None,
    told: Told,
) -> None:
    """Write the signals of rows that a kind judges (NaN: nothing can be said), and move what is kept on.

    Args:
        table: moves on.
        rows: of all rules; those of a store stand together, in it those of a slot.
        where: the rows of each store.
        value: the readings.
        ordered: rows of the first lane.
        fresh: those of them that are newer than all before.
        beside: what the batch says of other inputs, if anybody looks at such.
        told: takes the evidence.
    """
    for store, place in zip(table.stores, where, strict=True):
        mine = place.mine
        heard = _heard(store, beside)
        if len(place.blind):
            rows.signal[place.blind] = np.nan
        if not len(place.line):
            _pass_by(table, store, heard)
            continue
        judged = Judged(
            line=place.line,
            place=place.row.numbers + 1 if beside is None else place.row.of(beside.place),
            ts=rows.ts[mine],
            arrival=rows.arrival[mine],
            value=value[mine],
            bad=rows.bad[mine],
            ordered=ordered[mine],
            fresh=fresh[mine],
            setting=place.setting,
            own=place.own,
        )
        signal = kind_frame.judge(
            store,
            judged,
            heard,
            alone=beside is not None and beside.alone,
            single=beside is not None and beside.single,
            later=None if beside is None else beside.later,
        )
        rows.signal[mine] = place.sign * signal.value
        if signal.doubt is not None:
            rows.bad[mine] |= signal.doubt
        told.add(place.row.numbers, place.slot, signal, mine)
        _touch(table, store, heard)


def pass_by(table: Kept, beside: Beside) -> None:
    """A batch in which nothing is judged: what it says of other inputs is kept."""
    for store in table.stores:
        _pass_by(table, store, _heard(store, beside))


def _pass_by(table: Kept, store: KindStore, heard: Heard) -> None:
    if heard:
        kind_frame.take(store, heard)
        _touch(table, store, heard)


def _heard(store: KindStore, beside: Beside | None) -> Heard:
    found = beside.heard.get(store.number, {}) if beside is not None else {}
    return {store.names[number]: added for number, added in found.items()}


def _touch(table: Kept, store: KindStore, heard: Heard) -> None:
    for added in heard.values():
        table.touched[store.slot[added.line]] = True
