"""Pixel counts that the segmentation scores share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emgen.stages import Stack
from emgen_metrics.stacks import pairs


@dataclass(frozen=True, slots=True)
class Confusion:
    """Pixels over all images: particle in both, in the prediction only, in the truth only, in neither."""

    both: int
    predicted_only: int
    true_only: int
    neither: int

    @property
    def iou_particle(self) -> float:
        return ratio(self.both, self.both + self.predicted_only + self.true_only)

    @property
    def iou_background(self) -> float:
        return ratio(self.neither, self.neither + self.predicted_only + self.true_only)


def confusion(metric: str, predicted: Stack, true: Stack) -> Confusion:
    """(N, H, W) instances or masks on both sides; every non-zero pixel is particle."""
    counts = np.zeros(4, np.int64)
    for label_HW, truth_HW in pairs(metric, predicted, true):
        code = 2 * (label_HW != 0) + (truth_HW != 0)
        counts += np.bincount(code.ravel(), minlength=4)
    neither, true_only, predicted_only, both = (int(count) for count in counts)
    return Confusion(both, predicted_only, true_only, neither)


def ratio(part: int, whole: int) -> float:
    """``part / whole``; 1 where there is nothing to find and nothing was found."""
    return part / whole if whole else 1.0
