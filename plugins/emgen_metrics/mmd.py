"""Maximum mean discrepancy (Gretton et al. 2012): do two sets of images have the same law of features?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

from emgen.errors import BadImageError
from emgen.stages import MetricContext, Stack
from emgen_metrics.classical import Classical
from emgen_metrics.config import MmdConfig
from emgen_metrics.features import Extractor, FeatureMetric
from emgen_metrics.stacks import need_images

_ROWS = 512
_FOR_THE_MEDIAN = 1000


class Mmd(FeatureMetric):
    def __init__(self, config: MmdConfig, context: object = None) -> None:
        super().__init__(_extractor(config))
        self.bandwidths = config.bandwidths

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        """a generated, b real, (N, H, W) and (M, H, W) in [0, 1]: the unbiased estimate of MMD².

        0 is equal; it may fall a little below. Features are scaled by mean and spread of the real set's.
        """
        need_images("mmd", 2, generated=a, real=b)
        generated, real = (self.features(stack, context) for stack in (a, b))
        x_ND, y_MD = _standardised(generated, real)
        return {"mmd2": mmd2(x_ND, y_MD, self.bandwidths), "features": self.extractor.name}


def mmd2(x_ND: NDArray[Any], y_MD: NDArray[Any], bandwidths: Sequence[float] = (0.5, 1.0, 2.0)) -> float:
    """Unbiased MMD² with the mean of Gaussian kernels, whose widths are ``bandwidths`` times the median distance in y.

    Raises ``BadImageError`` where all of y is alike. Equation 3 of Gretton et al. 2012.
    """
    n, m = len(x_ND), len(y_MD)
    step = max(1, -(-m // _FOR_THE_MEDIAN))
    width = float(np.median(pdist(y_MD[::step])))
    if width == 0:
        raise BadImageError("mmd: the real images are all alike, so there is no scale to measure distances by.")
    widths = [factor * width for factor in bandwidths]
    # A point has kernel 1 with itself: those n and m terms are left out of the unbiased estimate.
    within_x = (_kernel_sum(x_ND, x_ND, widths) - n) / (n * (n - 1))
    within_y = (_kernel_sum(y_MD, y_MD, widths) - m) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel_sum(x_ND, y_MD, widths) / (n * m)


def _kernel_sum(x_ND: NDArray[Any], y_MD: NDArray[Any], widths: Sequence[float]) -> float:
    """Sum of the kernel over all pairs, in blocks so that memory stays small."""
    total = 0.0
    for start in range(0, len(x_ND), _ROWS):
        squared = cdist(x_ND[start : start + _ROWS], y_MD, "sqeuclidean")
        total += sum(float(np.exp(squared / (-2 * width**2)).sum()) for width in widths)
    return total / len(widths)


def _standardised(x_ND: NDArray[Any], y_MD: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features have units of their own; one that is constant in the real set is only shifted."""
    x_ND, y_MD = np.asarray(x_ND, np.float64), np.asarray(y_MD, np.float64)
    mean, spread = y_MD.mean(axis=0), y_MD.std(axis=0)
    spread[spread < 1e-8] = 1.0
    return (x_ND - mean) / spread, (y_MD - mean) / spread


def _extractor(config: MmdConfig) -> Extractor:
    """Imported by need: two of them bring torch."""
    if config.features == "encoder":
        from emgen_metrics.encoder import ShippedEncoder

        return ShippedEncoder()
    if config.features == "inception":
        from emgen_metrics.inception import POOLED, Inception

        return Inception(config, POOLED)
    return Classical()
