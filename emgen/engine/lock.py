"""One writer per artifact, also across processes. The operating system frees the lock when its holder dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emgen.errors import Interrupted

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(
    path: Path, *, should_stop: Callable[[], bool] = lambda: False, waiting: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Holds the lock file ``path``; waits for another holder (``waiting`` is called once), until asked to stop.

    The file itself is left behind: deleting it would let two processes hold two locks of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        told = False
        while not _taken(descriptor):
            if should_stop():
                raise Interrupted(f"stopped while another process writes {path.stem}")
            if not told:
                waiting()
                told = True
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """True when some process holds the lock now."""
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not _taken(descriptor)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        _take(descriptor)
    except OSError:
        return False
    return True
