"""How strong a spot is, against spots that are not there: a Hotelling observer on a few zones.

The zones of a stencil give three features of a place. Laid on background they scatter as the support and its noise do;
the observer weights them so that a particle stands out of that scatter as far as it can (Barrett & Myers, Foundations
of Image Science, ch. 13). Its score of nothing has mean 0 and standard deviation 1, whatever the texture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROFILE = np.array([1.0, 0.7, 0.0])
"""A particle's features but for its strength: its core stands out, its rim less, its surroundings not at all."""
ENOUGH = 24
"""Places on background from which a scatter can be told."""


@dataclass(frozen=True, slots=True)
class Observer:
    """``score = weights . (features - middle)``."""

    middle_3: NDArray[np.float64]
    weights_3: NDArray[np.float64]

    def __call__(self, features_P3: NDArray[Any]) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = (features_P3 - self.middle_3) @ self.weights_3
        return scores


def fit_observer(nothing_P3: NDArray[Any]) -> Observer | None:
    """From features of background; ``None`` where there are too few. Places that stick out (particles that no label
    knows) are left out of the second estimate."""
    if len(nothing_P3) < ENOUGH:
        return None
    kept = nothing_P3
    for _ in range(2):
        middle = np.median(kept, axis=0)
        covariance = np.cov(kept, rowvar=False) + 1e-4 * np.eye(3)
        distance = np.einsum("pi,ij,pj->p", nothing_P3 - middle, np.linalg.inv(covariance), nothing_P3 - middle)
        kept = nothing_P3[distance <= max(11.3, float(np.quantile(distance, 0.8)))]
    direction = np.linalg.solve(covariance, PROFILE)
    weights = direction / np.sqrt(max(float(direction @ covariance @ direction), 1e-12))
    return Observer(middle, weights)
