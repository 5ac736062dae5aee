"""Uploads in pieces: a cut connection goes on where it broke, and what was sent twice is there once."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emgen.copilot.header import Header
from emgen.copilot.incoming import MEGABYTE, Incoming
from emgen.copilot.intake import Intake
from emgen.copilot.journal import Arrival, Journal
from emgen.copilot.places import Places
from emgen.copilot.stalls import writing
from emgen.errors import DataError

ORIGIN = "http"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class WrongOffsetError(Exception):
    """The piece does not begin where the upload ends; ``offset`` says where that is."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the upload goes on from byte {offset}")
        self.offset = offset


class TooLargeError(DataError):
    """More than the service takes in one file."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Of an upload: ``new``, ``partial`` or ``accepted``, and how many bytes are there."""

    offset: int
    state: str
    frames: tuple[int, ...] = ()
    is_known: bool = False

    def told(self) -> dict[str, Any]:
        return {"offset": self.offset, "state": self.state, "frames": list(self.frames), "known": self.is_known}


class Uploads:
    """``limit``: bytes of one file."""

    def __init__(self, journal: Journal, places: Places, intake: Intake, limit: int) -> None:
        self._journal, self._places, self._intake, self.limit = journal, places, intake, limit
        self._lock = threading.RLock()

    def stand(self, digest: str) -> Stand:
        """Raises ``DataError`` for what is no SHA-256."""
        partial = self._partial(digest)
        if known := self._journal.file_of(digest):
            return Stand(known["size"] or 0, "accepted", tuple(known["frames"]), True)
        return Stand(partial.stat().st_size, "partial") if partial.exists() else Stand(0, "new")

    def body(self, coming: int = 0) -> Incoming:
        """For what a request brings; ``coming``: bytes, as far as that is known."""
        return self._intake.body(coming)

    def add(self, digest: str, offset: int, piece: Incoming, header: Header) -> Stand:
        """A piece, complete; with the last one the file is taken in.

        Raises ``WrongOffsetError``, ``TooLargeError``, ``DataError`` (refused for good; journalled), ``StalledError``.
        """
        with self._lock:
            stand = self.stand(digest)
            if stand.state == "accepted":
                return stand
            end = offset + piece.size
            size = header.size if header.size is not None else end
            self._check_size(header.name, max(size, end))
            if offset != stand.offset:
                raise WrongOffsetError(stand.offset)
            self._intake.check_room(size - end)
            partial = self._partial(digest)
            with writing(self._places.root):
                _append(piece, partial)
            if end < size:
                return Stand(end, "partial")
            if _sha256(partial) != digest:
                partial.unlink()
                raise WrongOffsetError(0)  # damaged on the way: send it again from the start
            return self._finish(partial, digest, size, header)

    def _check_size(self, name: str, size: int) -> None:
        if size > self.limit:
            raise TooLargeError(f"{name}: {size} bytes; the service takes {self.limit} at most.")

    def _finish(self, partial: Path, digest: str, size: int, header: Header) -> Stand:
        arrival = Arrival(ORIGIN, header.name, size)
        try:
            taken = self._intake.take_stored(partial, digest, arrival, header, header.closed_at)
        except DataError as error:
            partial.unlink(missing_ok=True)
            self._journal.refuse(arrival, str(error))
            raise
        partial.unlink(missing_ok=True)
        return Stand(size, "accepted", tuple(taken.frames), taken.is_known)

    def take_whole(self, body: Incoming, header: Header) -> Stand:
        """A file in one piece, complete. Raises as ``add``."""
        self._check_size(header.name, body.size)
        with self._lock:
            stand = self.stand(body.digest)
            if stand.state == "accepted":
                return stand
            self._partial(body.digest).unlink(missing_ok=True)
            header = header.model_copy(update={"size": body.size})
            return self._finish(body.path, body.digest, body.size, header)

    def _partial(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise DataError(f"uploads/{digest[:80]}: not a SHA-256 in small hexadecimal digits.")
        return self._places.uploads / f"{digest}.part"


def _append(piece: Incoming, partial: Path) -> None:
    """The first piece becomes the file."""
    if not partial.exists():
        os.replace(piece.path, partial)
        return
    with piece.path.open("rb") as read, partial.open("ab") as file:
        while block := read.read(MEGABYTE):
            file.write(block)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
