"""What a rule kind sees of a batch: its own readings in order, and what was kept of them and of other points before.

A kind is a pure function from a `Frame` to a `Signal`; `rules.condition` then judges the signal against the levels'
thresholds, holds and samples like any other. `rules.kinds` lists the kinds and says what each module must have.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints

T = TypeVar("T", bound=np.generic)


class Input(NamedTuple):
    """One point that a rule looks at. The first input of a rule is judged; the others stand beside it."""

    name: str  # what the kind calls it
    window_ms: int = 0  # how far back it is kept, 24 days at most; 0 = only the latest reading
    parts: int = 16  # one reading, the first, is kept of each `window_ms / parts`
    optional: bool = False  # the rule judges without it
    usual: str = ""  # the point that it is when a declaration names none; default: `name`


class Window(NamedTuple):
    """Kept readings of one input, a line for each row asked for, oldest first.

    Values are kept to seven digits (float32). Empty places have `ts` NEVER and `value` NaN, at any place. Of the judged
    input the last column is the row itself.
    """

    ts: Ints
    value: Floats


class Signal(NamedTuple):
    """What a kind makes of a frame: a number a row (NaN: nothing can be said, the row is passed over)."""

    value: Floats
    evidence: Mapping[str, Floats]  # told with an alarm; a number a row each
    doubt: Bools | None = None  # rows that the kind itself does not trust: they go the way of a bad flag


class Frame(ABC):
    """Readings of the judged input of one kind: sorted by slot, those of a slot in order of arrival."""

    slot: Ints  # line of the kind's memory
    first: Bools  # a slot begins; slots come in any order
    setting: Ints  # line of the kind's settings
    ts: Ints  # event time, ms
    arrival: Ints
    value: Floats
    bad: Bools  # the value is in doubt
    fresh: Bools  # newer than all before, and counted
    usable: Bools  # so, and not in doubt: only such a row may teach the memory

    def own(self, settings: npt.NDArray[Any]) -> Rowwise:
        """The kind's settings, of each row."""
        return Rowwise(settings, self.setting)

    def kept(self, memory: npt.NDArray[T]) -> npt.NDArray[T]:
        """What the kind's memory holds by line, of each row; a copy."""
        return memory[self.slot]

    @abstractmethod
    def latest(self, name: str) -> tuple[Floats, Ints]:
        """The newest sound value of another input at each row, and its event time; NaN and NEVER where none is.

        What came in the message of the row counts. Beside a row that is late stands what came with it, else what is
        not younger than the row.
        """

    @abstractmethod
    def window(self, name: str, rows: Ints | None = None) -> Window:
        """What is kept of an input at some rows (all by default), as of that row, nothing older than its window."""


def fresh(value: Floats, ts: Ints, now: Ints, most_ms: int | Ints) -> Floats:
    """`value` where it is not older than `most_ms` (nor so much newer than a late row), else NaN."""
    return np.where(np.abs(now - ts) <= most_ms, value, np.nan)
