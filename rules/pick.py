"""Rows picked out of arrays, again and again: found once, read and written in stretches wherever they lie in a row.

Reading an array at ten thousand given places costs ten times as much as copying a stretch of it, and writing twenty
times. The rows of a poll lie regularly: of each rule those of all devices, in the order of the devices.
"""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rules.scan import Ints

T = TypeVar("T", bound=np.generic)

FEW = 128
"""So few rows are picked one by one."""
LONG = 32
"""Stretches are worth it when they are so long on the average."""

_Run = tuple[slice, slice]


class Pick:
    """Rows of arrays, by number; not to be written to."""

    __slots__ = ("_large", "_runs", "numbers")

    def __init__(self, numbers: Ints) -> None:
        """`numbers`: of the rows, in the order in which they are wanted."""
        numbers.flags.writeable = False
        self.numbers = numbers
        self._large = len(numbers) > FEW
        self._runs = runs(numbers) if self._large else None

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def regular(self) -> bool:
        """Whether they lie in stretches."""
        return self._runs is not None

    @property
    def stretch(self) -> slice | Ints:
        """The rows as one slice if they are one."""
        return self._runs[0][1] if self._runs is not None and len(self._runs) == 1 else self.numbers

    def of(self, array: npt.NDArray[T]) -> npt.NDArray[T]:
        """These rows of an array; a copy."""
        if self._runs is None:
            return array.take(self.numbers, axis=0, mode="clip") if self._large else array[self.numbers]
        found = np.empty((len(self.numbers), *array.shape[1:]), dtype=array.dtype)
        for here, there in self._runs:
            found[here] = array[there]
        return found

    def across(self, array: npt.NDArray[T]) -> npt.NDArray[T]:
        """These columns of an array of two dimensions; a copy."""
        if self._runs is None:
            return array.take(self.numbers, axis=1)
        found = np.empty((len(array), len(self.numbers)), dtype=array.dtype)
        for here, there in self._runs:
            found[:, here] = array[:, there]
        return found

    def put(self, array: npt.NDArray[Any], values: Any) -> None:
        """Write these rows of an array."""
        if self._runs is None:
            array[self.numbers] = values
        elif isinstance(values, np.ndarray) and values.ndim:
            for here, there in self._runs:
                array[there] = values[here]
        else:
            for _, there in self._runs:
                array[there] = values


def runs(numbers: Ints) -> list[_Run] | None:
    """The stretches of equal distance that numbers consist of, with where they go; None: too many."""
    count = len(numbers)
    step = np.diff(numbers)
    breaks = (step[1:] != step[:-1]).nonzero()[0]
    if len(breaks) * LONG > 2 * count or np.count_nonzero(step <= 0) * LONG > count:
        return None
    found: list[_Run] = []
    begin = 0
    ends = [*(breaks + 2).tolist(), count]  # a stretch that begins before a break ends behind its first step
    for end in ends:
        if end - begin < 2 and end < count:
            continue
        if end > begin:
            _add(found, numbers, begin, end)
            begin = end
    return found if len(found) * LONG <= count else None


def _add(found: list[_Run], numbers: Ints, begin: int, end: int) -> None:
    """One stretch; in two parts where its first number does not belong to the others."""
    low = int(numbers[begin])
    if end - begin == 1:
        found.append((slice(begin, end), slice(low, low + 1)))
        return
    step = int(numbers[begin + 1]) - low
    if step > 0 and int(numbers[end - 1]) - low == step * (end - 1 - begin):
        found.append((slice(begin, end), slice(low, int(numbers[end - 1]) + 1, step)))
        return
    _add(found, numbers, begin, begin + 1)
    _add(found, numbers, begin + 1, end)
