"""Structural similarity (Wang et al. 2004), by scikit-image."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from emgen.errors import BadImageError
from emgen.stages import MetricContext, Stack
from emgen_metrics.config import PixelConfig
from emgen_metrics.stacks import pairs

_WINDOW = 11


class Ssim:
    def __init__(self, config: PixelConfig, context: object = None) -> None:
        self.config = config

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float]:
        """a generated, b real, (N, H, W) in [0, 1]: mean and standard deviation over the pairs. -1 … 1, 1 is equal."""
        values = [_similarity(generated, real) for generated, real in pairs("ssim", a, b)]
        return {"ssim": float(np.mean(values)), "ssim_sd": float(np.std(values))}


def _similarity(generated_HW: np.ndarray, real_HW: np.ndarray) -> float:
    if min(real_HW.shape) < _WINDOW:
        raise BadImageError(f"ssim: images of {real_HW.shape} are smaller than its window of {_WINDOW} pixels.")
    # The settings of the paper that defined it: Gaussian window of 1.5 px, no correction of the covariance.
    return float(
        structural_similarity(
            real_HW, generated_HW, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )
