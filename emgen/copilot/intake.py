"""From bytes that arrive to a journalled frame: digest, a copy in the session's folder, a reader that accepts it.

The copy is what is segmented, so a file that is moved, changed or deleted the moment it was taken is answered all the
same. Files are told apart by the SHA-256 of their content: one that comes again, under another name or by another way,
is known and not answered twice.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.copilot.header import ArrayHeader, Header
from emgen.copilot.journal import Arrival, Journal, passes
from emgen.copilot.places import Places
from emgen.errors import DataError, OutputError

if TYPE_CHECKING:
    from emgen.host import Host

MEGABYTE = 1 << 20
_PLENTY = 1_000_000_000
"""Bytes: where so many are free besides the reserve, a file that does not fit is no reason to keep others waiting."""


class DiskFullError(OutputError):
    """Too little room is left for a session; intake waits until there is more."""


class NoRoomForItError(DiskFullError):
    """One file is larger than the room that is left; others fit."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came in: the numbers of its frames, and whether its content was there before."""

    frames: list[int]
    is_known: bool


class Intake:
    """``reserve``: bytes that stay free on the session's disk, for the journal and for results.

    ``pixel_size_nm``: of all frames; a file that states an impossible one is no reason to refuse it then.
    """

    def __init__(self, journal: Journal, places: Places, host: Host, reserve: int) -> None:
        self._journal, self._places, self._host, self._reserve = journal, places, host, reserve

    def check_room(self, coming: int = 0) -> None:
        """Raises ``DiskFullError`` where the reserve would be touched, ``NoRoomForItError`` by one huge file alone."""
        free = shutil.disk_usage(self._places.root).free
        if free - coming < self._reserve:
            if free - self._reserve > _PLENTY:
                raise NoRoomForItError(
                    f"{coming / 1e9:.2f} GB do not fit: {free / 1e9:.2f} GB are free on the session's disk, "
                    f"{self._reserve / 1e9:.2f} GB of them kept for results. Free some space."
                )
            raise DiskFullError(
                f"{self._places.root}: {free / 1e9:.2f} GB are free, {self._reserve / 1e9:.2f} GB are kept for "
                "results. Intake waits: free some space."
            )

    def take_file(self, path: Path, arrival: Arrival, header: Header, closed_at: float | None = None) -> Taken:
        """A watched file. It is copied; raises ``FileNotFoundError`` where it has vanished meanwhile.

        Raises ``DataError`` where no reader accepts it, ``DiskFullError``.
        """
        self._suffix(_last_part(header.name))  # before anything that is no micrograph is copied, however large it is
        self.check_room(path.stat().st_size)
        partial = self._places.uploads / f"{os.getpid()}-{time.monotonic_ns()}.taken"
        try:
            digest = _copied(path, partial)
            return self.take_stored(partial, digest, arrival, header, closed_at)
        except OSError as error:
            raise told(error, self._places.root) from error
        finally:
            partial.unlink(missing_ok=True)

    def take_stored(
        self, partial: Path, digest: str, arrival: Arrival, header: Header, closed_at: float | None = None
    ) -> Taken:
        """A file in ``uploads`` whose content has ``digest``; it is moved. Raises as ``take_file``."""
        facts = header.model_dump(exclude_none=True)
        if known := self._journal.file_of(digest):
            self._journal.accept(
                arrival, digest=digest, stored=known["stored"], frames=[], header=facts, closed_at=closed_at
            )
            return Taken(known["frames"], True)
        stored, frames = self._store(partial, digest, header)
        try:
            numbers, new = self._journal.accept(
                arrival, digest=digest, stored=stored, frames=frames, header=facts, closed_at=closed_at
            )
        except sqlite3.OperationalError as error:  # the stored file stays: the next try puts itself in its place
            if passes(error):
                raise DiskFullError(f"{self._places.root}: the journal cannot be written ({error}).") from error
            raise
        return Taken(numbers, not new)

    def _store(self, partial: Path, digest: str, header: Header) -> tuple[str, list[str]]:
        """Moves a file to its place and reads it: its name there, those of its frames. Nothing is left of a bad one."""
        name = _last_part(header.name)
        suffix = ".tif" if header.is_array else self._suffix(name)
        stored = self._places.stored(digest, suffix)
        place = self._places.frame_file(stored)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if header.is_array:
                write_array(place, partial.read_bytes(), header.array())
            else:
                os.replace(partial, place)
            count = self._readable_frames(place)
            _keep_through_power_cut(place)
        except DataError as error:
            place.unlink(missing_ok=True)
            raise type(error)(str(error).replace(str(place), name)) from error
        except OSError as error:
            place.unlink(missing_ok=True)
            raise told(error, self._places.root) from error
        stem = Path(name).stem or digest[:8]
        return stored, [stem] if count == 1 else [f"{stem}-{number + 1}" for number in range(count)]

    def _suffix(self, name: str) -> str:
        """Only one that an installed reader opens goes into a path. Raises ``UnreadableFileError``."""
        from emgen.data.opening import suffixes_of
        from emgen.errors import UnreadableFileError, listing

        known = suffixes_of(self._host)
        fitting = [suffix for suffix in known if name.lower().endswith(suffix)]
        if not fitting:
            raise UnreadableFileError(f"{name}: no installed reader opens such files (known: {listing(known)}).")
        return max(fitting, key=len)

    def _readable_frames(self, place: Path) -> int:
        """How many; the first and the last are read, as a file that was cut off lacks its end."""
        from emgen.data.stack import open_file, read_frame

        frames = open_file(place, self._host)
        for number in sorted({0, len(frames) - 1}):
            read_frame(frames, number, place)
        return len(frames)


def write_array(place: Path, data: bytes, array: ArrayHeader) -> None:
    """A raw array as a TIFF, so that everything else reads it as any other file. Raises ``BadImageError``."""
    from emgen.errors import BadImageError
    from emgen.particles.write import write_tiff

    kind = np.dtype(array.dtype)
    wanted = int(np.prod(array.shape)) * kind.itemsize
    if len(data) != wanted:
        raise BadImageError(
            f"{place}: {len(data)} bytes; an array of {array.shape[0]} x {array.shape[1]} {kind} has {wanted}."
        )
    image_HW = np.frombuffer(data, kind).reshape(array.shape)
    image_HW = image_HW.astype(kind.newbyteorder("=")).astype(_writable(kind), copy=False)
    write_tiff(place, image_HW, array.pixel_size_nm, compression=None)


def _writable(kind: np.dtype[Any]) -> np.dtype[Any]:
    """TIFF readers know no half floats, and few know 64 bits."""
    if kind.kind == "f":
        return np.dtype("float32")
    return np.dtype("float32") if kind.itemsize == 8 else kind.newbyteorder("=")


def _copied(source: Path, target: Path) -> str:
    """The SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as written:
        while block := read.read(MEGABYTE):
            digest.update(block)
            written.write(block)
        written.flush()
        os.fsync(written.fileno())
    return digest.hexdigest()


def _last_part(name: str) -> str:
    """Of a path of any system."""
    return Path(name.replace("\\", "/")).name


def _keep_through_power_cut(place: Path) -> None:
    """Its content and its name are on the disk before anybody is told that the file was taken."""
    with place.open("r+b") as file:
        os.fsync(file.fileno())
    if os.name != "posix":
        return
    for folder in (place.parent, place.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def told(error: OSError, root: Path) -> Exception:
    """``DiskFullError`` where it means that; else the error itself."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"{root}: the disk is full. Intake waits: free some space.")
    return error


def header_of(facts: Mapping[str, Any]) -> Header:
    """Raises ``DataError`` naming the field."""
    from pydantic import ValidationError

    try:
        return Header(**facts)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "header"
        raise DataError(f"X-Emgen-Frame: {field}: {first['msg']}") from error
