"""What the streaming quality tests remember: arrays with a row for each tested channel, window and link.

A struct of arrays: each test touches only what it needs. A row costs about seventy bytes, a point with a spike or rate
test forty more, a window eighty more.
"""

import zlib
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rules.condition import NEVER
from rules.quality_declaration import Limits
from rules.scan import Ints, alone, broad, cut, roomy
from rules.shapes import Shapes

if TYPE_CHECKING:
    from rules.tested import Asked, Tested

KEPT = 5
"""Readings kept for the median."""
BUCKETS = 8
"""A window of flat line or attenuation is kept as the lowest and highest of so many stretches."""
MINUTE_MS = 60_000

_ROW = np.dtype(
    [
        ("newest", "i8"),  # event time of the newest reading in order
        ("begun", "i8"),  # clock: arrival of the first reading of the envelope
        ("lo", "i4"),  # clock: least and most delay of the envelope
        ("hi", "i4"),
        ("count", "u1"),  # clock: readings in the envelope
        ("verdict", "u1"),  # clock: 0 right, 1 off and kept, 2 wrong, 3 wrong by a time zone
    ]
)
_LOOK = np.dtype(
    [
        ("sound", "i8"),  # event time of the newest that was believed
        ("kept", "u1"),  # readings kept; from KEPT on their next place, too
        ("sign", "i1"),  # newest reading: +-1 beyond the spike threshold, +-2 and not yet confirmed
    ]
)
_WINDOW = np.dtype([("bucket", "i8"), ("low", "f4"), ("high", "f4")])
_LINK = np.dtype(
    [("value", "f8"), ("ts", "i8"), ("stirred", "i8"), ("block", "i8"), ("low", "f4"), ("high", "f4")],
)


def _columns(dtype: "np.dtype[np.void]", count: int) -> dict[str, npt.NDArray[Any]]:
    return {name: np.zeros(count, dtype=dtype[name]) for name in dtype.names or ()}


class Kinds:
    """Limits in arrays, one entry for each distinct `Limits`; thousands of devices share them."""

    def __init__(self) -> None:
        self._known: dict[Limits, int] = {}
        self.limits: list[Limits] = []
        self.checks: list[int] = []
        self.values = np.zeros((_KINDS_WIDTH, 0))
        self.spans = np.zeros((4, 0), dtype=np.int64)
        self.looks = np.zeros(0, dtype=np.bool_)  # spike or rate is tested
        self._cut()

    def number(self, limits: Limits) -> int:
        """The entry of these limits, made at first use."""
        known = self._known.get(limits)
        if known is None:
            known = self._known[limits] = len(self.limits)
            self.limits.append(limits)
            self.checks.append(zlib.crc32(repr(limits).encode()))
            self.values = np.column_stack([self.values, [getattr(limits, name) for name in KIND_VALUES]])
            self.spans = np.column_stack([self.spans, _spans(limits)]).astype(np.int64)
            self.looks = np.append(self.looks, not (isnan(limits.spike) and isnan(limits.rate)))
            self._cut()
        return known

    def value(self, name: str) -> npt.NDArray[np.float64]:
        """One threshold of all kinds; NaN = not tested."""
        return self._rows[name]

    def has(self, name: str) -> bool:
        """Whether any kind has this threshold."""
        return name in self._given

    def _cut(self) -> None:
        self._rows: dict[str, npt.NDArray[np.float64]] = {
            name: self.values[number] for number, name in enumerate(KIND_VALUES)
        }
        self._given = {name for name, row in self._rows.items() if not np.isnan(row).all()}
        self.gap_ms = (self._rows["gap_s"] * 1000).astype(np.int64)
        self.witness_ms = (self._rows["witness_s"] * 1000).astype(np.int64)


KIND_VALUES = (
    "user_low", "user_high", "gap_s", "spike", "spike_mad", "rate", "flat_band", "flat_witnessed", "attenuated",
    "attenuated_witnessed", "neighbour_suspect", "neighbour_fail", "neighbour_age_s", "witness_s", "flat_suspect_s",
)  # fmt: skip
_KINDS_WIDTH = len(KIND_VALUES)


def _spans(limits: Limits) -> list[int]:
    """Milliseconds of a bucket, and how many buckets attenuation, suspect and failed flat line look back; 0 = none."""
    windows = (limits.attenuated_s, limits.flat_suspect_s, limits.flat_fail_s)
    longest = max((each for each in windows if not isnan(each)), default=0.0)
    if not longest:
        return [0, 0, 0, 0]
    part = max(-(-round(longest * 1000) // (BUCKETS - 1)), 1)
    back = [0 if isnan(each) else -(-round(each * 1000) // part) + 1 for each in windows]
    return [part, *back]


def _empty(name: str) -> int:
    return NEVER if name in {"newest", "sound", "begun"} else 0


class Memory:
    """Rows of tested channels. Arrays may be longer than what is in use."""

    def __init__(self) -> None:
        self.kinds = Kinds()
        self.of_channel = np.full(0, -1, dtype=np.int32)
        self.channel_of: list[int] = []  # by row; -1 = free
        self.kind = np.zeros(0, dtype=np.int32)
        self.window = np.zeros(0, dtype=np.int32)  # by row; -1 = none
        self.look = np.zeros(0, dtype=np.int32)  # by row; -1 = neither spike nor rate is tested
        self.rows = _columns(_ROW, 0)
        self.looks = _columns(_LOOK, 0)
        self.kept = np.zeros((KEPT, 0), dtype=np.float32)  # by number and look
        self.windows = _columns(_WINDOW, 0)
        self.buckets = np.zeros((0, 2 * BUCKETS), dtype=np.float32)  # lowest, then highest, by number modulo BUCKETS
        self.links = _columns(_LINK, 0)
        self.first_link = np.zeros(0, dtype=np.int32)  # by row
        self.link_count = np.zeros(0, dtype=np.int32)
        self.touched = np.zeros(0, dtype=np.bool_)
        self.saved = np.zeros(0, dtype=np.int64)  # `newest` when the row was last written
        self._free: list[int] = []
        self._free_windows: list[int] = []
        self._free_looks: list[int] = []
        self._look_end = 0
        self._free_links: dict[int, list[int]] = {}
        self._window_end = 0
        self._scratch = np.zeros(0, dtype=np.int32)
        self._link_end = 0
        self.tested: Shapes[Tested] = Shapes()
        self.asked: Shapes[Asked] = Shapes()  # by kinds; what a kind says stays
        self.link_of: dict[int, tuple[int, int]] = {}  # link: row that has it, and its number there

    def admit(self, channel: int, limits: Limits) -> int:
        """Give a channel a row for these limits; what it remembers is kept if the limits are those it had."""
        self.tested.clear()
        self.of_channel = roomy(self.of_channel, channel + 1, -1)
        kind = self.kinds.number(limits)
        row = int(self.of_channel[channel])
        if row >= 0:
            if self.kind[row] == kind:
                return row
            self._give_back(row)
            self._blank(row)
        elif self._free:
            row = self._free.pop()
            self._blank(row)
        else:
            row = len(self.channel_of)
            self.channel_of.append(-1)
            self._grow(row + 1)
        self.channel_of[row] = channel
        self.of_channel[channel] = row
        self.kind[row] = kind
        self.window[row] = self._allot_window() if self.kinds.spans[0, kind] else -1
        self.look[row] = self._allot_look() if self.kinds.looks[kind] else -1
        count = len(limits.links)
        self.link_count[row] = count
        if count:
            self.first_link[row] = start = self._allot_links(count)
            self.link_of.update({start + number: (row, number) for number in range(count)})
        return row

    def admit_many(self, channels: Ints, limits: Limits) -> None:
        """As `admit`, for channels of many devices."""
        self.of_channel = roomy(self.of_channel, int(channels.max()) + 1, -1)
        if limits.links or self._free or (self.of_channel[channels] >= 0).any():
            for channel in channels.tolist():
                self.admit(channel, limits)
            return
        self.tested.clear()
        kind, count = self.kinds.number(limits), len(channels)
        first = len(self.channel_of)
        rows = np.arange(first, first + count)
        self.channel_of.extend(channels.tolist())
        self._grow(first + count)
        self.of_channel[channels], self.kind[rows] = rows, kind
        if self.kinds.spans[0, kind]:
            self.window[rows] = self._windows(count)
        if self.kinds.looks[kind]:
            self.look[rows] = self._looks(count)

    def _windows(self, count: int) -> Ints:
        """Windows that nobody had."""
        first, self._window_end = self._window_end, self._window_end + count
        self.windows = {name: roomy(array, self._window_end, 0) for name, array in self.windows.items()}
        self.buckets = roomy(self.buckets, self._window_end, np.nan)
        self.windows["bucket"][first : self._window_end] = NEVER
        self.buckets[first : self._window_end] = np.nan
        return np.arange(first, self._window_end)

    def _looks(self, count: int) -> Ints:
        """Looks that nobody had."""
        first, self._look_end = self._look_end, self._look_end + count
        self.looks = {name: roomy(array, self._look_end, _empty(name)) for name, array in self.looks.items()}
        self.kept = broad(self.kept, self._look_end)
        for name, array in self.looks.items():
            array[first : self._look_end] = _empty(name)
        self.kept[:, first : self._look_end] = 0
        return np.arange(first, self._look_end)

    def alone(self, rows: npt.NDArray[np.int64]) -> bool:
        """Whether no row stands twice."""
        return alone(rows, self._scratch)

    def release(self, channel: int) -> None:
        """Take a channel's row away."""
        row = int(self.of_channel[channel]) if channel < len(self.of_channel) else -1
        if row < 0:
            return
        self.tested.clear()
        self._give_back(row)
        self.of_channel[channel] = self.channel_of[row] = -1
        self.touched[row] = False
        self._free.append(row)

    def _give_back(self, row: int) -> None:
        if self.window[row] >= 0:
            self._free_windows.append(int(self.window[row]))
            self.window[row] = -1
        if self.look[row] >= 0:
            self._free_looks.append(int(self.look[row]))
            self.look[row] = -1
        count, start = int(self.link_count[row]), int(self.first_link[row])
        if count:
            self._free_links.setdefault(count, []).append(start)
            for link in range(start, start + count):
                del self.link_of[link]
            self.link_count[row] = 0

    def _grow(self, count: int) -> None:
        if count <= len(self.kind):
            return
        self.kind = roomy(self.kind, count, 0)
        self.window = roomy(self.window, count, -1)
        self.look = roomy(self.look, count, -1)
        self.rows = {name: roomy(array, count, _empty(name)) for name, array in self.rows.items()}
        self.first_link = roomy(self.first_link, count, 0)
        self.link_count = roomy(self.link_count, count, 0)
        self.touched = roomy(self.touched, count, False)
        self._scratch = roomy(self._scratch, count, 0)
        self.saved = roomy(self.saved, count, NEVER)

    def _blank(self, row: int) -> None:
        for name, array in self.rows.items():
            array[row] = _empty(name)
        self.saved[row] = NEVER

    def _allot_window(self) -> int:
        if self._free_windows:
            window = self._free_windows.pop()
        else:
            window = self._window_end
            self._window_end += 1
            if window >= len(self.buckets):
                self.windows = {name: roomy(array, window + 1, 0) for name, array in self.windows.items()}
                self.buckets = roomy(self.buckets, window + 1, np.nan)
        self.windows["bucket"][window] = NEVER
        self.buckets[window] = np.nan
        return window

    def _allot_look(self) -> int:
        if self._free_looks:
            look = self._free_looks.pop()
        else:
            look, self._look_end = self._look_end, self._look_end + 1
            self.looks = {name: roomy(array, self._look_end, _empty(name)) for name, array in self.looks.items()}
            self.kept = broad(self.kept, self._look_end)
        for name, array in self.looks.items():
            array[look] = _empty(name)
        self.kept[:, look] = 0
        return look

    def _allot_links(self, count: int) -> int:
        free = self._free_links.get(count)
        if free:
            start = free.pop()
        else:
            start = self._link_end
            self._link_end += count
            self.links = {name: roomy(array, self._link_end, 0) for name, array in self.links.items()}
        for name, array in self.links.items():
            array[start : start + count] = np.nan if name == "value" else NEVER if name in {"ts", "stirred"} else 0
        self.links["block"][start : start + count] = NEVER
        return start

    def pack_many(self, rows: Ints) -> list[bytes]:
        """Rows of one kind with their windows and links; each begins with the check of its limits."""
        kind = int(self.kind[rows[0]])
        start = bytes([FORMAT]) + np.uint32(self.kinds.checks[kind]).tobytes()
        raw = np.zeros((len(rows), self._size(kind)), dtype=np.uint8)
        raw[:, :5] = np.frombuffer(start, dtype=np.uint8)
        at = 5
        for array, where in self._places(rows, kind):
            found = np.ascontiguousarray(array[where]).view(np.uint8).reshape(len(rows), -1)
            raw[:, at : at + found.shape[1]] = found
            at += found.shape[1]
        return cut(raw)

    def unpack_many(self, rows: Ints, raw: npt.NDArray[np.uint8]) -> bool:
        """Take what `pack_many` gave of rows of one kind; of other limits, or of the format before, nothing.

        Returns:
            False: not readable.
        """
        if not raw.shape[1]:
            return False
        old = raw[:, 0] == FORMAT - 1
        if old.any():
            rows, raw = rows[~old], raw[~old]
        if not len(rows):
            return True
        if raw.shape[1] < 5 or (raw[:, 0] != FORMAT).any():
            return False
        kind = int(self.kind[rows[0]])
        mine = raw[:, 1:5].copy().view(np.uint32)[:, 0] == self.kinds.checks[kind]
        rows, raw = rows[mine], raw[mine]
        if not len(rows):
            return True
        if raw.shape[1] != self._size(kind):
            return False
        at = 5
        for array, where in self._places(rows, kind):
            shape = (len(rows), *array.shape[1:])
            size = int(np.prod(array.shape[1:], dtype=np.int64)) * array.dtype.itemsize
            array[where] = raw[:, at : at + size].copy().view(array.dtype).reshape(shape)
            at += size
        return True

    def _places(self, rows: Ints, kind: int) -> list[tuple[npt.NDArray[Any], Ints]]:
        """The arrays in which something of rows of one kind stands, and where, in the order of their packing."""
        found: list[tuple[npt.NDArray[Any], Ints]] = [(array, rows) for array in self.rows.values()]
        if self.kinds.looks[kind]:
            look = self.look[rows].astype(np.int64)
            found += [(array, look) for array in (*self.looks.values(), self.kept.T)]
        if self.kinds.spans[0, kind]:
            window = self.window[rows].astype(np.int64)
            found += [(array, window) for array in (*self.windows.values(), self.buckets)]
        first = self.first_link[rows].astype(np.int64)
        for number in range(len(self.kinds.limits[kind].links)):
            found += [(array, first + number) for array in self.links.values()]
        return found

    def _size(self, kind: int) -> int:
        """Bytes of a packed row of a kind."""
        places = self._places(np.zeros(0, dtype=np.int64), kind)
        return 5 + sum(int(np.prod(array.shape[1:], dtype=np.int64)) * array.dtype.itemsize for array, _ in places)


FORMAT = 2
