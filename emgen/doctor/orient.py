"""The eight flips and rotations of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rect = tuple[float, float, float, float]
"""(top, left, bottom, right) in pixels; the last two are not included."""
ORIENTATIONS = 8
NAMES = (
    "",
    "rotated by 90°",
    "rotated by 180°",
    "rotated by 270°",
    "mirrored",
    "mirrored and rotated by 90°",
    "mirrored and rotated by 180°",
    "mirrored and rotated by 270°",
)


def oriented(image_HW: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A view of the image, mirrored left to right from orientation 4 on, then turned counter-clockwise.

    >>> oriented(np.array([[1, 2]]), 1).tolist(), oriented(np.array([[1, 2]]), 4).tolist()
    ([[2], [1]], [[2, 1]])
    """
    return np.rot90(image_HW[:, ::-1] if orientation >= 4 else image_HW, orientation % 4)


def straightened(image_HW: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undoes ``oriented``."""
    turned = np.rot90(image_HW, -(orientation % 4))
    return turned[:, ::-1] if orientation >= 4 else turned


def straightened_rect(rect: Rect, shape_HW: tuple[float, float], orientation: int) -> Rect:
    """Where a rectangle of an oriented image, of ``shape_HW``, lies in the image as it was.

    >>> straightened_rect((0, 0, 1, 2), (4, 8), 1)
    (0, 3, 2, 4)
    """
    height, width = shape_HW
    top, left, bottom, right = rect
    for _ in range(orientation % 4):
        top, left, bottom, right = left, height - bottom, right, height - top
        height, width = width, height
    return (top, width - right, bottom, width - left) if orientation >= 4 else (top, left, bottom, right)
