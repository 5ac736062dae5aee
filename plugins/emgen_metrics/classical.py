"""Texture statistics of an image: features that need no weights and look at what a micrograph is made of.

Grey levels, edges and blobs at four scales, noise and its correlation along and across the scan, and the spectrum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from emgen.stages import Stack

_SCALES = (1.0, 2.0, 4.0, 8.0)
_BANDS = np.geomspace(0.01, 0.5, 13)
"""Edges of the frequency bands, cycles per pixel."""


class Classical:
    name = "classical texture statistics (no weights)"

    def extract(self, image_NHW: Stack, device: str) -> NDArray[np.float64]:
        """(N, H, W) in [0, 1] -> (N, 52)."""
        return np.stack([texture(np.asarray(image_NHW[i], np.float64)) for i in range(len(image_NHW))])


def texture(image_HW: NDArray[np.float64]) -> NDArray[np.float64]:
    """(H, W) -> (52,)."""
    levels = [image_HW.mean(), image_HW.std(), *np.percentile(image_HW, (1, 5, 25, 50, 75, 95, 99))]
    scales = [value for sigma in _SCALES for value in _edges_and_blobs(image_HW, sigma)]
    return np.array([*levels, *scales, *_noise(image_HW), *_spectrum(image_HW)])


def _edges_and_blobs(image_HW: NDArray[np.float64], sigma: float) -> list[float]:
    """Derivatives times sigma or its square, so that scales compare."""
    edges = sigma * ndimage.gaussian_gradient_magnitude(image_HW, sigma)
    blobs = sigma**2 * ndimage.gaussian_laplace(image_HW, sigma)
    return [*np.percentile(edges, (25, 50, 75, 95)), blobs.std(), *np.percentile(blobs, (5, 95))]


def _noise(image_HW: NDArray[np.float64]) -> list[float]:
    """Spread of the finest detail, and how it hangs together along a row and down a column: scan noise does."""
    detail = image_HW - ndimage.gaussian_filter(image_HW, 1.0)
    power = np.square(detail).mean() + 1e-12
    along, across = detail[:, 1:] * detail[:, :-1], detail[1:] * detail[:-1]
    return [float(detail.std()), float(along.mean() / power), float(across.mean() / power)]


def _spectrum(image_HW: NDArray[np.float64]) -> list[float]:
    """Logarithm of the mean power in each band; a band that the image is too small for holds the nearest one's."""
    height, width = image_HW.shape
    window = np.outer(signal.windows.hann(height), signal.windows.hann(width))
    power = np.square(np.abs(np.fft.rfft2((image_HW - image_HW.mean()) * window))) / np.square(window).sum()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    band = np.digitize(radius, _BANDS).ravel()
    total, count = (np.bincount(band, w, minlength=len(_BANDS) + 1)[1:-1] for w in (power.ravel(), None))
    filled = np.flatnonzero(count)
    mean = np.interp(np.arange(len(count)), filled, total[filled] / count[filled])
    return [float(value) for value in np.log10(mean + 1e-10)]
