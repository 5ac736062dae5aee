"""From training micrographs to the reference of a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.domain.altered import ALTERATIONS
from emgen.domain.covariance import Array
from emgen.domain.crops import CROP, Segmenter
from emgen.domain.features import describe
from emgen.domain.reference import Reference
from emgen.stages import FloatArray

ALTERED = 24
"""Micrographs, spread evenly, of which altered ones are made."""
SIDE = 3
"""Crops along a side of the part that is altered: enough to see particles, and no more to segment than needed."""

Found = Callable[[int], FloatArray]
"""Number of a training micrograph -> one that went a known way, normalised."""


def learn_reference(
    images: Sequence[FloatArray],
    model: Segmenter,
    normalise: Callable[[NDArray[Any]], FloatArray],
    seed: int,
    *,
    altered: int = ALTERED,
    instead: Mapping[str, Found] = MappingProxyType({}),
    done: Callable[[int], None] = lambda count: None,
) -> Reference:
    """The reference of a model by its training micrographs.

    Parameters
    ----------
    images: M micrographs, (H, W) float32 in [0, 1] each, asked for one by one and once.
    model: applied as it will be to a new micrograph. normalise: the modality's, for what is altered.
    altered: of so many micrographs altered ones are segmented too. instead: by alteration, where real ones of that kind
        are to be had, what to take instead of the altered. done: told how many are.

    Raises ``DataError`` as ``Reference.fit`` does.
    """
    count, side = len(images), SIDE * CROP
    # Even ones: where half of the micrographs are held back, these are the other half.
    chosen = {2 * int(half) for half in np.linspace(0, (count - 1) // 2, altered).round()} if altered else set()
    features: list[Array] = []
    changed: dict[int, dict[str, Array]] = {}
    for index in range(count):
        image_HW = images[index]
        segmentation = model.segment(image_HW)
        features.append(describe(image_HW, segmentation, model, seed + index))
        if index in chosen:
            part_HW = middle(image_HW, round(side / segmentation.factor))
            others = _altered(part_HW, model.working_diameter / segmentation.factor, normalise, seed, without=instead)
            others |= {name: found(index) for name, found in instead.items()}
            changed[index] = {
                name: describe(other_HW, model.segment(other_HW), model, seed) for name, other_HW in others.items()
            }
        done(index + 1)
    return Reference.fit(features, changed)


def _altered(
    part_HW: FloatArray,
    diameter: float,
    normalise: Callable[[NDArray[Any]], FloatArray],
    seed: int,
    without: Collection[str],
) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    return {
        name: normalise(alter(part_HW, diameter, rng)) for name, alter in ALTERATIONS.items() if name not in without
    }


def middle(image_HW: FloatArray, side: int) -> FloatArray:
    """The middle of a micrograph, at most ``side`` px high and wide."""
    (top, height), (left, width) = (((own - min(own, side)) // 2, min(own, side)) for own in image_HW.shape)
    return image_HW[top : top + height, left : left + width]
