"""One label image out of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from emgen.stages import LabelArray


def laid_down(
    labels: Mapping[int, LabelArray], order: Sequence[tuple[int, int]], shape_HW: tuple[int, int]
) -> LabelArray:
    """Instances (which of the label images, which label) of several (H, W) label images, numbered 1 … in their order.

    Each gets the pixels that none has before it; one that has most of its own taken, or none at all, is left out.
    """
    if len(labels) == 1:
        return _renumbered(next(iter(labels.values())), [k for _, k in order])
    from scipy import ndimage as ndi

    boxes = {key: ndi.find_objects(label_HW) for key, label_HW in labels.items()}
    result, count = np.zeros(shape_HW, np.int32), 0
    for key, k in order:
        box = boxes[key][k - 1] if k <= len(boxes[key]) else None
        if box is None:
            continue
        mine = labels[key][box] == k
        free = mine & (result[box] == 0)
        if 2 * np.count_nonzero(free) > np.count_nonzero(mine):
            count += 1
            result[box][free] = count
    return result


def _renumbered(label_HW: LabelArray, order: Sequence[int]) -> LabelArray:
    """Those of one image: none takes pixels of another."""
    inside_P = np.flatnonzero(label_HW > 0)
    label_P = label_HW.ravel()[inside_P]
    there = np.bincount(label_P, minlength=max(order, default=0) + 1) > 0
    kept = [k for k in dict.fromkeys(order) if there[k]]
    number = np.zeros(len(there), np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    result = np.zeros(label_HW.shape, np.int32)
    result.ravel()[inside_P] = number[label_P]
    return result
