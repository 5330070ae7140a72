"""Whether this gateway's own clock may be believed: the kernel says that NTP steers it, or the cloud's time agrees."""

import ctypes
from email.utils import parsedate_to_datetime

from wire.time import now_ms, to_ms

NEAR_MS = 30_000
_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 512  # struct timex is 208 bytes with 64-bit longs


class ClockTrust:
    """Facts about our clock; nothing here sets it."""

    def __init__(self) -> None:
        self._cloud_offset_ms: int | None = None

    def cloud_said(self, date: str) -> None:
        """A Date header of the cloud."""
        try:
            self._cloud_offset_ms = now_ms() - to_ms(parsedate_to_datetime(date))
        except (ValueError, TypeError):
            return

    @property
    def offset_s(self) -> float | None:
        """Ours minus the cloud's; None while it has not spoken."""
        return None if self._cloud_offset_ms is None else self._cloud_offset_ms / 1000

    @property
    def trusted(self) -> bool:
        """The cloud's word goes before the kernel's."""
        if self._cloud_offset_ms is not None:
            return abs(self._cloud_offset_ms) <= NEAR_MS
        return _kernel_synchronised()


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
