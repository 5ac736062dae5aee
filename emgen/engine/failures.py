"""What an exception inside a step becomes: a text that names the culprit and the command that resumes."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from emgen.errors import (
    DataError,
    EmgenError,
    Interrupted,
    NoParticlesError,
    OutputError,
    PreflightError,
    StageFailedError,
)

if TYPE_CHECKING:
    from emgen.host import Registered

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
_SAYS_ALL = (DataError, NoParticlesError, OutputError, PreflightError)
"""Errors about the user's input or disk, not about a plugin: they are shown as they are."""


def translate(error: BaseException, *, label: str, who: Registered | None, partial: Path, resume: str) -> EmgenError:
    """The error to raise in the place of ``error``; chain it with ``from error``."""
    kept = f"What was done is kept. Resume with:\n  {resume}"
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return Interrupted(f"{label}: {error or 'stopped'}. {kept}")
    if disk := disk_trouble(error):
        return OutputError(f"{label}: {disk} while writing {partial}. Free some space or choose another folder. {kept}")
    if isinstance(error, _SAYS_ALL):
        return error
    made_by = who.label if who else "emgen itself"
    return StageFailedError(
        f"{label} failed, in the {made_by}: {_one_line(error)}\nIts unfinished artifact: {partial}\n{kept}"
    )


def disk_trouble(error: BaseException) -> str | None:
    """What the disk said, searched down the chain of causes; libraries wrap it, some in text only."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _NO_ROOM:
            return seen.strerror
        if "No space left on device" in str(seen):
            return "No space left on device"
        seen = seen.__cause__ or seen.__context__
    return None


def _one_line(error: BaseException) -> str:
    return str(error) if isinstance(error, EmgenError) else f"{type(error).__name__}: {error}"
