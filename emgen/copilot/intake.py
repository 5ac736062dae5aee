"""From bytes that arrive to a journalled frame: digest, a copy in the session's folder, a reader that accepts it.

The copy is what is segmented, so a file that is moved, changed or deleted the moment it was taken is answered all the
same. Files are told apart by the SHA-256 of their content: one that comes again, under another name or by another way,
is known and not answered twice.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.copilot.header import ArrayHeader, Header
from emgen.copilot.incoming import MEGABYTE, Incoming
from emgen.copilot.journal import Arrival, Journal, passes
from emgen.copilot.places import Places
from emgen.copilot.readable import readable_frames
from emgen.copilot.stalls import DiskFullError, NoRoomForItError, StalledError, told_of_journal, writing
from emgen.errors import DataError, UnreadableFileError

if TYPE_CHECKING:
    from emgen.host import Host

_PLENTY = 1_000_000_000
"""Bytes: where so many are free besides the reserve, a file that does not fit is no reason to keep others waiting."""
_TRIAL = ".emgen-writes-here"


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
        with writing(self._places.root):
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

    def check_disk(self) -> None:
        """Raises ``StalledError`` where there is no room, or files of frames or results cannot be written."""
        self.check_room()
        places = self._places
        with writing(places.root):
            for file in (places.uploads, places.frames, places.labels_file(0).parent, places.picture(0).parent):
                file.parent.mkdir(exist_ok=True)  # of the root none: where a share is away, nothing is to lie below it
                (file.parent / _TRIAL).write_bytes(b"x")
                (file.parent / _TRIAL).unlink()

    def body(self, coming: int = 0) -> Incoming:
        """For a file's content; ``coming``: bytes, as far as that is known."""
        return Incoming(self._places, self.check_room, coming)

    def take_file(self, path: Path, arrival: Arrival, header: Header, closed_at: float | None = None) -> Taken:
        """A watched file. It is copied; raises ``FileNotFoundError`` where it has vanished meanwhile.

        Raises ``DataError`` where no reader accepts it, ``StalledError``, ``OSError`` where it cannot be read.
        """
        self._suffix(_last_part(header.name))  # before anything that is no micrograph is copied, however large it is
        with self.body(path.stat().st_size) as body:
            _copy(path, body)
            return self.take_stored(body.path, body.digest, arrival, header, closed_at)

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
                raise told_of_journal(error, self._journal.path) from error
            raise
        return Taken(numbers, not new)

    def _store(self, partial: Path, digest: str, header: Header) -> tuple[str, list[str]]:
        """Moves a file to its place and reads it: its name there, those of its frames. Nothing is left of a bad one."""
        name = _last_part(header.name)
        suffix = ".tif" if header.is_array else self._suffix(name)
        stored = self._places.stored(digest, suffix)
        place = self._places.frame_file(stored)
        try:
            with writing(self._places.root):
                place.parent.mkdir(exist_ok=True)
                if header.is_array:
                    write_array(place, partial, header.array())
                else:
                    os.replace(partial, place)
                count = readable_frames(place, self._host)
                self._places.keep_through_power_cut(place)  # before anybody is told that it was taken
        except DataError as error:
            place.unlink(missing_ok=True)
            raise type(error)(str(error).replace(str(place), name)) from error
        except StalledError:
            with suppress(OSError):  # such as the one that is told already
                place.unlink(missing_ok=True)
            raise
        stem = Path(name).stem or digest[:8]
        return stored, [stem] if count == 1 else [f"{stem}-{number + 1}" for number in range(count)]

    def _suffix(self, name: str) -> str:
        """Only one that an installed reader opens goes into a path. Raises ``UnreadableFileError``."""
        from emgen.data.opening import suffixes_of
        from emgen.errors import listing

        known = suffixes_of(self._host)
        fitting = [suffix for suffix in known if name.lower().endswith(suffix)]
        if not fitting:
            raise UnreadableFileError(f"{name}: no installed reader opens such files (known: {listing(known)}).")
        return max(fitting, key=len)


def write_array(place: Path, raw: Path, array: ArrayHeader) -> None:
    """The raw array in ``raw`` as a TIFF, read as any other file. Raises ``BadImageError``, ``OutputError``."""
    from emgen.errors import BadImageError
    from emgen.particles.write import write_tiff

    kind = np.dtype(array.dtype)
    wanted = int(np.prod(array.shape)) * kind.itemsize
    if (size := raw.stat().st_size) != wanted:
        raise BadImageError(
            f"{place}: {size} bytes; an array of {array.shape[0]} x {array.shape[1]} {kind} has {wanted}."
        )
    image_HW = np.fromfile(raw, kind).reshape(array.shape)
    image_HW = image_HW.astype(kind.newbyteorder("="), copy=False).astype(_writable(kind), copy=False)
    write_tiff(place, image_HW, array.pixel_size_nm, compression=None)


def _writable(kind: np.dtype[Any]) -> np.dtype[Any]:
    """TIFF readers know no half floats, and few know 64 bits."""
    if kind.kind == "f":
        return np.dtype("float32")
    return np.dtype("float32") if kind.itemsize == 8 else kind.newbyteorder("=")


def _copy(source: Path, body: Incoming) -> None:
    with source.open("rb") as read:
        while block := read.read(MEGABYTE):
            body.write(block)
    body.end()


def _last_part(name: str) -> str:
    """Of a path of any system."""
    return Path(name.replace("\\", "/")).name


def header_of(facts: Mapping[str, Any]) -> Header:
    """Raises ``DataError`` naming the field."""
    from pydantic import ValidationError

    try:
        return Header(**facts)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "header"
        raise DataError(f"X-Emgen-Frame: {field}: {first['msg']}") from error
