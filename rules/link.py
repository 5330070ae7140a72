"""What other points say of a reading: witnesses (it rains, the tide moves) and neighbours (they measure the same).

A link belongs to the point that asks and remembers the last of what the other said, so that each reading meets exactly
what had arrived before it, however a stream is cut into batches.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER
from rules.memory import Memory
from rules.quality import Bits, Check
from rules.scan import Bools, Floats, Ints, some
from wire.quality import Quality

BLOCK_MS = 21_600_000
"""A witness has moved when it moved within one of the six-hour blocks of the day [P]: rain, and half a tide."""


class Linked(Protocol):
    """What links need of a batch."""

    ts: Ints
    value: Floats
    flag: npt.NDArray[np.uint8]
    bits: Bits

    @property
    def at(self) -> Ints:
        """Row of the memory."""

    @property
    def index(self) -> Ints | slice:
        """Of the reading in the columns."""


class Witnesses(NamedTuple):
    """What the witnesses say, by row of the batch."""

    stirred: Ints  # event time at which one of them stirred last; NEVER
    corroborated: Bools  # it rained (or whatever is asked `at_least`) shortly before


class Net:
    """Links of all channels in arrays; built anew when channels come and go."""

    def __init__(self, memory: Memory, other: "dict[int, int]") -> None:
        """Index the links.

        Args:
            memory: has the links.
            other: by link, the memory row of the point that it looks at.
        """
        count = max(memory.link_of, default=-1) + 1
        self.at_least, self.moved, self.bias = (np.full(count, np.nan) for _ in range(3))
        self.owner = np.zeros(count, dtype=np.int64)  # the memory row that asks
        for link, (row, number) in memory.link_of.items():
            self.owner[link] = row
            text = memory.kinds.limits[int(memory.kind[row])].links[number]
            self.at_least[link], self.moved[link], self.bias[link] = text.at_least, text.moved, text.bias
        links = np.array(sorted(other, key=other.__getitem__), dtype=np.int64)
        looked_at = np.array([other[link] for link in links.tolist()], dtype=np.int64)
        self.links = links  # sorted by the row that they look at
        rows = len(memory.kind)
        self.start = np.searchsorted(looked_at, np.arange(rows))
        self.count = np.searchsorted(looked_at, np.arange(rows), side="right") - self.start


class _Lines(NamedTuple):
    """What was said and asked on links, sorted by link and arrival."""

    link: Ints
    row: Ints  # of the batch
    asks: Bools
    first: Bools
    ts: Ints
    value: Floats


def ask_links(batch: Linked, memory: Memory, net: Net) -> Witnesses | None:
    """Meet the readings of a batch with those of the points that they are linked to; flags disagreeing neighbours."""
    said, number = scan.spread(net.count[batch.at])
    asked, asked_number = scan.spread(memory.link_count[batch.at].astype(np.int64))
    if not len(said) and not len(asked):
        return None
    lines = _lines(batch, memory, net, said, number, asked, asked_number)
    stirs = _stirs(lines, memory, net)
    links, asks, first = memory.links, lines.asks, lines.first
    line = np.arange(len(lines.link))
    at = scan.marked_before(first | ~asks)
    from_batch = ~asks[at]
    value = np.where(from_batch, lines.value[at], links["value"][lines.link])
    ts = np.where(from_batch, lines.ts[at], links["ts"][lines.link])
    at = scan.marked_before(first | stirs)
    stirred = np.where(stirs[at], lines.ts[at], links["stirred"][lines.link])
    last = scan.lasts(first)
    end = lines.link[last]
    memory.touched[net.owner[end]] = True
    links["value"][end], links["ts"][end], links["stirred"][end] = value[last], ts[last], stirred[last]
    line = line[asks]
    _neighbours(batch, memory, net, lines, line, value, ts)
    return _witnesses(batch, memory, net, lines, line, stirred)


def _lines(
    batch: Linked, memory: Memory, net: Net, said: Ints, number: Ints, asked: Ints, asked_number: Ints
) -> _Lines:
    arrived = np.arange(len(batch.at)) if isinstance(batch.index, slice) else batch.index
    link = np.concatenate(
        (net.links[net.start[batch.at[said]] + number], memory.first_link[batch.at[asked]] + asked_number)
    )
    row = np.concatenate((said, asked))
    order = np.lexsort((arrived[row], link))
    link, row = link[order], row[order]
    return _Lines(link, row, order >= len(said), scan.firsts(link), batch.ts[row], batch.value[row])


def _stirs(lines: _Lines, memory: Memory, net: Net) -> Bools:
    """The lines at which a witness stirs; the blocks of those that are asked for movement move on."""
    stirs = ~lines.asks & (lines.value >= net.at_least[lines.link])
    moving = np.flatnonzero(~lines.asks & ~np.isnan(net.moved[lines.link]))
    if len(moving):
        links = memory.links
        link, block = lines.link[moving], lines.ts[moving] // BLOCK_MS
        value = lines.value[moving].astype(np.float32)
        first = scan.firsts(link)
        mark = first.copy()
        mark[1:] |= block[1:] != block[:-1]
        goes_on = first & (links["block"][link] == block)
        low = scan.ordinal(np.where(goes_on, np.minimum(links["low"][link], value), value))
        high = scan.ordinal(np.where(goes_on, np.maximum(links["high"][link], value), value))
        lowest, highest = (
            scan.of_ordinal(scan.minimum_since(low, mark)),
            scan.of_ordinal(scan.maximum_since(high, mark)),
        )
        stirs[moving] |= highest - lowest >= net.moved[link]
        last = scan.lasts(first)
        end = link[last]
        links["block"][end], links["low"][end], links["high"][end] = block[last], lowest[last], highest[last]
    return stirs


def _witnesses(batch: Linked, memory: Memory, net: Net, lines: _Lines, line: Ints, stirred: Ints) -> Witnesses:
    row, link, when = lines.row[line], lines.link[line], stirred[line]
    latest = np.full(len(batch.at), NEVER, dtype=np.int64)
    np.maximum.at(latest, row, when)
    rained = np.full(len(batch.at), NEVER, dtype=np.int64)
    rainy = ~np.isnan(net.at_least[link])
    np.maximum.at(rained, row[rainy], when[rainy])
    within = (memory.kinds.value("witness_s") * 1000).astype(np.int64)[memory.kind[batch.at]]
    return Witnesses(latest, (rained != NEVER) & (rained >= batch.ts - within))


def _neighbours(batch: Linked, memory: Memory, net: Net, lines: _Lines, line: Ints, value: Floats, ts: Ints) -> None:
    """A pair: the difference less the bias. A group: from the median of the neighbours."""
    kinds = memory.kinds
    row, link = lines.row[line], lines.link[line]
    kind = memory.kind[batch.at[row]]
    age_ms = (kinds.value("neighbour_age_s") * 1000).astype(np.int64)[kind]
    told = ~np.isnan(net.bias[link]) & (ts[line] != NEVER) & (np.abs(batch.ts[row] - ts[line]) <= age_ms)
    if not some(told):
        return
    row, line, link = row[told], line[told], link[told]
    apart = batch.value[row] - value[line] - net.bias[link]
    order = np.lexsort((apart, row))
    row, apart = row[order], apart[order]
    start = np.flatnonzero(scan.firsts(row))
    count = np.diff(np.append(start, len(row)))
    middle = (apart[start + (count - 1) // 2] + apart[start + count // 2]) / 2
    row, off = row[start], np.abs(middle)
    kind = memory.kind[batch.at[row]]
    suspect = off > kinds.value("neighbour_suspect")[kind]
    fail = off > kinds.value("neighbour_fail")[kind]
    batch.bits[row[suspect]] |= np.uint16(Check.NEIGHBOUR)
    worse = np.where(fail, Quality.FAIL, np.where(suspect, Quality.SUSPECT, 0)).astype(np.uint8)
    batch.flag[row] = np.maximum(batch.flag[row], worse)
