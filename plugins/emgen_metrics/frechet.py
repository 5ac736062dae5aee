"""Fréchet distance of two sets of features, each taken as a Gaussian (Heusel et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def frechet_distance(a_ND: NDArray[Any], b_MD: NDArray[Any]) -> float:
    """``|μa - μb|² + tr(Σa + Σb - 2 (Σa Σb)^½)`` with unbiased covariances; needs N, M ≥ 2.

    With ``Σ = RᵀR``, the trace of the root is the sum of the singular values of ``Ra Rbᵀ``. That needs no root of a
    singular matrix, which the usual formula takes as soon as there are fewer images than features.
    """
    (mean_a, root_a), (mean_b, root_b) = _moments(a_ND), _moments(b_MD)
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    difference = mean_a - mean_b
    distance = difference @ difference + np.square(root_a).sum() + np.square(root_b).sum() - 2 * cross
    return max(0.0, float(distance))


def _moments(x_ND: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (D,) and a matrix R (min(N, D), D) with ``RᵀR`` the covariance."""
    x_ND = np.asarray(x_ND, np.float64)
    mean_D = x_ND.mean(axis=0)
    root = (x_ND - mean_D) / np.sqrt(len(x_ND) - 1)
    return mean_D, np.linalg.qr(root, mode="r") if len(root) > root.shape[1] else root
