"""Peak signal-to-noise ratio, by scikit-image."""

from __future__ import annotations

import numpy as np
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from emgen.stages import MetricContext, Stack
from emgen_metrics.config import PixelConfig
from emgen_metrics.stacks import pairs


class Psnr:
    def __init__(self, config: PixelConfig, context: object = None) -> None:
        self.config = config

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float]:
        """a generated, b real, (N, H, W) in [0, 1]: mean over the pairs in dB; infinite if a pair is equal."""
        values = [_ratio(generated, real) for generated, real in pairs("psnr", a, b)]
        spread = float(np.std(values)) if np.isfinite(values).all() else float("nan")
        return {"psnr": float(np.mean(values)), "psnr_sd": spread}


def _ratio(generated_HW: np.ndarray, real_HW: np.ndarray) -> float:
    if mean_squared_error(real_HW, generated_HW) == 0:
        return float("inf")
    return float(peak_signal_noise_ratio(real_HW, generated_HW, data_range=1.0))
