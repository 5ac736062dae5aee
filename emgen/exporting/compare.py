"""Whether two ways to compute a model's probabilities agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from emgen.stages import FloatArray, Polarity

if TYPE_CHECKING:
    from emgen.model import Predictor

TOLERANCE = 1e-4
"""Greatest difference of a probability that an exported model may have."""
SHAPES = ((2, 64, 96), (1, 33, 50), (1, 257, 300), (1, 512, 512))
"""Of the random images: more than one, odd sides, and a whole tile of ``Model.probability``."""
MEAN, SPREAD = 0.4, 0.15
PHANTOM_SIDE = 256


def greatest_difference(first: Predictor, second: Predictor, polarity: Polarity) -> float:
    """Over random images of several sizes and a phantom micrograph; infinite where shapes differ or NaN comes out."""
    return max(_difference(first, second, image_NHW) for image_NHW in trials(polarity))


def sensitivity(task: Predictor, polarity: Polarity) -> float:
    """Greatest change of a probability when every pixel changes by the least that float32 can tell (about 1e-7).

    Where this is more than ``TOLERANCE``, no two programs can agree to that: the network amplifies their rounding.
    """
    return max(
        float(np.abs(task.predict(image_NHW) - task.predict(np.nextafter(image_NHW, np.float32(1)))).max())
        for image_NHW in trials(polarity)
    )


def trials(polarity: Polarity) -> Iterator[FloatArray]:
    """Stacks (N, H, W) float32 in [0, 1]: noise of a micrograph's mean and spread, and a phantom."""
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        yield rng.normal(MEAN, SPREAD, shape).clip(0, 1).astype(np.float32)
    yield phantom(polarity)[None]


def phantom(polarity: Polarity, side: int = PHANTOM_SIDE) -> FloatArray:
    """(side, side) float32 in [0, 1]: a phantom micrograph of particles of 14 px, always the same."""
    from emgen.testing.phantoms import phantom_micrographs

    modality = "haadf-stem" if polarity == "bright" else "bf-tem"
    (made,) = phantom_micrographs(1, (side, side), modality=modality, seed=0, diameter=14)
    return made.image_HW


def _difference(first: Predictor, second: Predictor, image_NHW: FloatArray) -> float:
    one_NHW, other_NHW = first.predict(image_NHW), second.predict(image_NHW)
    if one_NHW.shape != other_NHW.shape:
        return float("inf")
    worst = float(np.abs(one_NHW - other_NHW).max())
    return worst if np.isfinite(worst) else float("inf")
