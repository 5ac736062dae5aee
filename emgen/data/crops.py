"""Crops of one window, at the scale that networks are trained at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emgen.data.resize import resize_labels, resize_to, scaled_shape
from emgen.data.tiling import starts
from emgen.data.window import Window
from emgen.stages import FloatArray, LabelArray

Corner = tuple[int, int]
"""(y, x) of a crop's first pixel within its window, at the working scale."""
LEAST = 4
"""Crops of a window, if it has as many, however few particles it holds."""


class CropSettings(Protocol):
    """The part of a spec that this module reads (``emgen.spec``: ``data``)."""

    @property
    def crop(self) -> int: ...
    @property
    def crops_per_micrograph(self) -> int: ...
    @property
    def empty_crops(self) -> float: ...


def choose_corners(
    label_HW: LabelArray | None, window: Window, factor: float, settings: CropSettings, rng: np.random.Generator
) -> list[Corner]:
    """Which overlapping crops of a window are cut: their upper left corners at the working scale, in random order.

    Neighbours overlap by about half a crop. ``label_HW``, of the whole micrograph, says which of them hold particles:
    at most the share ``empty_crops`` of those chosen holds none, for a window that is mostly vacuum teaches vacuum. Of
    a window with hardly a particle ``LEAST`` are chosen all the same: it is a scene that the model will meet.
    """
    crop = settings.crop
    height, width = (max(side, crop) for side in scaled_shape((window.height, window.width), factor))
    corners = [(y, x) for y in starts(height, crop, crop // 2) for x in starts(width, crop, crop // 2)]
    shuffled = [corners[i] for i in rng.permutation(len(corners))]
    if label_HW is not None:
        shuffled = _few_empty(shuffled, _scaled(label_HW, window, factor, crop), settings)
    return shuffled[: settings.crops_per_micrograph]


def _few_empty(corners: Sequence[Corner], label_HW: LabelArray, settings: CropSettings) -> list[Corner]:
    crop, share = settings.crop, settings.empty_crops
    empty = [corner for corner in corners if not label_HW[_box(corner, crop)].any()]
    filled = len(corners) - len(empty)
    allowed = len(empty) if share >= 1 else max(round(filled * share / (1 - share)), LEAST - filled)
    dropped = set(empty[allowed:])
    return [corner for corner in corners if corner not in dropped]


def cut_crops(
    image_HW: FloatArray,
    label_HW: LabelArray | None,
    window: Window,
    factor: float,
    crop: int,
    corners: Sequence[Corner],
) -> tuple[FloatArray, LabelArray]:
    """The crops of a window that ``choose_corners`` chose.

    Parameters
    ----------
    image_HW, label_HW: a whole micrograph; without labels, those returned are 0.
    window: in pixels of the micrograph. Nothing outside it gets into a crop.
    factor: working scale over native scale.
    crop: side of a crop at the working scale.

    Returns
    -------
    (N, crop, crop) float32 and (N, crop, crop) int32, each crop's instances numbered 1 ... K. A window smaller than a
    crop is continued by reflection.
    """
    shape_HW = scaled_shape((window.height, window.width), factor)
    image = at_least(resize_to(image_HW[window.slices], shape_HW), crop)
    label = np.zeros(image.shape, np.int32) if label_HW is None else _scaled(label_HW, window, factor, crop)
    images_NHW = np.stack([image[_box(corner, crop)] for corner in corners])
    labels_NHW = np.stack([renumber(label[_box(corner, crop)]) for corner in corners])
    return images_NHW, labels_NHW


def _scaled(label_HW: LabelArray, window: Window, factor: float, crop: int) -> LabelArray:
    shape_HW = scaled_shape((window.height, window.width), factor)
    return at_least(resize_labels(label_HW[window.slices], shape_HW), crop)


def _box(corner: Corner, crop: int) -> tuple[slice, slice]:
    return slice(corner[0], corner[0] + crop), slice(corner[1], corner[1] + crop)


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
