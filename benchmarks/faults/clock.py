"""A clock of the bench's own, shared by processes through a file: it may run fast, and be stepped for one of them.

Nothing here touches the host's clock. A *run of time* (`fast`) is seen by all, steady clocks included, as time that
passes; a *step* is seen by one process, in its wall clock alone, as a clock that was set.
"""

import mmap
import os
import struct
import time
from pathlib import Path

_ROW = struct.Struct("<qqqd")  # generation, real ns, shown ns, rate
_REAL_NS = time.time_ns  # kept: the launcher replaces the one in `time`


class Clock:
    """Reads (and, in the bench, sets) one clock file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        fresh = not path.exists()
        if fresh:
            path.write_bytes(bytes(64))
        handle = os.open(path, os.O_RDWR)
        self._map = mmap.mmap(handle, 64)
        os.close(handle)
        if fresh:
            now = _REAL_NS()
            self._write(2, now, now, 1.0)

    def _write(self, generation: int, real: int, shown: int, rate: float) -> None:
        self._map[32:40] = struct.pack("<q", generation - 1)  # odd: being written
        self._map[:32] = _ROW.pack(generation, real, shown, rate)
        self._map[32:40] = struct.pack("<q", generation)

    def _read(self) -> tuple[int, int, int, float]:
        while True:
            row = _ROW.unpack(self._map[:32])
            if row[0] == struct.unpack("<q", self._map[32:40])[0]:
                return row

    def now_ns(self) -> int:
        """What this clock shows."""
        _, real, shown, rate = self._read()
        return shown + int((_REAL_NS() - real) * rate)

    def now_ms(self) -> int:
        """What this clock shows."""
        return self.now_ns() // 1_000_000

    def fast(self, rate: float) -> None:
        """From now on it runs so many times as fast; 1: as the host's."""
        generation = self._read()[0]
        self._write(generation + 2, _REAL_NS(), self.now_ns(), rate)

    def step(self, seconds: float) -> None:
        """Set it: that much later, or earlier."""
        generation, _, _, rate = self._read()
        self._write(generation + 2, _REAL_NS(), self.now_ns() + int(seconds * 1e9), rate)
