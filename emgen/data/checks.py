"""What an image must be before anything is computed on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.errors import BadImageError

GREY_NOTE = "equal colour channels reduced to grey"
ALPHA_NOTE = "alpha channel dropped"


def to_grey(image: NDArray[Any], source: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """(H, W) or (H, W, C) -> (H, W) and notes on what was dropped.

    Equal channels become one; an alpha channel goes. True colour raises ``BadImageError``: no weighting of channels
    is right for a picture that was false-coloured or annotated.
    """
    if image.ndim == 2:
        return image, ()
    if image.ndim != 3 or image.shape[-1] not in (1, 2, 3, 4):
        raise BadImageError(
            f"{source}: an image of shape {image.shape} is not a greyscale micrograph. "
            "Save it as (height, width), or as a stack with one page a micrograph."
        )
    channels = image.shape[-1]
    notes = (ALPHA_NOTE,) if channels in (2, 4) else ()
    grey = image[..., 0]
    if channels >= 3:
        if not (np.array_equal(grey, image[..., 1]) and np.array_equal(grey, image[..., 2])):
            raise BadImageError(
                f"{source}: the image is in colour (its channels differ). "
                "Export the raw greyscale micrograph, without overlays or false colour; "
                "save a stack as pages, not as channels (tifffile: photometric='minisblack')."
            )
        notes = (GREY_NOTE, *notes)
    return np.ascontiguousarray(grey), notes


def check_image(image_HW: NDArray[Any], source: Path) -> None:
    """Raise ``BadImageError`` unless the image is (H, W), real, finite and not constant."""
    if image_HW.ndim != 2:
        raise BadImageError(f"{source}: its reader returned shape {image_HW.shape}; a micrograph is (height, width).")
    if 0 in image_HW.shape:
        raise BadImageError(f"{source}: the image is empty (shape {image_HW.shape}). Leave the file out.")
    if image_HW.dtype.kind not in "biuf":
        raise BadImageError(
            f"{source}: values of type {image_HW.dtype} are no intensities. Save real numbers, e.g. the modulus."
        )
    bad = 0 if image_HW.dtype.kind != "f" else int(image_HW.size - np.isfinite(image_HW).sum())
    if bad:
        raise BadImageError(
            f"{source}: {bad} of {image_HW.size} pixels are NaN or infinite. Fill or crop them, or leave the file out."
        )
    if image_HW.min() == image_HW.max():
        raise BadImageError(
            f"{source}: every pixel is {image_HW.flat[0]}; a constant image shows nothing. Leave the file out."
        )
