"""From training micrographs to the reference of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.domain.altered import ALTERATIONS
from emgen.domain.covariance import Array
from emgen.domain.crops import CROP, Segmented
from emgen.domain.features import describe
from emgen.domain.reference import Reference
from emgen.stages import FloatArray

ALTERED = 24
"""Micrographs, spread evenly, of which altered ones are made."""
SIDE = 3
"""Crops along a side of the part that is altered: enough to see particles, and no more to segment than needed."""

Segment = Callable[[FloatArray], Segmented]


def learn_reference(
    images: Sequence[FloatArray],
    segment: Segment,
    normalise: Callable[[NDArray[Any]], FloatArray],
    working_diameter: float,
    seed: int,
    *,
    altered: int = ALTERED,
    done: Callable[[int], None] = lambda count: None,
) -> Reference:
    """The reference of a model by its training micrographs.

    Parameters
    ----------
    images: M micrographs, (H, W) float32 in [0, 1] each, asked for one by one and once.
    segment: the model, applied as it will be to a new micrograph.
    normalise: the modality's, for what is altered. working_diameter: the model's, px.
    altered: of so many micrographs altered ones are segmented too. done: told how many are.

    Raises ``DataError`` as ``Reference.fit`` does.
    """
    count = len(images)
    # Even ones: where half of the micrographs are held back, these are the other half.
    chosen = {2 * int(half) for half in np.linspace(0, (count - 1) // 2, altered).round()} if altered else set()
    features: list[Array] = []
    changed: dict[int, dict[str, Array]] = {}
    for index in range(count):
        image_HW = images[index]
        segmentation = segment(image_HW)
        features.append(describe(image_HW, segmentation, working_diameter, seed + index))
        if index in chosen:
            part_HW = middle(image_HW, round(SIDE * CROP / segmentation.factor))
            changed[index] = _altered(part_HW, segmentation.factor, segment, normalise, working_diameter, seed)
        done(index + 1)
    return Reference.fit(features, changed)


def _altered(
    part_HW: FloatArray,
    factor: float,
    segment: Segment,
    normalise: Callable[[NDArray[Any]], FloatArray],
    working_diameter: float,
    seed: int,
) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    found = {}
    for name, alter in ALTERATIONS.items():
        image_HW = normalise(alter(part_HW, working_diameter / factor, rng))
        found[name] = describe(image_HW, segment(image_HW), working_diameter, seed)
    return found


def middle(image_HW: FloatArray, side: int) -> FloatArray:
    """The middle of a micrograph, at most ``side`` px high and wide."""
    (top, height), (left, width) = (((own - min(own, side)) // 2, min(own, side)) for own in image_HW.shape)
    return image_HW[top : top + height, left : left + width]
