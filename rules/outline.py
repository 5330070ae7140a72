"""The outline of a batch: whose readings it has, where its messages end, who judges them – all that channels alone say.

A poll of all devices brings the same channels every time, a device's message has the same points. What was found for
them is kept (`rules.shapes`) until rows come or go.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rules import beside, presence, quality, scan
from rules.pick import Pick
from rules.scan import Bools, Ints, some

if TYPE_CHECKING:
    from rules.aim import Aim
    from rules.columns import Columns
    from rules.table import Table


class Outline:
    """Of the batches of certain channels."""

    def __init__(self, table: "Table", channel: npt.NDArray[np.int32]) -> None:
        """`table`: with its index built."""
        self.length = len(channel)
        """Of the batch."""
        channels = len(table.start) - 1
        self.whole = scan.inside(channel, channels)
        """Whether all channels are known."""
        if self.whole:
            self.index: Ints = np.arange(self.length)
            """Readings of known channels."""
            self.channel = channel.copy()
        else:
            self.index = ((channel >= 0) & (channel < channels)).nonzero()[0]
            self.channel = channel[self.index]
        self.entity: Ints = table.entity_of[self.channel].astype(np.int64)
        count = len(table.channels)
        self.spans = quality.spans(channel, table.low[:count], table.high[:count])
        self._together = self.entity[1:] == self.entity[:-1]
        self._table = table
        self._usual: Messages | None = None
        self.aim: Aim | None = None
        """Who judges, where all of it is judged."""
        self.layout: beside.Layout | None = None
        """Who looks at what, where all of it is sound."""
        self.rare = [] if table.rare is None else table.rare.layers(self.index, self.channel)

    def messages(self, columns: "Columns") -> "Messages":
        """Where the messages of a batch begin and end: mostly with the device."""
        ts, arrival = columns.ts, columns.arrival
        if not self.whole:
            ts, arrival = ts[self.index], ts[self.index] if arrival is ts else arrival[self.index]
        apart = ts[1:] != ts[:-1]
        if columns.arrival is not columns.ts:
            apart |= arrival[1:] != arrival[:-1]
        if some(apart & self._together):
            apart |= ~self._together
            return Messages(self, self._table, np.concatenate((_FIRST, apart.nonzero()[0] + 1)))
        if self._usual is None:
            begin = np.concatenate((_FIRST, (~self._together).nonzero()[0] + 1))
            self._usual = Messages(self, self._table, begin, usual=True)
        return self._usual


def of(table: "Table", channel: npt.NDArray[np.int32]) -> Outline:
    """What is known of batches of these channels; the table's index must be built."""
    known = table.outlines.get(channel)
    return table.outlines.keep(channel, Outline(table, channel)) if known is None else known


class Messages:
    """Where messages begin and end."""

    def __init__(self, outline: Outline, table: "Table", begin: Ints, *, usual: bool = False) -> None:
        """`begin`: of rows of one device, event time and arrival that stand together, among those of known channels."""
        self.usual = usual
        """They are those of the outline."""
        self.count = len(begin)
        self.begin = outline.index[begin]
        """Readings."""
        self.signs = presence.Signs(table, outline.entity[begin], keep=usual)
        self.place: Ints | None = None
        """By reading: where its message ends; not looked for where no rule looks at several points."""
        if table.pairs is not None:
            self.place = beside.messages(outline.length, outline.index, outline.channel, begin)
        self.later: dict[tuple[int, str], Bools | None] = {}
        """By store and input: which readings come after the judged reading of their line; None: none does."""
        self._pick = Pick(self.begin) if usual else None

    def firsts(self, values: Ints) -> Ints:
        """Of each message the first."""
        return self._pick.of(values) if self._pick is not None else values[self.begin]


_FIRST = np.zeros(1, dtype=np.int64)
