"""What a picture of particles means: instances, a mask, or probabilities; and the instances in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from emgen.errors import BadImageError
from emgen.particles.split import split_instances
from emgen.stages import LabelArray

Meaning = Literal["labels", "mask", "probability"]
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)

_LARGEST_LABEL = 2**24
"""Labels beyond are numbered anew: tables over all values up to the largest would not fit."""


def meaning_of(image_HW: NDArray[Any], path: Path) -> Meaning:
    """By name (``<stem>_labels``) and values. Raises ``BadImageError`` where these leave it open.

    At most two values: a mask. Whole numbers of 16 bit and more: labels. Fractions from 0 to 1: probabilities.
    """
    if path.stem.endswith("_labels"):
        return "labels"
    values = np.unique(image_HW)
    if len(values) <= 2:
        return "mask"
    if image_HW.dtype.kind == "f" and values[0] >= 0 and values[-1] <= 1:
        return "probability"
    if image_HW.dtype.kind in "iu" and image_HW.dtype.itemsize > 1:
        return "labels"
    raise BadImageError(
        f"{path}: {len(values)} different {image_HW.dtype} values from {values[0]} to {values[-1]}: labels, a grey "
        f"picture or probabilities? Say --as {' or --as '.join(MEANINGS)}, or threshold it first."
    )


def instances_of(image_HW: NDArray[Any], meaning: Meaning, path: Path, *, split: bool = True) -> LabelArray:
    """(H, W) in any type -> (H, W) int32 instances. Raises ``BadImageError`` where the values can't mean that.

    ``split``: cut touching particles of a mask apart at their necks (``split_instances``); else each connected area is
    one particle. Probabilities count as particle from half of the type's range on. Labels stay as they are.
    """
    if meaning == "labels":
        return _labels(image_HW, path)
    read = _mask if meaning == "mask" else _probability
    probability_HW = read(image_HW, path).astype(np.float32)
    if split:
        return split_instances(probability_HW, min_area=1)
    from scipy import ndimage

    areas: LabelArray = ndimage.label(probability_HW >= 0.5)[0].astype(np.int32)
    return areas


def _labels(image_HW: NDArray[Any], path: Path) -> LabelArray:
    whole = image_HW.dtype.kind in "iub" or bool((image_HW == np.round(image_HW)).all())
    if not whole or image_HW.min() < 0:
        raise BadImageError(f"{path}: a label image holds whole numbers from 0, this one {image_HW.dtype} values.")
    if image_HW.max() <= _LARGEST_LABEL:
        return image_HW.astype(np.int32)
    numbered = np.unique(np.append(image_HW, 0), return_inverse=True)[1][:-1]
    labels: LabelArray = numbered.astype(np.int32).reshape(image_HW.shape)
    return labels


def _mask(image_HW: NDArray[Any], path: Path) -> NDArray[Any]:
    values = np.unique(image_HW)
    if len(values) > 2:
        raise BadImageError(f"{path}: {len(values)} different values; a mask has two. Say what it is with --as.")
    # One value alone: nothing but particle, unless it is 0.
    mask: NDArray[Any] = image_HW > (values[0] if len(values) == 2 else 0)
    return mask


def _probability(image_HW: NDArray[Any], path: Path) -> NDArray[Any]:
    if image_HW.dtype.kind == "f":
        if not (np.isfinite(image_HW).all() and image_HW.min() >= 0 and image_HW.max() <= 1):
            raise BadImageError(
                f"{path}: probabilities lie between 0 and 1. Rescale them, or say what it is with --as."
            )
        return image_HW
    scaled: NDArray[Any] = image_HW / np.iinfo(image_HW.dtype).max
    return scaled
