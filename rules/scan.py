"""Segmented scans: what the judgement needs of "for each reading in order" without a Python loop.

Rows are sorted by segment (a segment is one rule on one device), in order of arrival inside it. Everything here is
plain numpy over all segments at once, so that a burst of one device costs what the same number of devices costs.
"""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

T = TypeVar("T", bound=np.generic)

_HEADROOM = 2**62


def some(flags: Bools) -> bool:
    """Whether any is true; a tenth of what `any` costs of the few flags of one message."""
    return 1 in flags.tobytes()


def every(flags: Bools) -> bool:
    """Whether all are true; see `some`."""
    return 0 not in flags.tobytes()


def inside(numbers: npt.NDArray[np.int32], count: int) -> bool:
    """Whether all are numbers of `count` things."""
    return not some(numbers.view(np.uint32) >= count)  # what is negative is large then


def sure(values: Floats) -> Floats:
    """The values, 0 where one is NaN."""
    return np.where(np.isnan(values), 0.0, values)


def firsts(segment: npt.NDArray[np.integer]) -> Bools:
    """True at the first row of each segment; `segment` is sorted."""
    first = np.empty(len(segment), dtype=np.bool_)
    if len(segment):
        first[0] = True
        np.not_equal(segment[1:], segment[:-1], out=first[1:])
    return first


def lasts(first: Bools) -> Bools:
    """True at the last row of each segment, from the firsts."""
    last = np.empty_like(first)
    if len(first):
        last[-1] = True
        last[:-1] = first[1:]
    return last


def marked_before(mark: Bools) -> Ints:
    """For each row the index of the newest marked row up to and including it; row 0 must be marked."""
    if every(mark):
        return np.arange(len(mark))
    index = np.where(mark, np.arange(len(mark)), 0)
    return np.maximum.accumulate(index)


def previous(values: npt.NDArray[T], first: Bools, carried: npt.NDArray[T]) -> npt.NDArray[T]:
    """The value of the row before; at the first row of a segment what is carried from the batch before."""
    if every(first):
        return carried.astype(values.dtype)
    shifted = np.empty_like(values)
    if len(values):
        shifted[1:] = values[:-1]
        shifted[first] = carried[first]
    return shifted


def sums_since(amount: Ints, mark: Bools, carried: Ints) -> Ints:
    """Running sum from the newest mark on, `carried` being what a marked row starts with (its own amount included)."""
    if every(mark):
        return carried.astype(np.int64)
    total = np.cumsum(amount)
    start = marked_before(mark)
    return total - total[start] + carried[start]


def maximum_since(values: Ints, mark: Bools) -> Ints:
    """Running maximum from the newest mark on."""
    if every(mark):
        return values.copy()
    group = np.cumsum(mark) - 1
    low = int(values.min())
    span = int(values.max()) - low + 1
    if span * (int(group[-1]) + 1) < _HEADROOM:
        offset = group * span - low
        return np.asarray(np.maximum.accumulate(values + offset) - offset)
    levels, rank = np.unique(values, return_inverse=True)
    offset = group * len(levels)
    return np.asarray(levels[np.maximum.accumulate(rank + offset) - offset])


def minimum_since(values: Ints, mark: Bools) -> Ints:
    """Running minimum from the newest mark on."""
    return -maximum_since(-values, mark)


def first_not_below(values: Ints, low: Ints, high: Ints, target: Ints) -> Ints:
    """Binary search in many sorted stretches: the first index in [low, high) with value >= target, else high."""
    low, high = low.copy(), high.copy()
    while True:
        open_ = low < high
        if not some(open_):
            return low
        middle = (low + high) // 2
        below = open_ & (values[np.minimum(middle, len(values) - 1)] < target)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)


def ordinal(values: npt.NDArray[np.float32]) -> Ints:
    """Whole numbers in the order of the floats, so that running extremes of floats are those of whole numbers."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits >= 0, bits, -(2**31) - bits)


def of_ordinal(numbers: Ints) -> npt.NDArray[np.float32]:
    """The floats that `ordinal` made numbers of."""
    bits = np.where(numbers >= 0, numbers, -(2**31) - numbers)
    return bits.astype(np.int32).view(np.float32)


def spread(count: Ints) -> tuple[Ints, Ints]:
    """Rows repeated: for each repetition the index of its row, and its number within the row."""
    row = np.repeat(np.arange(len(count)), count)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)


def roomy(array: npt.NDArray[Any], needed: int, fill: Any) -> npt.NDArray[Any]:
    """The array with room for `needed` rows, a sixteenth as large again when it grows."""
    if needed <= len(array):
        return array
    grown = np.empty((max(64, needed, len(array) * 17 // 16), *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    grown[len(array) :] = fill
    return grown


def broad(array: npt.NDArray[Any], needed: int) -> npt.NDArray[Any]:
    """As `roomy`, of columns: room for so many, filled with zeros."""
    if needed <= array.shape[1]:
        return array
    grown = np.zeros((len(array), max(64, needed, array.shape[1] * 17 // 16)), dtype=array.dtype)
    grown[:, : array.shape[1]] = array
    return grown


def cut(rows: npt.NDArray[Any]) -> list[bytes]:
    """The bytes of each row of an array."""
    raw = rows.tobytes()
    size = len(raw) // max(len(rows), 1)
    return [raw[at : at + size] for at in range(0, len(raw), size)] if size else [b""] * len(rows)


def keep_heap() -> None:
    """Let the arrays of a large batch be taken from the heap again and again.

    Who frees a block of this size tells glibc (mallopt(3), M_MMAP_THRESHOLD) that such come and go; until then their
    memory is given back to the kernel, and paged in anew, at every step. Elsewhere this does nothing.
    """
    np.empty(8 << 20, dtype=np.uint8)


def alone(numbers: npt.NDArray[np.integer], scratch: npt.NDArray[np.int32]) -> bool:
    """Whether no number stands twice; `scratch` has a place for each, what is in it does not matter."""
    count = np.arange(len(numbers), dtype=np.int32)
    scratch[numbers] = count
    return every(scratch[numbers] == count)
