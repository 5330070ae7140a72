"""What a batch says of the inputs that rules look at beside the judged one, and where its messages end."""

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.columns import Columns
from rules.pick import Pick
from rules.rings import Added
from rules.scan import Bools, Ints, every, some

if TYPE_CHECKING:
    from rules.outline import Messages, Outline

_INPUTS = 1000
_NONE = -1


class Pairs:
    """By channel: the lines of rule kinds that look at it, beside what they judge."""

    def __init__(self, channels: int, pairs: Iterable[tuple[int, int, int, int]]) -> None:
        """Pairs of (channel, store, line, number of the input)."""
        found = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 4)
        count = np.bincount(found[:, 0], minlength=channels) if len(found) else np.zeros(channels, dtype=np.int64)
        self.start = (np.cumsum(count) - count).astype(np.int32)
        self.line = found[:, 2].astype(np.int32)
        code = (found[:, 1] * _INPUTS + found[:, 3]).tolist()
        # channels that the same inputs look at: those of one point of one model, say
        self.sort = np.full(channels, _NONE, dtype=np.int16)
        self.sorts: list[tuple[int, ...]] = []  # their inputs, by store and number
        known: dict[tuple[int, ...], int] = {}
        for channel in count.nonzero()[0].tolist():
            start = int(self.start[channel])
            codes = tuple(code[start : start + int(count[channel])])
            number = known.get(codes)
            if number is None:
                number = known[codes] = len(self.sorts)
                self.sorts.append(codes)
            self.sort[channel] = number
        self._scratch = np.zeros(channels, dtype=np.int32)

    def alone(self, channel: npt.NDArray[np.int32]) -> bool:
        """Whether no channel stands twice."""
        return scan.alone(channel, self._scratch)


class Layout(NamedTuple):
    """Which readings of a batch others look at; not to be written to."""

    heard: Mapping[int, Mapping[int, tuple[Pick, Pick]]]  # by store and number of the input: lines, and readings
    alone: bool  # no channel stands twice (False: not known)


class Beside(NamedTuple):
    """Of one batch."""

    place: Ints  # by reading: where its message ends
    heard: Mapping[int, Mapping[int, Added]]  # by store and number of the input
    alone: bool  # no channel stands twice (False: not known)
    single: bool  # and it is one message
    later: "dict[tuple[int, str], Bools | None] | None"  # see `Messages.later`; None: this batch is not as usual


def messages(length: int, index: Ints, channel: npt.NDArray[np.int32], begin: Ints) -> Ints:
    """For each reading where its message ends: rows that stand together, each point once.

    Args:
        length: of the batch.
        index: readings of known channels.
        channel: theirs.
        begin: where rows of one device, event time and arrival begin that stand together.
    """
    count = len(index)
    if len(begin) == count:
        return _placed(length, index, np.append(index[1:], length))
    if len(begin) == 1 and np.count_nonzero(channel == channel[0]) == 1:
        return _placed(length, index, np.full(count, length))
    size = np.diff(begin, append=count)
    again = channel == np.repeat(channel[begin], size)  # the point again: the next message
    if np.count_nonzero(again) > len(begin):
        start = again
        start[begin] = True
        begin = start.nonzero()[0]
        size = np.diff(begin, append=count)
    return _placed(length, index, np.repeat(np.append(index[begin[1:]], length), size))


def _placed(length: int, index: Ints, ends: Ints) -> Ints:
    if len(index) == length:
        return ends
    place = np.empty(length, dtype=np.int64)
    place[index] = ends
    return place


def gather(pairs: Pairs, columns: Columns, outline: "Outline", said: "Messages", finite: Bools, bad: Bools) -> Beside:
    """Sound readings of other inputs, by store and input, in order of arrival for each line.

    Args:
        pairs: who looks at what.
        columns: the batch.
        outline: of the batch.
        said: its messages.
        finite: readings that are numbers.
        bad: readings in doubt.
    """
    assert said.place is not None
    sound = ~bad & columns.counted & finite
    index, channel, usual = outline.index, outline.channel, said.usual
    if outline.whole and every(sound):
        layout = outline.layout
        if layout is None:
            layout = outline.layout = _layout(pairs, index, channel, alone=pairs.alone(channel))
    else:
        known = sound[index]
        layout, usual = _layout(pairs, index[known], channel[known], alone=False), False
    place, ts, value = said.place, columns.ts, columns.value
    heard = {
        store: {
            number: Added(line.numbers, rows.numbers, rows.of(place), rows.of(ts), rows.of(value), line)
            for number, (line, rows) in inputs.items()
        }
        for store, inputs in layout.heard.items()
    }
    return Beside(place, heard, layout.alone, layout.alone and said.count == 1, said.later if usual else None)


def _layout(pairs: Pairs, index: Ints, channel: npt.NDArray[np.int32], *, alone: bool) -> Layout:
    """Find who looks at which of some readings."""
    sort = pairs.sort[channel]
    looked = (sort != _NONE).nonzero()[0]
    sort = sort[looked]
    if some(sort[1:] < sort[:-1]):
        order = np.argsort(sort, kind="stable")  # short numbers: by radix
        looked, sort = looked[order], sort[order]
    rows, start = index[looked], pairs.start[channel[looked]]
    found: dict[int, list[tuple[Ints, Ints]]] = {}
    if len(sort):
        bounds = [*scan.firsts(sort).nonzero()[0].tolist(), len(sort)]
        for begins_at, ends_at in itertools.pairwise(bounds):
            part = slice(begins_at, ends_at)
            for number, code in enumerate(pairs.sorts[sort[begins_at]]):
                found.setdefault(code, []).append((pairs.line[start[part] + number].astype(np.int64), rows[part]))
    heard: dict[int, dict[int, tuple[Pick, Pick]]] = {}
    for code, parts in found.items():
        # each line looks at one channel, so the parts share none
        lines, of = zip(*parts, strict=True)
        found_of = heard.setdefault(code // _INPUTS, {})
        found_of[code % _INPUTS] = Pick(np.concatenate(lines)), Pick(np.concatenate(of))
    return Layout(heard, alone)
