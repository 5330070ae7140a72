"""What the streaming quality tests remember: arrays with a row for each tested channel, window and link.

A struct of arrays: each test touches only what it needs. A row costs about seventy bytes, a point with a spike or rate
test forty more, a window eighty more.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from rules.condition import NEVER
from rules.quality_declaration import Limits
from rules.scan import Bools, Floats, Ints, alone, roomy
from rules.shapes import Shapes

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


@dataclass(frozen=True, slots=True)
class Windowed:
    """Rows of a batch that have a window, and what is asked of each."""

    index: Ints | slice  # of the batch
    window: Ints
    kind: Ints  # one entry where all are the same, as of what follows
    part: Ints  # ms of a stretch
    least: Floats  # a narrower range is looked at
    alone: Bools  # and that without a witness


@dataclass(frozen=True, slots=True)
class Tested:
    """The rows of the memory of a batch, sorted unless alone; not to be written to."""

    at: Ints
    index: Ints | slice  # of the reading in the columns
    alone: bool  # no row stands twice
    kind: npt.NDArray[np.int32]  # limits of each; one entry where all rows have the same
    windowed: Windowed


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
        self.kept = np.zeros((0, KEPT), dtype=np.float32)  # by look
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
            self.kept = roomy(self.kept, self._look_end, 0)
        for name, array in self.looks.items():
            array[look] = _empty(name)
        self.kept[look] = 0
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

    def pack(self, row: int) -> bytes:
        """One row with its window and links; begins with the check of its limits."""
        parts: list[Sequence[npt.NDArray[Any]]] = [[array[row] for array in self.rows.values()]]
        look = int(self.look[row])
        if look >= 0:
            parts.append([array[look] for array in self.looks.values()])
            parts.append([self.kept[look]])
        window = int(self.window[row])
        if window >= 0:
            parts.append([array[window] for array in self.windows.values()])
            parts.append([self.buckets[window]])
        start, count = int(self.first_link[row]), int(self.link_count[row])
        parts += [[array[link] for array in self.links.values()] for link in range(start, start + count)]
        check = np.uint32(self.kinds.checks[int(self.kind[row])])
        return bytes([FORMAT]) + check.tobytes() + b"".join(each.tobytes() for part in parts for each in part)

    def unpack(self, row: int, packed: bytes) -> bool:
        """Take what `pack` gave; of other limits, or of the format before, nothing. False: not readable."""
        if packed[:1] == bytes([FORMAT - 1]):
            return True
        if len(packed) < 5 or packed[0] != FORMAT:
            return False
        if int(np.frombuffer(packed[1:5], dtype=np.uint32)[0]) != self.kinds.checks[int(self.kind[row])]:
            return True
        window, start, count = int(self.window[row]), int(self.first_link[row]), int(self.link_count[row])
        places: list[tuple[npt.NDArray[Any], int]] = [(array, row) for array in self.rows.values()]
        look = int(self.look[row])
        if look >= 0:
            places += [(array, look) for array in self.looks.values()]
            places.append((self.kept, look))
        if window >= 0:
            places += [(array, window) for array in self.windows.values()]
            places.append((self.buckets, window))
        places += [(array, link) for link in range(start, start + count) for array in self.links.values()]
        if len(packed) != 5 + sum(array[at].nbytes for array, at in places):
            return False
        offset = 5
        for array, at in places:
            size = array[at].nbytes
            array[at] = np.frombuffer(packed[offset : offset + size], dtype=array.dtype).reshape(array[at].shape)
            offset += size
        return True


FORMAT = 2
