"""Instances that are too ragged for particles: what a segmenter makes of grain and of the folds of a support."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emgen.particles.geometry import hull_of
from emgen.stages import LabelArray


def solidities(label_HW: LabelArray) -> NDArray[np.float64]:
    """Area over that of the convex hull, 0 … 1, of each instance in the order of their labels.

    >>> label_HW = np.zeros((20, 20), np.int32)
    >>> label_HW[2:8, 2:8], label_HW[10:18, 10:12], label_HW[16:18, 10:18] = 1, 2, 2
    >>> solidities(label_HW).round(2).tolist()
    [1.0, 0.66]
    """
    return np.array([min(1.0, own.sum() / hull_of(own)[1]) for _, own in _instances(label_HW)], float)


def without_ragged(label_HW: LabelArray, least_solidity: float) -> LabelArray:
    """The instances of at least that solidity, renumbered 1 … K in their order; all as they are where it is 0."""
    if least_solidity <= 0:
        return label_HW
    kept, count = np.zeros(int(label_HW.max(initial=0)) + 1, np.int32), 0
    for label, own in _instances(label_HW):
        if own.sum() >= least_solidity * hull_of(own)[1]:
            count += 1
            kept[label] = count
    left: LabelArray = kept[label_HW]
    return left


def _instances(label_HW: LabelArray) -> list[tuple[int, NDArray[np.bool_]]]:
    """Label and mask, within its bounding box, of each."""
    from scipy.ndimage import find_objects

    boxes = enumerate(find_objects(label_HW), start=1)
    return [(label, label_HW[box] == label) for label, box in boxes if box is not None]
