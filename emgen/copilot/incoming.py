"""A file's content on its way in: on the session's disk from its first bytes on, as it may be larger than the memory.

One that is cut off, refused or too large leaves nothing behind, and what a killed service left is cleared away when the
next one starts.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from emgen.copilot.places import Places
from emgen.copilot.stalls import writing

ENDING = ".taken"
MEGABYTE = 1 << 20


class Incoming:
    """``with Incoming(...) as body``: at the end its file is gone, unless it was moved to where it stays.

    The file is there after ``end``; its digest grows while it is written. Not for two threads at once.

    Attributes
    ----------
    path: the file, in ``uploads``. size: bytes so far.
    """

    def __init__(self, places: Places, check_room: Callable[[int], None], coming: int = 0) -> None:
        """``check_room``: raises where so many bytes more do not fit. ``coming``: bytes in all, as far as is known."""
        self.path, self.size = places.uploads / f"{uuid.uuid4().hex}{ENDING}", 0
        self._root, self._check_room, self._coming = places.root, check_room, coming
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # whatever went wrong is told already
            if self._file is not None:
                self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def write(self, block: bytes) -> None:
        """Raises ``StalledError``, also where all that is still to come has no room."""
        self._check_room(max(len(block), self._coming - self.size))
        with writing(self._root):
            if self._file is None:
                self._file = self.path.open("xb")
            self._file.write(block)
        self._digest.update(block)
        self.size += len(block)

    def end(self, block: bytes = b"") -> None:
        """Complete with this. Raises ``StalledError``."""
        self.write(block)
        assert self._file is not None
        with writing(self._root):
            self._file.close()

    @property
    def digest(self) -> str:
        """SHA-256 of what was written."""
        return self._digest.hexdigest()
