"""How many devices of a group show the same at once: exact however a stream is cut, without a loop over readings.

A *member* is one rule on one device; it belongs to one group (a zone, a building, a site; reality and each exercise
apart). A member *shows* at a row whose signal is at or past a threshold. It is *present* at event time t, for somebody
who looks with a window w, when the newest event time L at which it showed, of the rows that arrived so far, satisfies

    |t - L| <= w

So it is present for w after it showed, and a row that arrives late finds who showed around its own time. L only grows:
a repeat changes nothing, and of rows in any order the same L is left in the end. What is kept of a member is L.

The count is one of points in rectangles: each L of a member stands from its row to the row of its next, and is asked
for by arrival and by event time. A wavelet matrix answers all questions of a batch in log2(points) passes of numpy, so
that a burst in which a thousand members stir costs no thousand times a thousand pairs.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rules import scan
from rules.condition import NEVER
from rules.scan import Bools, Ints


class Shown(NamedTuple):
    """Rows at which members showed, in any order."""

    member: Ints
    order: Ints  # of arrival
    ts: Ints  # event time, ms


class Asked(NamedTuple):
    """Questions: how many members of a group are present at event time `ts`, as of arrival `order` and with it."""

    order: Ints
    ts: Ints
    window_ms: Ints
    group: Ints


def present(last: Ints, group: Ints, shown: Shown, asked: Asked) -> Ints:
    """How many members are present, a number for each question.

    Args:
        last: by member, the newest event time at which it showed before this batch; NEVER.
        group: by member; negative = in none.
        shown: in this batch.
        asked: about this batch.
    """
    if not len(asked.ts):
        return np.zeros(0, dtype=np.int64)
    oldest = int((asked.ts - asked.window_ms).min())
    member, order, since, weight = _steps(last, group, shown, oldest)
    if not len(member):
        return np.zeros(len(asked.ts), dtype=np.int64)
    times = np.unique(since)
    width = len(times) + 1
    key = group[member] * width + np.searchsorted(times, since)
    low = asked.group * width + np.searchsorted(times, asked.ts - asked.window_ms)
    high = asked.group * width + np.searchsorted(times, asked.ts + asked.window_ms, side="right")
    by_key = np.sort(key)
    by_order = np.argsort(order, kind="stable")
    place = np.empty(len(key), dtype=np.int64)
    place[np.argsort(key, kind="stable")] = np.arange(len(key))
    return _weights_in(
        place[by_order],
        weight[by_order],
        np.searchsorted(order[by_order], asked.order, side="right"),
        np.searchsorted(by_key, low),
        np.searchsorted(by_key, high),
    )


class Crowds:
    """Who is present at single rows of a batch; groups are looked up once."""

    def __init__(self, last: Ints, group: Ints, shown: Shown) -> None:
        """As for `present`."""
        self._last = last
        self._shown = shown
        self._known: dict[int, tuple[Ints, Ints, Shown]] = {}
        self._members = np.argsort(group, kind="stable")  # those of a group together
        self._groups = group[self._members]
        shown_of = group[shown.member]
        self._rows = np.argsort(shown_of, kind="stable")
        self._rows_of = shown_of[self._rows]

    def who(self, groups: Iterable[int], order: int, ts: int, window_ms: int) -> Ints:
        """The members of some groups that are present at one row, who showed first before."""
        found, since = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for each in groups:
            if each < 0:
                continue
            member, last, shown = self._of(each)
            newest = last.copy()
            until = shown.order <= order
            np.maximum.at(newest, shown.member[until], shown.ts[until])
            here = np.flatnonzero((newest >= ts - window_ms) & (newest <= ts + window_ms))
            found.append(member[here])
            since.append(newest[here])
        return np.concatenate(found)[np.argsort(np.concatenate(since), kind="stable")]

    def _of(self, group: int) -> tuple[Ints, Ints, Shown]:
        """Members of a group, their L before the batch, and their rows with members numbered within the group."""
        known = self._known.get(group)
        if known is None:
            member = self._members[_stretch(self._groups, group)]
            mine = self._rows[_stretch(self._rows_of, group)]
            place = np.searchsorted(member, self._shown.member[mine])
            shown = Shown(place, self._shown.order[mine], self._shown.ts[mine])
            known = self._known[group] = (member, self._last[member], shown)
        return known


def _stretch(values: Ints, value: int) -> slice:
    """Where a value stands in a sorted array."""
    return slice(int(np.searchsorted(values, value)), int(np.searchsorted(values, value, side="right")))


def learn(last: Ints, shown: Shown) -> bool:
    """Take over what a batch showed; whether it showed anything."""
    np.maximum.at(last, shown.member, shown.ts)
    return len(shown.member) > 0


def newest_shown(last: Ints, member: Ints, ts: Ints, shows: Bools) -> Ints:
    """For rows sorted by member and arrival: the newest event time at which the member showed, this row with it."""
    first = scan.firsts(member)
    before = last[member]
    floor = int(ts.min()) - 1 if len(ts) else 0  # stands for NEVER: near, so that no number runs over
    known = np.where(before == NEVER, floor, np.maximum(before, floor))
    values = np.where(shows, ts, floor)
    newest = scan.maximum_since(np.where(first, np.maximum(values, known), values), first)
    older = (newest == floor) | (newest < before)
    return np.where(older, before, newest)


def _steps(last: Ints, group: Ints, shown: Shown, oldest: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Members' L as points: at `order` it becomes `since` (weight 1), and what it was ends (weight -1)."""
    lively = np.flatnonzero((last >= oldest) & (group >= 0))
    member = np.concatenate((lively, shown.member))
    order = np.concatenate((np.full(len(lively), NEVER), shown.order))
    since = np.concatenate((last[lively], shown.ts))
    in_group = group[member] >= 0
    # what showed before the oldest that is asked for is never present: all such times are as good as one
    since = np.maximum(since[in_group], oldest - 1)
    member, order = member[in_group], order[in_group]
    if not len(member):
        return member, order, since, since
    sort = np.lexsort((order, member))
    member, order, since = member[sort], order[sort], since[sort]
    first = scan.firsts(member)
    newest = scan.maximum_since(since, first)
    grows = first | (newest > scan.previous(newest, first, newest))
    member, order, newest = member[grows], order[grows], newest[grows]
    ended = np.flatnonzero(~scan.firsts(member))
    return (
        np.concatenate((member, member[ended])),
        np.concatenate((order, order[ended])),
        np.concatenate((newest, newest[ended - 1])),
        np.concatenate((np.ones(len(member), dtype=np.int64), np.full(len(ended), -1))),
    )


def _weights_in(place: Ints, weight: Ints, end: Ints, low: Ints, high: Ints) -> Ints:
    """For each question the weight of the points [0, end) whose place is in [low, high).

    A wavelet matrix: points are parted by the bits of their place, the highest first, and a question follows the bits
    of its bound; what lies on the lower side of a set bit counts.

    Args:
        place: of points in order; each of 0..n-1 once.
        weight: of points.
        end: by question.
        low: by question.
        high: by question.
    """
    questions = len(end)
    bound = np.concatenate((high, low))
    left, right = np.zeros(2 * questions, dtype=np.int64), np.concatenate((end, end))
    total = np.zeros(2 * questions, dtype=np.int64)
    for bit in range(len(place).bit_length() - 1, -1, -1):
        zero = (place >> bit) & 1 == 0
        zeros = np.concatenate(([0], np.cumsum(zero)))
        weights = np.concatenate(([0], np.cumsum(weight * zero)))
        up = (bound >> bit) & 1 == 1
        total += np.where(up, weights[right] - weights[left], 0)
        left = np.where(up, zeros[-1] + left - zeros[left], zeros[left])
        right = np.where(up, zeros[-1] + right - zeros[right], zeros[right])
        parted = np.concatenate((np.flatnonzero(zero), np.flatnonzero(~zero)))
        place, weight = place[parted], weight[parted]
    return total[:questions] - total[questions:]
