"""Mask and label files: instances by label image, or the areas of a mask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.stack import open_file
from emgen.errors import BadImageError, EmgenError, UnreadableFileError
from emgen.stages import LabelArray

if TYPE_CHECKING:
    from emgen.host import Host


def read_labels(path: Path, host: Host) -> LabelArray:
    """(H, W) int32 instances of a label image, or the 4-connected areas of a mask. Raises ``BadImageError``."""
    image_HW = _read(path, host)
    if path.stem.endswith("_labels"):
        if image_HW.dtype.kind not in "iu" or image_HW.min() < 0:
            raise BadImageError(f"{path}: a label image holds whole numbers from 0, this one {image_HW.dtype} values.")
        labels: LabelArray = np.unique(np.append(image_HW, 0), return_inverse=True)[1][:-1].astype(np.int32)
        return labels.reshape(image_HW.shape)
    return _areas(image_HW, path)


def _read(path: Path, host: Host) -> NDArray[Any]:
    """A mask may be constant, which a micrograph may not: so no check of the image but its shape."""
    frames = open_file(path, host.whole)
    if len(frames) != 1:
        raise BadImageError(f"{path} holds {len(frames)} images; a mask file holds one.")
    try:
        return np.asarray(frames[0].image_HW)
    except EmgenError:
        raise
    except Exception as error:  # whatever a reader meets in a damaged file
        raise UnreadableFileError(
            f"{path}: cannot be read ({type(error).__name__}: {error}). Copy it again."
        ) from error


def _areas(image_HW: Any, path: Path) -> LabelArray:
    from scipy import ndimage

    values = np.unique(image_HW)
    if len(values) > 2:
        raise BadImageError(
            f"{path}: {len(values)} different values, a mask has two. A label image is named <stem>_labels; "
            "of a probability map choose a threshold first."
        )
    mask = image_HW > (values[0] if len(values) == 2 else 0)
    areas: LabelArray = ndimage.label(mask)[0].astype(np.int32)
    return areas
