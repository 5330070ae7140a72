"""The rule kinds over a batch: their signals at the rows that they judge, and what they are told beside."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from rules import kind_frame
from rules.beside import Beside
from rules.condition import Rows, Settings
from rules.evidence import Told
from rules.kind_frame import Heard, Judged
from rules.kind_store import KindStore
from rules.scan import Bools, Floats, Ints


class Kept(Protocol):
    """What this needs of the table."""

    stores: list[KindStore]
    store: npt.NDArray[np.int16]
    line: npt.NDArray[np.int32]
    settings: Settings
    touched: Bools


def signals(
    table: Kept, rows: Rows, value: Floats, ordered: Bools, fresh: Bools, beside: Beside | None, told: Told
) -> None:
    """Write the signals of rows that a kind judges (NaN: nothing can be said), and move what is kept on.

    Args:
        table: moves on.
        rows: of all rules; those of a slot stand together.
        value: the readings.
        ordered: rows of the first lane.
        fresh: those of them that are newer than all before.
        beside: what the batch says of other inputs, if anybody looks at such.
        told: takes the evidence.
    """
    number = table.store[rows.slot]
    for store in table.stores:
        mine = number == store.number
        heard = _heard(store, beside)
        if not mine.any():
            _pass_by(table, store, heard)
            continue
        where = np.flatnonzero(mine)
        line: Ints = table.line[rows.slot[where]].astype(np.int64)
        blind = store.blind[line]
        if blind.any():
            rows.signal[where[blind]] = np.nan
            where, line = where[~blind], line[~blind]
        if not len(where):
            _pass_by(table, store, heard)
            continue
        row = rows.row[where]
        judged = Judged(
            line=line,
            place=row + 1 if beside is None else beside.place[row],
            ts=rows.ts[where],
            arrival=rows.arrival[where],
            value=value[where],
            bad=rows.bad[where],
            ordered=ordered[where],
            fresh=fresh[where],
        )
        signal = kind_frame.judge(store, judged, heard)
        rows.signal[where] = table.settings.sign[rows.kind[where]] * signal.value
        if signal.doubt is not None:
            rows.bad[where] |= signal.doubt
        told.add(row, rows.slot[where], signal)
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
