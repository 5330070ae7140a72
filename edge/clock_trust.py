"""Whether this gateway's own clock may be believed: the kernel says that NTP steers it, or the cloud's time agrees."""

import ctypes
from email.utils import parsedate_to_datetime

from edge.steady_clock import NEAR_MS, SteadyClock
from wire.time import now_ms, to_ms

BUILT_MS = 1_735_689_600_000
"""1 January 2025: no true clock stands before it."""
_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 512  # struct timex is 208 bytes with 64-bit longs


class ClockTrust:
    """Facts about our clock; nothing here sets it.

    Args:
        steady: told what the cloud says; None: nobody is.
    """

    def __init__(self, steady: SteadyClock | None = None) -> None:
        self._steady = steady
        self._cloud_offset_ms: int | None = None

    def cloud_said(self, date: str) -> None:
        """A Date header of the cloud, in an answer that it gave to us."""
        try:
            cloud_ms = to_ms(parsedate_to_datetime(date))
        except (ValueError, TypeError):
            return
        if self._steady is not None:
            self._steady.cloud_said(cloud_ms)
        self._cloud_offset_ms = now_ms() - cloud_ms

    @property
    def offset_s(self) -> float | None:
        """Ours minus the cloud's; None while it has not spoken."""
        return None if self._cloud_offset_ms is None else self._cloud_offset_ms / 1000

    def fault(self, at_ms: int | None = None) -> str:
        """What is known to be wrong with our clock, in a sentence; empty: nothing is.

        A clock that nobody vouches for (`trusted`) may still be right; this is about one that cannot be.
        """
        said = "readings are judged by arrival, and clocks of devices look wrong by as much"
        if self._cloud_offset_ms is not None and abs(self._cloud_offset_ms) > NEAR_MS:
            return f"the clock of this gateway is {self._cloud_offset_ms / 1000:+.0f} s from the cloud's: {said}"
        if (now_ms() if at_ms is None else at_ms) < BUILT_MS:
            return f"the clock of this gateway is not set, it stands before 2025: {said}"
        return ""

    @property
    def trusted(self) -> bool:
        """The cloud's word goes before the kernel's."""
        if self._cloud_offset_ms is not None:
            return abs(self._cloud_offset_ms) <= NEAR_MS
        return now_ms() >= BUILT_MS and _kernel_synchronised()


def _kernel_synchronised() -> bool:
    """From adjtimex(2), read only: `modes` is 0, `status` is the fifth field."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state = libc.adjtimex(buffer)
    except (OSError, AttributeError):
        return False
    word = ctypes.sizeof(ctypes.c_long)
    status = int.from_bytes(buffer.raw[4 * word + word : 4 * word + word + 4], "little")
    # unsigned modes (padded to a long), long offset, freq, maxerror, esterror, int status
    return bool(state >= 0 and not status & _STA_UNSYNC)
