"""What can be made of a session, by file name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emgen.copilot.exports.masks import write_masks
from emgen.copilot.exports.report import write_report
from emgen.copilot.exports.session import Session
from emgen.copilot.exports.tables import write_frames_csv, write_particles_csv, write_particles_parquet
from emgen.copilot.exports.video import MOST, write_video
from emgen.errors import SpecError, did_you_mean, listing

KINDS = {
    "particles.csv": "One row a particle, as `emgen segment` writes it, with frame, time and model.",
    "particles.parquet": "The same for programs, with every digit.",
    "frames.csv": "One row a frame: what was found in it, when, and what became of it.",
    "masks.zip": "The label images (TIFF, one value a particle), by number and name.",
    "report.html": "One page to keep or send: sizes, lines against time, pictures, alarms, how it was made.",
    "session.webm": f"Video: outlines beside the growing size distribution; at most {MOST} frames, evenly chosen.",
}
_MAKERS: dict[str, Callable[[Session, Path], None]] = {
    "particles.csv": write_particles_csv,
    "particles.parquet": write_particles_parquet,
    "frames.csv": write_frames_csv,
    "masks.zip": write_masks,
    "report.html": write_report,
    "session.webm": write_video,
}


def checked(kind: str) -> str:
    """Raises ``SpecError`` where there is no such kind."""
    if kind not in KINDS:
        raise SpecError(f"{kind!r} is no export.{did_you_mean(kind, KINDS)} There are: {listing(KINDS)}.")
    return kind


def write_export(session: Session, kind: str, folder: Path) -> Path:
    """``<folder>/<kind>``. Raises ``OutputError``, ``SpecError``."""
    path = folder / checked(kind)
    _MAKERS[kind](session, path)
    return path
