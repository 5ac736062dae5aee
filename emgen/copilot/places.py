"""Where a session's files lie. Every name is made of numbers and digests: nothing from outside becomes a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emgen.files import make_folder

_A_FOLDER = 1000


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
