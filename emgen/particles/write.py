"""Masks and labels as TIFF files that every image program opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.errors import OutputError
from emgen.stages import LabelArray

CENTIMETRE_NM = 1e7


def mask_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}_mask.tif"


def labels_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}_labels.tif"


def write_mask(folder: Path, stem: str, label_HW: LabelArray, pixel_size_nm: float | None = None) -> Path:
    """``<stem>_mask.tif``: uint8, 255 on particles, 0 elsewhere. Raises ``OutputError``."""
    return _write(mask_path(folder, stem), np.where(label_HW > 0, 255, 0).astype(np.uint8), pixel_size_nm)


def write_labels(folder: Path, stem: str, label_HW: LabelArray, pixel_size_nm: float | None = None) -> Path:
    """``<stem>_labels.tif``: one value a particle, 0 background; uint16, int32 from 65,536 particles on."""
    kind = np.uint16 if label_HW.max(initial=0) <= np.iinfo(np.uint16).max else np.int32
    return _write(labels_path(folder, stem), label_HW.astype(kind), pixel_size_nm)


def _write(path: Path, image_HW: NDArray[Any], pixel_size_nm: float | None) -> Path:
    """Under another name first, so that nobody meets half a file."""
    import tifffile

    settings: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack", "metadata": None}
    if pixel_size_nm is not None:
        settings |= {"resolution": (CENTIMETRE_NM / pixel_size_nm,) * 2, "resolutionunit": "CENTIMETER"}
    partial = path.with_name(path.name + ".partial")
    try:
        tifffile.imwrite(partial, image_HW, **settings)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({error}). Free some space or choose another folder.") from error
    return path
