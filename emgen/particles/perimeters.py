"""Perimeters of all particles at once."""

from __future__ import annotations

import numpy as np

from emgen.particles.runs import Floats, Ints
from emgen.stages import LabelArray


def perimeters_of(label_HW: LabelArray, labels: Ints) -> Floats:
    """Crofton perimeter in px of each of the K ``labels``: how often lines in four directions enter it.

    Rivollier 2010; as ``skimage.measure.perimeter_crofton`` has it of each particle alone. The image's edge ends one.
    """
    if not len(labels):
        return np.zeros(0)
    top, left, right = label_HW[:1], label_HW[:, :1], label_HW[:, -1:]
    level = _entered(label_HW[:, 1:], label_HW[:, :-1], left)
    upright = _entered(label_HW[1:], label_HW[:-1], top)
    falling = _entered(label_HW[1:, 1:], label_HW[:-1, :-1], top, left[1:])
    rising = _entered(label_HW[1:, :-1], label_HW[:-1, 1:], top, right[1:])
    straight, slanting = (
        sum(np.bincount(entered, minlength=labels[-1] + 1)[labels] for entered in pair)
        for pair in ((level, upright), (falling, rising))
    )
    perimeter: Floats = np.pi / 4 * (straight + slanting / np.sqrt(2))
    return perimeter


def _entered(label: LabelArray, before: LabelArray, *edges: LabelArray) -> LabelArray:
    """Of each pixel that has another particle or none before it, or the edge, the label."""
    return np.concatenate([label[(label != before) & (label > 0)], *(edge[edge > 0] for edge in edges)])
