"""The formats by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from emgen.errors import OutputError, did_you_mean, listing
from emgen.writing.coco import CocoWriter
from emgen.writing.ome_zarr import OmeZarrWriter
from emgen.writing.overlay import OverlayWriter
from emgen.writing.rois import RoiWriter
from emgen.writing.writer import Labelled, Writer, Writers
from emgen.writing.zarr_stacks import ZarrStacksWriter

FORMATS: Mapping[str, type[Writer]] = {
    "coco": CocoWriter,
    "ome-zarr": OmeZarrWriter,
    "overlay": OverlayWriter,
    "rois": RoiWriter,
    "zarr": ZarrStacksWriter,
}
"""What ``--write`` takes."""
STACKED = "zarr"
_GATHERING = ("coco",)


def gathering(name: str) -> bool:
    """Whether a format holds all micrographs in one file: then one process must add them, in their order."""
    return name in _GATHERING


def known_formats(texts: Iterable[str]) -> tuple[str, ...]:
    """Each once, in their order, from words or lists with commas.

    >>> known_formats(["rois,coco", "rois"])
    ('rois', 'coco')

    Raises ``OutputError`` for one that is not in ``FORMATS``.
    """
    names = [name.strip().lower() for text in texts for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FORMATS:
            raise OutputError(
                f'--write: there is no format "{name}" (known: {listing(FORMATS)}).{did_you_mean(name, FORMATS)}'
            )
    return tuple(dict.fromkeys(names))


def open_writers(formats: Iterable[str], folder: Path, stacks_to: str | None = None) -> Writers:
    """For a ``with`` block; the folder must stand when the first micrograph is added. ``stacks_to``: folder or URL of
    the Zarr stacks. Raises ``OutputError``."""
    names = known_formats(formats)
    return Writers(ZarrStacksWriter(folder, stacks_to) if name == STACKED else FORMATS[name](folder) for name in names)


def write_formats(formats: Sequence[str], folder: Path | str, micrographs: Iterable[Labelled]) -> list[Path]:
    """Write labelled micrographs, one at a time, in the formats named; returns the files and folders written.

    The folder is made where it is missing. Raises ``OutputError``: an unknown format, a name that is none for a file, a
    folder that cannot be written.
    """
    folder = Path(folder)
    writers = open_writers(formats, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error}). Choose another folder.") from error
    with writers:
        written = [path for labelled in micrographs for path in writers.add(labelled)]
    return written + writers.finished
