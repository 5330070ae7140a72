"""What a batch says of the inputs that rules look at beside the judged one, and where its messages end."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.columns import Columns
from rules.rings import Added
from rules.scan import Bools, Ints

_INPUTS = 1000
_NONE, _SEVERAL = -1, -2


class Pairs:
    """By channel: the lines of rule kinds that look at it, beside what they judge."""

    def __init__(self, channels: int, pairs: Iterable[tuple[int, int, int, int]]) -> None:
        """Pairs of (channel, store, line, number of the input)."""
        found = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 4)
        count = np.bincount(found[:, 0], minlength=channels) if len(found) else np.zeros(channels, dtype=np.int64)
        self.start = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(count)))
        self.line = np.ascontiguousarray(found[:, 2])
        self.group = found[:, 1] * _INPUTS + found[:, 3]
        self.groups = np.unique(self.group).tolist()
        # most channels are looked at once, or never
        self.only_group, self.only_line = (np.full(channels, _NONE, dtype=np.int32) for _ in range(2))
        self.only_group[found[:, 0]], self.only_line[found[:, 0]] = self.group, self.line
        self.only_group[count > 1] = _SEVERAL
        self.has_several = bool((count > 1).any())


class Beside(NamedTuple):
    """Of one batch."""

    place: Ints  # by reading: where its message ends
    heard: Mapping[int, Mapping[int, Added]]  # by store and number of the input


def messages(columns: Columns, index: Ints, channel: npt.NDArray[np.int32], entity: Ints) -> Ints:
    """For each reading where its message ends: rows of one device, event time and arrival that stand together.

    Args:
        columns: the batch.
        index: readings of known channels.
        channel: theirs.
        entity: theirs.
    """
    whole = len(index) == len(columns.ts)
    ts, arrival = (columns.ts, columns.arrival) if whole else (columns.ts[index], columns.arrival[index])
    start = np.empty(len(index), dtype=np.bool_)
    start[0] = True
    np.not_equal(entity[1:], entity[:-1], out=start[1:])
    start[1:] |= ts[1:] != ts[:-1]
    if arrival is not ts:
        start[1:] |= arrival[1:] != arrival[:-1]
    begins = np.flatnonzero(start)
    length = np.diff(begins, append=len(index))
    again = channel == np.repeat(channel[begins], length)  # the point again: the next message
    if np.count_nonzero(again) > len(begins):
        begins = np.flatnonzero(start | again)
        length = np.diff(begins, append=len(index))
    ends = np.append(index[begins[1:]], len(columns.ts))
    if whole:
        return np.repeat(ends, length)
    place = np.empty(len(columns.ts), dtype=np.int64)
    place[index] = np.repeat(ends, length)
    return place


def gather(
    pairs: Pairs, columns: Columns, index: Ints, channel: npt.NDArray[np.int32], entity: Ints, bad: Bools
) -> Beside:
    """Sound readings of other inputs, by store and input, in order of arrival.

    Args:
        pairs: who looks at what.
        columns: the batch.
        index: readings of known channels.
        channel: theirs.
        entity: theirs.
        bad: readings in doubt, of the whole batch.
    """
    place = messages(columns, index, channel, entity)
    heard: dict[int, dict[int, Added]] = {}
    sound = ~bad & columns.counted & np.isfinite(columns.value)
    all_sound = bool(sound.all())
    group = pairs.only_group[channel]
    several = pairs.has_several and bool((group == _SEVERAL).any())
    where = line = index
    if several:
        where = np.flatnonzero(group != _NONE)
        row, offset = scan.spread((pairs.start[1:] - pairs.start[:-1])[channel[where]])
        at = pairs.start[channel[where]][row] + offset
        where, group, line = where[row], pairs.group[at], pairs.line[at]
    for code in pairs.groups:
        mine = np.flatnonzero(group == code)
        rows = index[where[mine] if several else mine]
        if not all_sound:
            mine, rows = mine[sound[rows]], rows[sound[rows]]
        if len(rows):
            lines: Ints = line[mine] if several else pairs.only_line[channel[mine]].astype(np.int64)
            added = Added(lines, rows, place[rows], columns.ts[rows], columns.value[rows])
            heard.setdefault(code // _INPUTS, {})[code % _INPUTS] = added
    return Beside(place, heard)
