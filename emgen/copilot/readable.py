"""Whether a file is a micrograph: a reader opens it, and its first and its last frame can be read."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from emgen.errors import UnreadableFileError

if TYPE_CHECKING:
    from emgen.host import Host

_PATIENCE_S = 120.0


class HangingReaderError(UnreadableFileError):
    """A reader does not come back from a file; another try would hang as well."""


def readable_frames(path: Path, host: Host) -> int:
    """How many. A reader that hangs is left behind, in a thread that keeps the process from nothing.

    Raises ``HangingReaderError``, and what the reader raises: ``DataError``.
    """
    found: list[int | BaseException] = []

    def read() -> None:
        try:
            found.append(_read(path, host))
        except BaseException as error:
            found.append(error)

    reading = threading.Thread(target=read, name="emgen-reader", daemon=True)
    reading.start()
    reading.join(_PATIENCE_S)
    if not found:
        raise HangingReaderError(
            f"{path}: its reader has not come back for {_PATIENCE_S:.0f} s. "
            "The file may be damaged: copy it again or leave it out."
        )
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _read(path: Path, host: Host) -> int:
    """The last frame too, as a file that was cut off lacks its end."""
    from emgen.data.stack import open_file, read_frame

    frames = open_file(path, host)
    for number in sorted({0, len(frames) - 1}):
        read_frame(frames, number, path)
    return len(frames)
