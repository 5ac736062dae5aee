"""Why nothing can be written for now: a full disk, or one that refuses. Intake waits until that has passed."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emgen.errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ALLOW = "Intake waits: allow this user to write there."
_COME_BACK = "Intake waits: put the folder back, or the share that it lies on."
_FILES = "Intake waits: allow more open files (`ulimit -n`)."
_WAYS_OUT = {
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
    errno.EROFS: "Intake waits: mount it for writing; a disk that fails is often mounted so.",
    errno.ENOENT: _COME_BACK,
    errno.ENOTDIR: _COME_BACK,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}
_SEE_TO_IT = "Intake waits: see to the disk, or the share, that it lies on."


class StalledError(OutputError):
    """The session's disk takes nothing for now; intake waits until it does."""


class DiskFullError(StalledError):
    """Too little room is left for a session."""


class NoRoomForItError(DiskFullError):
    """One file is larger than what can be kept; others fit."""


class UnwritableError(StalledError):
    """There may be room, but files cannot be written: rights, a share that is away, a disk that fails."""


def is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _FULL


def told(error: OSError, root: Path) -> StalledError:
    """What a failed write means for the session in ``root``: which file, the cause, the way out."""
    if is_full(error):
        return DiskFullError(f"{root}: the disk is full. Intake waits: free some space.")
    if error.errno == errno.EFBIG:
        return NoRoomForItError(f"{root}: the file is larger than the file system there can hold. Choose another.")
    cause = error.strerror or str(error) or type(error).__name__
    way_out = _WAYS_OUT.get(error.errno or 0, _SEE_TO_IT)
    return UnwritableError(f"{error.filename or root}: cannot be written ({cause}). {way_out}")


def told_of_journal(error: sqlite3.OperationalError, journal: Path) -> StalledError:
    """The same of what SQLite refuses."""
    if "full" in str(error):
        return DiskFullError(f"{journal}: cannot be written ({error}). Intake waits: free some space.")
    way_out = "close the program that has it open" if "locked" in str(error) else "see to the disk that it lies on"
    return UnwritableError(f"{journal}: cannot be written ({error}). Intake waits: {way_out}.")


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Around what writes into the session alone: a fault of the disk becomes a ``StalledError``."""
    try:
        yield
    except StalledError:
        raise
    except OutputError as error:
        if isinstance(error.__cause__, OSError):
            raise told(error.__cause__, root) from error
        raise
    except OSError as error:
        raise told(error, root) from error
