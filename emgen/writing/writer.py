"""What a format is: something that takes one micrograph after the other and holds none of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from emgen.stages import LabelArray


@dataclass(frozen=True, slots=True)
class StackOf:
    """The file that a micrograph is a frame of: its name, its frames, and their size where that was looked up."""

    name: str
    frames: int = 1
    shape_HW: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A micrograph with its particles, as every format takes it.

    Attributes
    ----------
    name: names the results; no path.
    label_HW: int32 instances, 0 background.
    image_HW: the micrograph in its file's own type, ``None`` where there are only masks.
    pixel_size_nm: side of a pixel, ``None`` where unknown.
    source: the file that the labels are of; ``frame``: which of its pictures; ``stack``: what all of them are, ``None``
        where the micrograph counts alone.
    """

    name: str
    label_HW: LabelArray
    image_HW: NDArray[Any] | None = None
    pixel_size_nm: float | None = None
    source: Path | None = None
    frame: int = 0
    stack: StackOf | None = None

    def without_image(self) -> Labelled:
        return replace(self, image_HW=None)


class Writer(Protocol):
    """One format. Made with the folder of the results, which stands.

    ``add`` and ``finish`` return the files that they have written, and raise ``OutputError``. What is written for one
    micrograph is complete when ``add`` returns; what is written for all of them, when ``finish`` does. Nothing keeps an
    image or its labels, so a movie of any length takes the memory of a frame.
    """

    def __init__(self, folder: Path) -> None: ...

    def paths(self, name: str, stack: StackOf | None = None) -> Sequence[Path]:
        """Where the results of a micrograph of that name go, to see beforehand whether they would replace an input."""

    def add(self, labelled: Labelled) -> Sequence[Path]: ...

    def finish(self) -> Sequence[Path]: ...


class Writers:
    """Several formats at once, for a ``with`` block.

    At its end each is finished, after a failure too, so that what was added is there to be opened.
    """

    def __init__(self, writers: Iterable[Writer] = ()) -> None:
        self._writers = list(writers)
        self.finished: list[Path] = []

    def paths(self, name: str, stack: StackOf | None = None) -> list[Path]:
        return [path for writer in self._writers for path in writer.paths(name, stack)]

    def add(self, labelled: Labelled) -> list[Path]:
        """The files written for this micrograph."""
        return [path for writer in self._writers for path in writer.add(labelled)]

    def finish(self) -> list[Path]:
        """The files written for all. One format that cannot be finished does not keep the others from it."""
        with ExitStack() as all_of_them:
            for writer in reversed(self._writers):
                all_of_them.callback(self._finish, writer)
        return self.finished

    def _finish(self, writer: Writer) -> None:
        self.finished.extend(writer.finish())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()
