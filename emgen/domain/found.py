"""What the model finds in crops, and how sure it is of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.domain.crops import Network
from emgen.domain.grey import LEAST, Array
from emgen.stages import FloatArray, LabelArray

RING = 3
"""px around a particle that are its surroundings."""
FEW = 12
"""Pixels below which a mean says nothing."""
STEEPEST = 3.0
"""Of the contrast: more than this is chance, where there is hardly any."""
SURE, MAYBE = 0.9, 0.1
"""Probability from which a pixel surely is one of a particle, and below which it surely is none."""


def certainty(probability_CHW: FloatArray) -> Array:
    """(C, 3): share of unsure pixels among those that may be a particle's, roots of the mean entropy in bits and of the
    share of sure ones.
    """
    p_CP = probability_CHW.reshape(len(probability_CHW), -1)
    maybe_C, sure_C = (p_CP > MAYBE).mean(axis=1), (p_CP > SURE).mean(axis=1)
    unsure_C = np.where(maybe_C > 0, (maybe_C - sure_C) / np.maximum(maybe_C, 1e-9), np.nan)
    clipped_CP = np.clip(p_CP, 1e-6, 1 - 1e-6)
    entropy_CP = -clipped_CP * np.log2(clipped_CP) - (1 - clipped_CP) * np.log2(1 - clipped_CP)
    return np.column_stack([unsure_C, np.sqrt(entropy_CP.mean(axis=1)), np.sqrt(sure_C)]).astype(float)


def seen_inverted(image_CHW: FloatArray, probability_CHW: FloatArray, network: Network) -> Array:
    """(C, 1): root of the share that surely is a particle with bright and dark exchanged, less that without.

    Of the micrographs that a network was trained on it finds more as they are. Where it finds more in their negatives,
    particles are dark that should be bright, or bright that should be dark, whatever else the picture looks like.
    """
    negative_CHW = network.predict(np.ascontiguousarray(1 - image_CHW))
    sure_C, otherwise_C = ((p_CHW > SURE).mean(axis=(1, 2)) for p_CHW in (probability_CHW, negative_CHW))
    return np.asarray(np.sqrt(otherwise_C) - np.sqrt(sure_C), float)[:, None]


def amounts(label_CHW: LabelArray, own: float, working_diameter: float) -> Array:
    """(C, 4): square roots of coverage and number, logarithms of the diameters' median over the working diameter and
    of their spread (quartiles). ``own``: share of a crop that is not continued by reflection.
    """
    return np.array([_amounts(label_HW, own, working_diameter) for label_HW in label_CHW], float)


def _amounts(label_HW: LabelArray, own: float, working_diameter: float) -> list[float]:
    area = np.bincount(label_HW.ravel())[1:]
    area = area[area > 0]
    coverage, number = float((label_HW > 0).mean()), len(area) / own
    if not len(area):
        return [0.0, 0.0, np.nan, np.nan]
    low, median, high = np.quantile(np.sqrt(4 / np.pi * area * own), (0.25, 0.5, 0.75))
    spread = np.log(high / low) if len(area) >= 4 else np.nan
    return [np.sqrt(coverage), np.sqrt(number), np.log(median / working_diameter), spread]


def contrasts(image_CHW: FloatArray, label_CHW: LabelArray, noise_C: Array) -> Array:
    """(C, 4): signed contrast of particles against the ring around them, in grey values; logarithm of its size over the
    noise; brightness of that ring; sharpness: how much of the contrast lies between the pixels on either side of edges.

    NaN where too little is a particle. ``noise_C``: logarithm of the noise.
    """
    inside = label_CHW > 0
    grown = _grown(inside, 1)
    ring_C = _means(image_CHW, _grown(inside, RING) & ~grown)
    contrast_C = _means(image_CHW, inside) - ring_C
    step_C = _means(image_CHW, inside & ~_shrunk(inside)) - _means(image_CHW, grown & ~inside)
    strength_C = np.abs(contrast_C) + LEAST
    sharpness_C = np.clip(step_C / strength_C, -STEEPEST, STEEPEST)
    return np.column_stack([contrast_C, np.log(strength_C) - noise_C, ring_C, sharpness_C])


def _means(values_CHW: Any, where_CHW: NDArray[np.bool_]) -> Array:
    count_C = where_CHW.sum(axis=(1, 2))
    total_C = np.einsum("chw,chw->c", values_CHW, where_CHW.astype(np.float32))
    return np.where(count_C >= FEW, total_C / np.maximum(count_C, 1), np.nan)


def _grown(mask_CHW: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """By a square of 2 ``by`` + 1 px; shifts are many times faster than ``ndimage`` on so small arrays."""
    grown = mask_CHW.copy()
    for shift in range(1, by + 1):
        grown[:, shift:] |= mask_CHW[:, :-shift]
        grown[:, :-shift] |= mask_CHW[:, shift:]
    wide = grown.copy()
    for shift in range(1, by + 1):
        wide[:, :, shift:] |= grown[:, :, :-shift]
        wide[:, :, :-shift] |= grown[:, :, shift:]
    return wide


def _shrunk(mask_CHW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~_grown(~mask_CHW, 1)
