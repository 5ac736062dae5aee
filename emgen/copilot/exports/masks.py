"""The label images of a session in one archive."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

from emgen.copilot.exports.session import Session
from emgen.files import replacing

_LONGEST = 100
_UNWANTED = re.compile(r"[\x00-\x1f\x7f<>:\"/\\|?*]+")
"""In names of files, on any system."""
_SUFFIX = re.compile(r"\.[A-Za-z]\w{,4}$")


def write_masks(session: Session, path: Path) -> None:
    """``<number>_<name>_labels.tif`` of each answered frame, as they lie in the session: TIFF is compressed already."""
    lost = 0
    with replacing(path) as partial, ZipFile(partial, "w", ZIP_STORED, strict_timestamps=False) as archive:
        for row in session.answered():
            try:
                archive.write(session.places.labels_file(row["id"]), entry_name(row["id"], row["name"]))
            except FileNotFoundError:
                lost += 1
    if lost:
        session.tell(f"{path.name}: of {lost} frames the labels are gone from the session's folder")


def entry_name(frame: int, name: str) -> str:
    """A file name and never a path, whatever the frame is called.

    >>> entry_name(7, "../grid: 3/area 1.tif"), entry_name(8, "..")
    ('00000007_grid_ 3_area 1_labels.tif', '00000008_labels.tif')
    """
    stem = _UNWANTED.sub("_", _SUFFIX.sub("", name)).strip("._ ")[:_LONGEST].rstrip()
    return f"{frame:08d}_{stem}_labels.tif" if stem else f"{frame:08d}_labels.tif"
