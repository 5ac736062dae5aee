"""Which size to segment a micrograph at: scale decides more than anything else.

A network knows particles of about its working diameter d. A micrograph whose particles are larger or smaller is resized
until they fit. How large they are is not known, so the micrograph is looked at on a ladder of sizes, coarse rungs first
(they cost little). Each rung answers only for particles of about d at *its* size; where two rungs find the same
particle, the surer one keeps it. Rungs far from the one that explains most of what was found are left out: there,
noise or support of particle size passes for particles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emgen.model import Segmentation
from emgen.stages import FloatArray, LabelArray

Predict = Callable[[FloatArray], FloatArray]

RATIO = 2.0
LARGEST_FACTOR, SMALLEST_FACTOR = 2.0, 1 / 16
LARGEST_SIDE = 2048  # px after resizing: no rung costs more than one full frame of this size
SMALLEST_SIDE = 96
TOLERANCE = 0.2  # a rung answers for diameters within d / sqrt(RATIO) … d sqrt(RATIO), and so much beyond
SUPPORT = 0.25  # a rung's evidence against the best rung's, below which it is left out


@dataclass(frozen=True, slots=True)
class Rung:
    """One size: factor on native; probability and instances there; of each instance 1 … K diameter and score."""

    factor: float
    probability_HW: FloatArray
    label_HW: LabelArray
    diameter_K: FloatArray
    score_K: FloatArray

    @property
    def evidence(self) -> float:
        """Sum of the scores of the particles it answers for."""
        return float(self.score_K.sum())


def segment_at_best_scale(
    predict: Predict, image_HW: FloatArray, working_diameter: float, factors: Sequence[float] | None = None
) -> Segmentation:
    """(H, W) in [0, 1] -> instances and probability at the same size; ``factor`` is the best rung's.

    ``factors``: the rungs, when they are known; a single one is taken as it is.
    """
    rungs = [look(predict, image_HW, factor) for factor in factors or ladder(image_HW.shape)]
    best = max(rungs, key=lambda rung: of_working_size(rung, rungs, working_diameter).evidence)
    kept = [of_working_size(rung, rungs, working_diameter) for rung in rungs]
    floor = SUPPORT * max(rung.evidence for rung in kept)
    return merge([rung for rung in kept if rung.evidence >= floor], image_HW.shape, best.factor)


def ladder(shape_HW: tuple[int, ...]) -> list[float]:
    """Factors for a micrograph of that shape, coarse to fine, each ``RATIO`` times the one before."""
    factors, factor = [], LARGEST_FACTOR
    while factor >= SMALLEST_FACTOR:
        if max(shape_HW) * factor <= LARGEST_SIDE and min(shape_HW) * factor >= SMALLEST_SIDE:
            factors.append(factor)
        factor /= RATIO
    return factors[::-1] or [min(1.0, LARGEST_SIDE / max(shape_HW))]


def look(predict: Predict, image_HW: FloatArray, factor: float) -> Rung:
    """Segments at one size. A particle's score is its mean probability above one half, 0 … 1."""
    from scipy import ndimage as ndi

    from emgen.data.resize import resize_image
    from emgen.particles import split_instances

    probability = predict(resize_image(image_HW, factor) if factor != 1 else image_HW)
    label = split_instances(probability)
    index = np.arange(1, int(label.max()) + 1)
    area = np.bincount(label.ravel(), minlength=index.size + 1)[1:]
    mean = ndi.mean(probability, label, index) if index.size else np.zeros(0)
    diameter = np.sqrt(4 / np.pi * area)
    return Rung(factor, probability, label, diameter.astype(np.float32), (2 * np.asarray(mean) - 1).astype(np.float32))


def of_working_size(rung: Rung, rungs: Sequence[Rung], working_diameter: float) -> Rung:
    """The rung with the scores of all particles set to 0 that another rung knows better.

    The coarsest rung also answers for all larger particles, the finest for all smaller ones.
    """
    half = np.sqrt(RATIO) * (1 + TOLERANCE)
    low, high = working_diameter / half, working_diameter * half
    if rung.factor == min(r.factor for r in rungs):
        high = np.inf
    if rung.factor == max(r.factor for r in rungs):
        low = 0.0
    fits = (rung.diameter_K >= low) & (rung.diameter_K <= high)
    return Rung(
        rung.factor, rung.probability_HW, rung.label_HW, rung.diameter_K, np.where(fits, rung.score_K, np.float32(0))
    )


def merge(rungs: Sequence[Rung], shape_HW: tuple[int, ...], factor: float) -> Segmentation:
    """Particles of all rungs by falling score; one that lies mostly on a surer one is dropped."""
    from emgen.data.resize import resize_labels, resize_to

    label = np.zeros(shape_HW, np.int32)
    probability = np.zeros(shape_HW, np.float32)
    at_native = [resize_labels(rung.label_HW, (shape_HW[0], shape_HW[1])) for rung in rungs]
    for rung in rungs:
        np.maximum(probability, resize_to(rung.probability_HW, (shape_HW[0], shape_HW[1])), out=probability)
    candidates = sorted(
        ((float(s), r, k + 1) for r, rung in enumerate(rungs) for k, s in enumerate(rung.score_K) if s > 0),
        reverse=True,
    )
    boxes = [_boxes(a) for a in at_native]
    count = 0
    for _, r, k in candidates:
        box = boxes[r][k - 1] if k - 1 < len(boxes[r]) else None
        if box is None:
            continue
        mine = at_native[r][box] == k
        free = mine & (label[box] == 0)
        if free.sum() >= 0.6 * mine.sum():
            count += 1
            label[box][free] = count
    return Segmentation(label_HW=label, probability_HW=probability, factor=factor)


def _boxes(label_HW: LabelArray) -> list[tuple[slice, slice] | None]:
    from scipy import ndimage as ndi

    return list(ndi.find_objects(label_HW))
