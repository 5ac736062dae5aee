"""SSIM and PSNR are scikit-image's, and mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from emgen.errors import BadImageError
from emgen.stages import MetricContext
from emgen_metrics.config import PixelConfig
from emgen_metrics.psnr import Psnr
from emgen_metrics.ssim import Ssim

CONTEXT = MetricContext()


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    real = gaussian_filter(rng.random((3, 32, 40)), (0, 2, 2)).astype(np.float32)
    return np.clip(real + rng.normal(0, 0.02, real.shape), 0, 1).astype(np.float32), real


def test_ssim_is_the_mean_over_pairs_of_scikit_image(pairs):
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = [structural_similarity(real, generated, **gaussian) for generated, real in zip(*pairs, strict=True)]
    result = Ssim(PixelConfig()).compute(*pairs, CONTEXT)
    assert result == pytest.approx({"ssim": np.mean(expected), "ssim_sd": np.std(expected)})


def test_ssim_formula_at_one_pixel_by_hand():
    """The definition of Wang et al. 2004 at the centre of one 11 px window."""
    rng = np.random.default_rng(1)
    x, y = rng.random((2, 11, 11))
    offset = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weight = np.outer(offset, offset) / offset.sum() ** 2
    mx, my = (weight * x).sum(), (weight * y).sum()
    vx, vy, vxy = (weight * x * x).sum() - mx**2, (weight * y * y).sum() - my**2, (weight * x * y).sum() - mx * my
    by_hand = ((2 * mx * my + 1e-4) * (2 * vxy + 9e-4)) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    # scikit-image leaves a border of 5 px out of the mean: of an 11 px image one pixel is left.
    assert Ssim(PixelConfig()).compute(x[None], y[None], CONTEXT)["ssim"] == pytest.approx(by_hand, abs=1e-9)


def test_psnr_is_the_mean_over_pairs_of_scikit_image(pairs):
    expected = [
        peak_signal_noise_ratio(real, generated, data_range=1.0) for generated, real in zip(*pairs, strict=True)
    ]
    assert Psnr(PixelConfig()).compute(*pairs, CONTEXT)["psnr"] == pytest.approx(np.mean(expected))


def test_equal_images_have_ssim_1_and_infinite_psnr(pairs):
    _, real = pairs
    assert Ssim(PixelConfig()).compute(real, real, CONTEXT)["ssim"] == pytest.approx(1)
    assert Psnr(PixelConfig()).compute(real, real, CONTEXT)["psnr"] == np.inf


def test_ssim_refuses_images_smaller_than_its_window():
    small = np.zeros((1, 8, 8), np.float32)
    with pytest.raises(BadImageError, match="smaller than its window"):
        Ssim(PixelConfig()).compute(small, small, CONTEXT)
