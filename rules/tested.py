"""Which readings of a batch are tested, where what is remembered of them lies, and what is asked of each.

All of it follows from the channels alone, so it is kept while batches of the same channels come (`rules.shapes`). What
is asked follows from the limits alone: devices of one model share it, whichever of them speak.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rules.pick import FEW, Pick
from rules.scan import Bools, Floats, Ints, every, inside, some

if TYPE_CHECKING:
    from rules.memory import Kinds, Memory


@dataclass(frozen=True, slots=True)
class Window:
    """Rows that have a window, and what is asked of each."""

    index: Pick | None  # of the batch; None: all
    kind: Ints  # one entry where all are the same, as of what follows
    part: Ints  # ms of a stretch
    least: Floats  # a narrower range is looked at
    alone: Bools  # and that without a witness


@dataclass(frozen=True, slots=True)
class Look:
    """Rows whose last few readings are looked at, and what is asked of each."""

    index: Pick | None  # of the batch; None: all
    gap_ms: Ints  # one entry where all are the same, as of what follows
    spike: Floats
    mad: Floats
    spiked: Bools  # whether there is a spike test
    rated: Ints  # those that have a rate test
    rate: Floats  # of those, or one


@dataclass(frozen=True, slots=True)
class Range:
    """Rows with a range that their place sets."""

    index: Pick | None  # of the batch; None: all
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of rows of certain limits."""

    gap_ms: Ints  # one entry where all have the same
    range: Range | None
    look: Look | None
    window: Window | None


@dataclass(frozen=True, slots=True)
class Looked:
    """Rows of a batch whose last few readings are looked at."""

    asked: Look
    index: Pick | None  # of the batch; None: all
    look: Pick


@dataclass(frozen=True, slots=True)
class Windowed:
    """Rows of a batch that have a window."""

    asked: Window
    index: Pick | None  # of the batch; None: all
    window: Pick


@dataclass(frozen=True, slots=True)
class Tested:
    """The rows of the memory of a batch, sorted unless alone; not to be written to."""

    at: Pick
    index: Pick | None  # of the reading in the columns; None: all, as they came
    alone: bool  # no row stands twice
    asked: Asked
    looked: Looked | None
    windowed: Windowed | None


def find(channel: npt.NDArray[np.int32], memory: "Memory") -> Tested:
    """Of a batch of these channels."""
    count = len(memory.of_channel)
    if inside(channel, count):
        at: Ints = memory.of_channel[channel].astype(np.int64)
    else:
        known = (channel >= 0) & (channel < count)
        at = np.where(known, memory.of_channel[np.where(known, channel, 0)], -1).astype(np.int64)
    index = None
    if some(at < 0):
        index = (at >= 0).nonzero()[0]
        at = at[index]
    alone = memory.alone(at)
    where = Pick(at)
    if not alone or (len(at) > FEW and not where.regular):
        order = np.argsort(memory.kind[at] if alone else at, kind="stable")
        where, index = Pick(at[order]), order if index is None else index[order]
    return Tested(
        at=where,
        index=None if index is None else Pick(index),
        alone=alone,
        asked=ask(memory.kind[where.numbers], memory),
        looked=looked(where.numbers, None, memory),
        windowed=windowed(where.numbers, None, memory),
    )


def ask(kind: npt.NDArray[np.int32], memory: "Memory") -> Asked:
    """What is asked of rows of certain limits."""
    known = memory.asked.get(kind)
    if known is None:
        kinds, of = memory.kinds, _one(kind)
        known = Asked(kinds.gap_ms[of], _range(kind, kinds), _look(kind, kinds), _window(kind, kinds))
        memory.asked.keep(kind, known)
    return known


def looked(at: Ints, rows: Ints | None, memory: "Memory") -> Looked | None:
    """Which of some rows of a batch (None: all) are looked at; `at`: rows of the memory."""
    if rows is not None:
        at = at[rows]
    asked = ask(memory.kind[at], memory).look
    if asked is None:
        return None
    look = memory.look[at if asked.index is None else at[asked.index.numbers]]
    return Looked(asked, _within(rows, asked.index), Pick(look.astype(np.int64)))


def windowed(at: Ints, rows: Ints | None, memory: "Memory") -> Windowed | None:
    """Which of some rows of a batch (None: all) have a window; `at`: rows of the memory."""
    if rows is not None:
        at = at[rows]
    asked = ask(memory.kind[at], memory).window
    if asked is None:
        return None
    window = memory.window[at if asked.index is None else at[asked.index.numbers]]
    return Windowed(asked, _within(rows, asked.index), Pick(window.astype(np.int64)))


def _within(rows: Ints | None, index: Pick | None) -> Pick | None:
    if rows is None:
        return index
    return Pick(rows.copy() if index is None else rows[index.numbers])


def _look(kind: npt.NDArray[np.int32], kinds: "Kinds") -> Look | None:
    index, kind = _of(kinds.looks[kind], kind)
    if not len(kind):
        return None
    count, kind = len(kind), _one(kind)
    rate, spike = kinds.value("rate")[kind], kinds.value("spike")[kind]
    rated = ~np.isnan(np.broadcast_to(rate, (count,)))
    return Look(
        index=index,
        gap_ms=kinds.gap_ms[kind],
        spike=spike,
        mad=kinds.value("spike_mad")[kind],
        spiked=~np.isnan(spike),
        rated=rated.nonzero()[0],
        rate=rate if len(rate) == 1 else rate[rated],
    )


def _window(kind: npt.NDArray[np.int32], kinds: "Kinds") -> Window | None:
    index, kind = _of(kinds.spans[0, kind] > 0, kind)
    if not len(kind):
        return None
    of: Ints = _one(kind).astype(np.int64)
    band, least = kinds.value("flat_band")[of], kinds.value("attenuated")[of]
    alone = ~np.isnan(band) & (kinds.value("flat_witnessed")[of] == 0)
    alone |= ~np.isnan(least) & (kinds.value("attenuated_witnessed")[of] == 0)
    return Window(index, of, kinds.spans[0, of], np.fmax(band, least), alone)


def _range(kind: npt.NDArray[np.int32], kinds: "Kinds") -> Range | None:
    low, high = kinds.value("user_low"), kinds.value("user_high")
    index, kind = _of(~(np.isnan(low[kind]) & np.isnan(high[kind])), kind)
    return Range(index, low[kind], high[kind]) if len(kind) else None


def _of(which: Bools, kind: npt.NDArray[np.int32]) -> tuple[Pick | None, npt.NDArray[np.int32]]:
    if every(which):
        return None, kind
    index = which.nonzero()[0]
    return Pick(index), kind[index]


def _one(kind: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """One entry where all are the same."""
    return kind[:1] if len(kind) and every(kind == kind[0]) else kind
