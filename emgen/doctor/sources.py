"""Micrographs as their files hold them, one at a time, for checks that must see what a run would refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emgen.data.micrograph import Micrograph, frame_name
from emgen.errors import DataError, UnreadableFileError

if TYPE_CHECKING:
    from emgen.host import Host


@dataclass(frozen=True, slots=True)
class Source:
    """One micrograph of a set. ``read()`` returns it as its file holds it; raises ``DataError``."""

    name: str
    path: Path
    read: Callable[[], Micrograph]


@dataclass(frozen=True, slots=True)
class Unopened:
    """A file of which nothing could be read, and why."""

    path: Path
    error: DataError


def open_sources(paths: Sequence[Path], host: Host) -> tuple[list[Source], list[Unopened]]:
    """Every micrograph in the files, and the files that do not open. Pixels are read by ``Source.read`` alone."""
    sources: list[Source] = []
    unopened: list[Unopened] = []
    for path in paths:
        try:
            sources += _frames(path, host)
        except DataError as error:
            unopened.append(Unopened(path, error))
    return sources, unopened


def _frames(path: Path, host: Host) -> list[Source]:
    from emgen.data.stack import open_file

    stack = open_file(path, host)
    return [Source(frame_name(path, i, len(stack)), path, _reader(stack, i, path)) for i in range(len(stack))]


def _reader(stack: Sequence[Micrograph], index: int, path: Path) -> Callable[[], Micrograph]:
    """Whatever a reader meets in a damaged file becomes an error that names it."""

    def read() -> Micrograph:
        try:
            return stack[index]
        except DataError:
            raise
        except Exception as error:
            raise UnreadableFileError(
                f"{path}: the file cannot be read ({type(error).__name__}: {error}). Copy it again or leave it out."
            ) from error

    return read
