"""How the C library treats freed memory."""

from __future__ import annotations

from functools import cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Of ``mallopt`` (glibc, malloc.h)."""
_LARGE, _PAD = 1 << 30, 64 << 20


@cache
def keep_freed_memory() -> bool:
    """Freed memory stays with this process and is used again; whether the C library does so when asked (glibc).

    By default glibc gives large blocks back at once, and the kernel then clears every page of the next array: of a
    2048² frame's segmentation that is a quarter of the time. What is kept is at most what was in use at once.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library; Windows
        return False
    return all([mallopt(_MMAP_THRESHOLD, _LARGE), mallopt(_TRIM_THRESHOLD, _LARGE), mallopt(_TOP_PAD, _PAD)])
