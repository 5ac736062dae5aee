"""Where a session's files lie. Every name is made of numbers and digests: nothing from outside becomes a path."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emgen.files import make_folder

_A_FOLDER = 1000
_INSIDE = "{session}/"
"""Begins the place of a model inside the session's folder, in the journal."""


@dataclass(frozen=True, slots=True)
class Places:
    """Of the session in ``root``."""

    root: Path

    def make(self) -> None:
        """Raises ``OutputError``."""
        for folder in (self.root, self.frames, self.uploads, self.exports, self.adaptations):
            make_folder(folder)

    @property
    def frames(self) -> Path:
        return self.root / "frames"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def adaptations(self) -> Path:
        return self.root / "adaptations"

    def stored(self, digest: str, suffix: str) -> str:
        """Of a file's content, relative to ``frames``. ``suffix``: of an installed reader."""
        return f"{digest[:2]}/{digest}{suffix}"

    def frame_file(self, stored: str) -> Path:
        return self.frames / stored

    def labels(self, frame: int) -> tuple[Path, str]:
        """Folder and stem of ``<stem>_labels.tif``."""
        return self.root / "labels" / f"{frame // _A_FOLDER:05d}", f"{frame:08d}"

    def labels_file(self, frame: int) -> Path:
        folder, stem = self.labels(frame)
        return folder / f"{stem}_labels.tif"

    def picture(self, frame: int) -> Path:
        """The micrograph to look at."""
        return self.root / "pictures" / f"{frame // _A_FOLDER:05d}" / f"{frame:08d}.jpg"

    def contours(self, frame: int) -> Path:
        """Outlines on a transparent ground, of the picture's size."""
        return self.root / "pictures" / f"{frame // _A_FOLDER:05d}" / f"{frame:08d}.png"

    def portable(self, place: str) -> str:
        """Of a model, as the journal keeps it: inside the session's folder from there on, as the folder may be moved.

        >>> Places(Path("/data/today")).portable("pretrained")
        'pretrained'
        """
        if not os.path.exists(place):  # a shipped name is no path below the folder that one happens to be in
            return place
        for plain in (os.path.abspath, os.path.realpath):
            inside, root = Path(plain(place)), Path(plain(self.root))
            if inside.is_relative_to(root):
                return _INSIDE + inside.relative_to(root).as_posix()
        return place

    def usable(self, place: str) -> str:
        """What ``portable`` gave, as a path where the folder is now.

        Journals were once written with absolute places: of an adaptation that was made in this folder, it is found too.
        """
        root = Path(os.path.abspath(self.root))
        if place.startswith(_INSIDE):
            return str(root / place.removeprefix(_INSIDE))
        if not os.path.isabs(place) or os.path.exists(place):
            return place
        _, _, below = place.rpartition(f"{os.sep}{self.adaptations.name}{os.sep}")
        here = root / self.adaptations.name / below
        return str(here) if below and here.exists() and place in self._made() else place

    def _made(self) -> set[str]:
        """Where the models of adaptations were when they were made; those of another session have the same numbers."""
        from emgen.copilot.adapting import OUTCOME

        made: set[str] = set()
        for outcome in self.adaptations.glob(f"*/{OUTCOME}"):
            with suppress(OSError, ValueError):
                made.add(json.loads(outcome.read_text(encoding="utf-8")).get("model"))
        return made

    def keep_through_power_cut(self, *files: Path, each: Callable[..., Iterable[None]] = map) -> None:
        """Their content and their names are on the disk when this returns. Raises ``OSError`` naming the file.

        ``each``: as ``map``; a pool's waits for all of them at once.
        """
        folders = {folder for file in files for folder in file.parents if folder.is_relative_to(self.root)}
        list(each(_sync, (*files, *(folders if os.name == "posix" else ()))))


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
