"""Crops of one window, at the scale that networks are trained at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.resize import resize_labels, resize_to, scaled_shape
from emgen.data.tiling import starts
from emgen.data.window import Window
from emgen.stages import FloatArray, LabelArray


def cut_crops(
    image_HW: FloatArray,
    label_HW: LabelArray | None,
    window: Window,
    factor: float,
    crop: int,
    max_crops: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, LabelArray]:
    """At most ``max_crops`` overlapping crops of a window, in random order.

    Parameters
    ----------
    image_HW, label_HW: a whole micrograph; without labels, those returned are 0.
    window: in pixels of the micrograph. Nothing outside it gets into a crop.
    factor: working scale over native scale.
    crop: side of a crop at the working scale; neighbours overlap by about half of it.

    Returns
    -------
    (N, crop, crop) float32 and (N, crop, crop) int32, each crop's instances numbered 1 ... K. A window smaller than a
    crop is continued by reflection.
    """
    shape_HW = scaled_shape((window.height, window.width), factor)
    image = at_least(resize_to(image_HW[window.slices], shape_HW), crop)
    if label_HW is None:
        label = np.zeros(image.shape, np.int32)
    else:
        label = at_least(resize_labels(label_HW[window.slices], shape_HW), crop)
    corners = [(y, x) for y in starts(image.shape[0], crop, crop // 2) for x in starts(image.shape[1], crop, crop // 2)]
    chosen = [corners[i] for i in rng.permutation(len(corners))[:max_crops]]
    images_NHW = np.stack([image[y : y + crop, x : x + crop] for y, x in chosen])
    labels_NHW = np.stack([renumber(label[y : y + crop, x : x + crop]) for y, x in chosen])
    return images_NHW, labels_NHW


def renumber(label_HW: LabelArray) -> LabelArray:
    """The same instances, numbered 1 ... K without gaps.

    >>> renumber(np.array([[0, 7], [3, 7]], np.int32)).tolist()
    [[0, 2], [1, 2]]
    """
    present = np.unique(label_HW)
    present = present[present > 0]
    return (np.searchsorted(present, label_HW) + 1).astype(np.int32) * (label_HW > 0)


def at_least(array_HW: NDArray[Any], side: int) -> NDArray[Any]:
    missing = [(0, max(0, side - length)) for length in array_HW.shape]
    return np.pad(array_HW, missing, mode="reflect")
