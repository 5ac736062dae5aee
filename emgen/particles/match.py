"""Which predicted particle is which true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.stages import LabelArray


@dataclass(frozen=True, slots=True)
class Matches:
    """Particles found (``tp``), invented (``fp``), missed (``fn``), and the (predicted, true) labels of the pairs."""

    tp: int
    fp: int
    fn: int
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def precision(self) -> float:
        """Share of the predicted that are true; 1 where nothing is predicted."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 1.0

    @property
    def recall(self) -> float:
        """Share of the true that are found; 1 where there is nothing to find."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 1 where both images are empty."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 1.0

    def __add__(self, other: Matches) -> Matches:
        """Counts over several images; pairs belong to one image and are dropped."""
        return Matches(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def match_objects(pred_HW: LabelArray, true_HW: LabelArray, iou: float = 0.5) -> Matches:
    """Match instances of two (H, W) label images one to one, by falling intersection over union, down to ``iou``.

    At 0.5 and over each particle has at most one partner, so the order does not matter.
    """
    if pred_HW.shape != true_HW.shape:
        raise ValueError(f"label images of different shape: {pred_HW.shape} and {true_HW.shape}")
    pred, true, overlap = pair_ious(pred_HW, true_HW)
    pairs, used_pred, used_true = [], set(), set()
    for k in np.argsort(-overlap, kind="stable"):
        p, t = int(pred[k]), int(true[k])
        if overlap[k] < iou:
            break
        if p not in used_pred and t not in used_true:
            pairs.append((p, t))
            used_pred.add(p)
            used_true.add(t)
    found = len(pairs)
    return Matches(found, _count(pred_HW) - found, _count(true_HW) - found, tuple(pairs))


def pair_ious(
    pred_HW: LabelArray, true_HW: LabelArray
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """(predicted label, true label, intersection over union) of all pairs that overlap."""
    both = (pred_HW > 0) & (true_HW > 0)
    width = int(true_HW.max(initial=0)) + 1
    codes, shared = np.unique(pred_HW[both].astype(np.int64) * width + true_HW[both], return_counts=True)
    pred, true = codes // width, codes % width
    pred_area, true_area = np.bincount(pred_HW.ravel()), np.bincount(true_HW.ravel())
    return pred, true, shared / (pred_area[pred] + true_area[true] - shared)


def _count(label_HW: LabelArray) -> int:
    return int(np.count_nonzero(np.bincount(label_HW.ravel())[1:]))
