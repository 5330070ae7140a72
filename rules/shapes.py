"""What follows from the channels of a batch alone, kept for when a batch of the same channels comes again.

A device's message has the same points every time, and a poll of all devices the same devices: which rules judge them
and where their state lies need not be found anew. Whoever keeps shapes clears them when rows come and go.
"""

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

MOST = 1024
"""Shapes kept, a few kilobytes each; more devices than this send messages that come together in batches."""
LARGE = 32
"""Of batches with more readings only the newest is kept: a poll comes again; what chance brought together does not."""


class Shapes(Generic[T]):
    """What was found, by channels."""

    def __init__(self) -> None:
        self._found: dict[bytes, T] = {}
        self._large: tuple[npt.NDArray[np.int32], T] | None = None

    def get(self, channel: npt.NDArray[np.int32]) -> T | None:
        """What was kept for these channels."""
        if len(channel) <= LARGE:
            return self._found.get(channel.tobytes())
        if self._large is not None and np.array_equal(self._large[0], channel):
            return self._large[1]
        return None

    def keep(self, channel: npt.NDArray[np.int32], found: T) -> T:
        """Keep what was found for these channels."""
        if len(channel) > LARGE:
            self._large = channel.copy(), found
            return found
        if len(self._found) >= MOST:
            self._found.clear()
        self._found[channel.tobytes()] = found
        return found

    def clear(self) -> None:
        """Rows came or went."""
        self._found.clear()
        self._large = None
