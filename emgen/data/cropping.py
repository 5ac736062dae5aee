"""Data bars are cropped where micrographs are read: one place for every command."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from emgen.data.bars import HIGHEST, find_bar
from emgen.data.micrograph import Micrograph
from emgen.errors import SpecError

SWITCH = "EMGEN_DATA_BARS"
"""Environment variable: ``crop`` (the default) or ``keep``."""


def bars_are_kept() -> bool:
    """Whether the user switched the cropping off. Raises ``SpecError`` for a value that means nothing."""
    value = os.environ.get(SWITCH, "crop") or "crop"
    if value not in ("crop", "keep"):
        raise SpecError(f'{SWITCH} is "{value}"; it may be "crop" or "keep".')
    return value == "keep"


def crop_bar(micrograph: Micrograph) -> Micrograph:
    """The micrograph without the data bar at its bottom, which ``notes`` then tell; itself where there is none.

    What the file says goes before what the pixels show: ``image_rows`` of its metadata. ``uncropped_HW`` in the
    metadata of the result is the size that the file's image had.
    """
    image_HW = micrograph.image_HW
    rows, source = _bar(image_HW, micrograph.metadata.get("image_rows"))
    if not rows or bars_are_kept():
        return micrograph
    height, width = image_HW.shape
    note = f"data bar cropped: {rows} rows at the bottom, {source}; results have the cropped size"
    metadata = {
        **micrograph.metadata,
        "notes": (*micrograph.metadata.get("notes", ()), note),
        "uncropped_HW": (height, width),
    }
    return replace(micrograph, image_HW=image_HW[: height - rows], metadata=metadata)


def _bar(image_HW: NDArray[Any], stated: Any) -> tuple[int, str]:
    height = image_HW.shape[0]
    if isinstance(stated, int) and 0 < height - stated <= HIGHEST * height:
        return height - stated, "as the file says"
    if stated == height:
        return 0, ""
    return find_bar(image_HW), "found by its text on a drawn ground"
