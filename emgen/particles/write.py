"""Masks and labels as TIFF files that every image program opens, in Fiji with their calibration."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.files import replacing, result_path
from emgen.stages import LabelArray

_LARGEST = 2**32 - 1
"""Of the two whole numbers that a TIFF resolution is the quotient of."""


def mask_path(folder: Path, stem: str) -> Path:
    return result_path(folder, stem, "_mask.tif")


def labels_path(folder: Path, stem: str) -> Path:
    return result_path(folder, stem, "_labels.tif")


def write_mask(folder: Path, stem: str, label_HW: LabelArray, pixel_size_nm: float | None = None) -> Path:
    """``<stem>_mask.tif``: uint8, 255 on particles, 0 elsewhere. Raises ``OutputError``."""
    return write_tiff(mask_path(folder, stem), np.where(label_HW > 0, 255, 0).astype(np.uint8), pixel_size_nm)


def write_labels(folder: Path, stem: str, label_HW: LabelArray, pixel_size_nm: float | None = None) -> Path:
    """``<stem>_labels.tif``: one value a particle, 0 background; uint16, int32 from 65,536 particles on."""
    return write_tiff(labels_path(folder, stem), small_labels(label_HW), pixel_size_nm)


def small_labels(label_HW: LabelArray) -> NDArray[Any]:
    """As uint16 where that holds the largest label, else as int32."""
    kind = np.uint16 if label_HW.max(initial=0) <= np.iinfo(np.uint16).max else np.int32
    return label_HW.astype(kind)


def write_tiff(
    path: Path,
    image_HW: NDArray[Any],
    pixel_size_nm: float | None = None,
    facts: Mapping[str, str] | None = None,
    *,
    compression: str | None = "zlib",
) -> Path:
    """(H, W) of 8, 16 or 32 bits as a TIFF in ImageJ's dialect: resolution in pixels per unit, the unit in words.

    The dialect is a description that begins with ``ImageJ=`` (``FileOpener.decodeDescription`` of ImageJ). tifffile
    writes it for 8 and 16 bits only; here it stands before int32 too, which ImageJ opens as float, exact up to
    16,777,216. Without ``pixel_size_nm`` it is uncalibrated. ``facts`` are further lines of the description, which
    ImageJ skips. Raises ``OutputError``.
    """
    import tifffile

    lines = ["ImageJ=1.53t", "images=1", *(["unit=nm"] if pixel_size_nm else [])]
    lines += [f"min={image_HW.min(initial=0)}", f"max={max(image_HW.max(initial=0), 1)}"]
    lines += [f"{name}={value}" for name, value in (facts or {}).items()]
    settings: dict[str, Any] = {"compression": compression, "photometric": "minisblack", "metadata": None}
    if pixel_size_nm:
        settings |= {"resolution": (_per_nm(pixel_size_nm),) * 2, "resolutionunit": "NONE"}
    with replacing(path) as partial:
        tifffile.imwrite(partial, image_HW, description="\n".join([*lines, ""]), **settings)
    return path


def _per_nm(pixel_size_nm: float) -> tuple[int, int]:
    """Pixels per nm as two whole numbers of 32 bits, so near that the size comes back to the last digit."""
    size = Fraction(pixel_size_nm)
    size = size.limit_denominator(min(_LARGEST, int(_LARGEST / size)))
    return size.denominator, size.numerator
