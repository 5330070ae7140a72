"""What is kept of the few: of rules that ever held, and of those that ever heard a late reading (`rules.condition`)."""

import numpy as np

from rules.scan import Ints, broad, roomy


class Holds:
    """Since when, and how many samples, by level and row. Row 0 is that of all who never held: it stays zero."""

    def __init__(self, levels: int) -> None:
        self.since = np.zeros((levels, 1), dtype=np.int64)
        self.samples = np.zeros((levels, 1), dtype=np.int16)
        self._free: list[int] = []
        self._end = 1

    def allot(self, count: int) -> Ints:
        """So many rows, all zero."""
        again = [self._free.pop() for _ in range(min(count, len(self._free)))]
        first, self._end = self._end, self._end + count - len(again)
        self.since, self.samples = broad(self.since, self._end), broad(self.samples, self._end)
        return np.array([*again, *range(first, self._end)], dtype=np.int64)

    def release(self, row: int) -> None:
        """Give a row back."""
        self.since[:, row] = self.samples[:, row] = 0
        self._free.append(row)


class Late:
    """What the second lane remembers: rows only of rules that ever saw a late reading."""

    def __init__(self, levels: int, never: int) -> None:
        """`never`: stands for 'no such instant'."""
        self._never = never
        self.late_at = np.zeros(0, dtype=np.int64)
        self.late_low = np.zeros((levels, 0), dtype=np.int64)
        self.late_high = np.zeros((levels, 0), dtype=np.int64)
        self.late_samples = np.zeros((levels, 0), dtype=np.int16)
        self.bits = np.zeros((levels, 0), dtype=np.uint8)
        self._free: list[int] = []
        self._end = 0

    def allot(self) -> int:
        """A row that knows nothing."""
        if self._free:
            row = self._free.pop()
        else:
            row, self._end = self._end, self._end + 1
            self.late_at = roomy(self.late_at, self._end, self._never)
            for name in ("late_low", "late_high", "late_samples", "bits"):
                setattr(self, name, broad(getattr(self, name), self._end))
        self.late_at[row] = self._never
        for array in (self.late_low, self.late_high, self.late_samples, self.bits):
            array[:, row] = 0
        return row

    def release(self, row: int) -> None:
        """Give a row back."""
        self._free.append(row)
