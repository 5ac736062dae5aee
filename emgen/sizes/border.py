"""Border bias: a large particle is cut by the edge more often than a small one, and cut ones cannot be measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_CHANCE = 0.05
"""A particle nearly as large as the field is whole in it by luck alone; its weight would drown all others."""


def border_weights(box_K2: Array, field_K2: Array) -> Array:
    """How many particles each whole one stands for (Miles-Lantuéjoul).

    A particle with an upright box of h x w lies wholly within a field of H x W with the chance
    (H - h)(W - w) / (H W), wherever its centre is thrown; one over that is its weight (Lantuéjoul 1980, J. Microsc.
    120; Russ and DeHoff, Practical Stereology, 2nd ed., section 1.7). At most 1 / ``LEAST_CHANCE``.

    >>> border_weights(np.array([[10.0, 20.0]]), np.array([[100.0, 100.0]])).round(3).tolist()
    [1.389]
    """
    chance = np.clip(1 - box_K2 / field_K2, 0, 1).prod(axis=1)
    weights: Array = 1 / np.maximum(chance, LEAST_CHANCE)
    return weights
