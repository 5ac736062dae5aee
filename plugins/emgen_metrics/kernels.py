"""Kernels between sets of features, and the scale that features are brought to first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

from emgen.errors import BadImageError

Features = NDArray[np.float64]
Kernel = Callable[[Features, Features], NDArray[np.float64]]
"""(N, D), (M, D) -> (N, M), symmetric in its arguments."""

_FOR_THE_MEDIAN = 1000


def gaussian(y_MD: Features, factors: Sequence[float], metric: str = "mmd") -> Kernel:
    """Mean of Gaussian kernels, whose widths are ``factors`` times the median distance in y.

    Raises ``BadImageError`` where all of y is alike.
    """
    width = float(np.median(pdist(y_MD[:: max(1, -(-len(y_MD) // _FOR_THE_MEDIAN))])))
    if width == 0:
        raise BadImageError(f"{metric}: the real images are all alike, so there is no scale to measure distances by.")

    def kernel(a_ND: Features, b_MD: Features) -> NDArray[np.float64]:
        scaled = cdist(a_ND, b_MD, "sqeuclidean") / (-2 * width**2)
        mean: NDArray[np.float64] = sum(np.exp(scaled / factor**2) for factor in factors) / len(factors)
        return mean

    return kernel


def cubic(a_ND: Features, b_MD: Features) -> NDArray[np.float64]:
    """``(a·b / D + 1)³``, the kernel of KID (Bińkowski et al. 2018)."""
    product: NDArray[np.float64] = (a_ND @ b_MD.T / a_ND.shape[1] + 1) ** 3
    return product


def linear(a_ND: Features, b_MD: Features) -> NDArray[np.float64]:
    """``a·b``: MMD² with it is the squared distance of the means."""
    product: NDArray[np.float64] = a_ND @ b_MD.T
    return product


def standardised(x_ND: NDArray[Any], y_MD: NDArray[Any]) -> tuple[Features, Features]:
    """Features have units of their own; one that is constant in the real set (y) is only shifted."""
    x_ND, y_MD = np.asarray(x_ND, np.float64), np.asarray(y_MD, np.float64)
    mean, spread = y_MD.mean(axis=0), y_MD.std(axis=0)
    spread[spread < 1e-8] = 1.0
    return (x_ND - mean) / spread, (y_MD - mean) / spread
