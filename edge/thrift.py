"""Memory of a process that runs for months: what the allocators keep for later is bounded."""

import ctypes
import gc
import sys

_TRIM, _MMAP, _ARENAS = -1, -3, -8
"""M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX of glibc's malloc.h."""
MMAP_BYTES = 131_072
"""Larger blocks go back to the system when they are freed. glibc would raise this by itself with each that is."""


def begin() -> None:
    """At the start, before memory is used: one heap for all threads, large blocks apart. glibc only; else nothing."""
    libc = _libc()
    if libc is not None:
        libc.mallopt(_ARENAS, 1)
        libc.mallopt(_MMAP, MMAP_BYTES)
        libc.mallopt(_TRIM, MMAP_BYTES)


def settle() -> None:
    """When all is set up: what the start left goes back; what lasts is not looked at by the collector any more.

    Messages never form cycles, so the collector has little to find from here on and looks seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)


def _libc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
