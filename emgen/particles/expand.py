"""Particles a few pixels larger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emgen.stages import LabelArray


def expand_into(label_HW: LabelArray, free_HW: NDArray[np.bool_], distance: float) -> LabelArray:
    """Background where ``free_HW`` says so becomes part of the nearest particle, up to ``distance`` px away.

    What ``skimage.segmentation.expand_labels`` makes of these pixels; of particles equally near it is the one whose
    pixel lies leftmost, then topmost.

    >>> expand_into(np.array([[1, 0, 0, 0, 2]], np.int32), np.array([[True, True, True, True, False]]), 2.0).tolist()
    [[1, 1, 1, 2, 2]]
    """
    import cv2

    reach, expanded_HW = int(distance), label_HW.copy()
    width = label_HW.shape[1] + 2 * reach
    padded = np.pad(label_HW, reach).ravel()
    inside_HW = label_HW > 0
    near_HW = cv2.dilate(inside_HW.view(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).view(bool)
    open_P = np.flatnonzero(free_HW & near_HW & ~inside_HW)
    y, x = np.divmod(open_P, label_HW.shape[1])
    there_P = (y + reach) * width + x + reach
    expanded = expanded_HW.ravel()  # a view: copies are contiguous
    for dy, dx in _nearest_first(distance):
        found_P = padded[there_P + dy * width + dx]
        hit_P = found_P > 0
        expanded[open_P[hit_P]] = found_P[hit_P]
        open_P, there_P = open_P[~hit_P], there_P[~hit_P]
    return expanded_HW


def _nearest_first(distance: float) -> list[tuple[int, int]]:
    """Steps (dy, dx) to the pixels that are no farther, but not to the pixel itself."""
    steps = range(-int(distance), int(distance) + 1)
    near = [(dy, dx) for dy in steps for dx in steps if 0 < np.hypot(dy, dx) <= distance]
    return sorted(near, key=lambda step: (step[0] ** 2 + step[1] ** 2, step[1], step[0]))
