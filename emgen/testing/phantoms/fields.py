"""Random fields and stamps from which specimens are drawn. H, W: height and width in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

FloatArray = NDArray[np.float32]
Shape = tuple[int, int]


def power_noise(
    shape_HW: Shape, rng: np.random.Generator, *, longest: float, shortest: float = 2.0, exponent: float = 2.0
) -> FloatArray:
    """Gaussian noise of unit variance whose power falls as wavelength^exponent from ``longest`` to ``shortest`` (px).

    The field isn't made zero-mean: a small window of a long-range field lies anywhere on its slope.
    """
    height, width = (fft.next_fast_len(int(side + min(longest, side) / 2), real=True) for side in shape_HW)
    frequency_y, frequency_x = fft.fftfreq(height), fft.rfftfreq(width)
    rows = np.flatnonzero(np.abs(frequency_y) <= 1.6 / shortest)
    columns = int(np.searchsorted(frequency_x, 1.6 / shortest, side="right"))
    squared = frequency_y[rows, None] ** 2 + frequency_x[None, :columns] ** 2
    amplitude = (squared + longest**-2.0) ** (-exponent / 4) * np.exp(-squared * (shortest / 1.6) ** 2)
    shape = amplitude.shape
    normal = rng.standard_normal((2, *shape), dtype=np.float32)
    spectrum = np.zeros((height, width // 2 + 1), np.complex64)
    spectrum[rows, :columns] = amplitude * (normal[0] + 1j * normal[1])
    spread = 2.0 * np.sqrt(np.sum(amplitude**2)) / (height * width)
    field = fft.irfft2(spectrum, s=(height, width), workers=1)[: shape_HW[0], : shape_HW[1]]
    return np.asarray(field / spread, dtype=np.float32)


def blurred(image_HW: FloatArray, sigma: float | tuple[float, float]) -> FloatArray:
    """Gaussian blur, reflected at the border; sigma in px, also as (y, x)."""
    if np.max(sigma) < 0.05:
        return image_HW
    return np.asarray(ndimage.gaussian_filter(image_HW, sigma, mode="reflect", truncate=3.0), dtype=np.float32)


def smooth_step(x: FloatArray) -> FloatArray:
    """0 below 0, 1 above 1, a smooth rise between."""
    t = np.clip(x, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def grid(side: int) -> tuple[FloatArray, FloatArray]:
    """Pixel coordinates (y, x) of a square with odd ``side``, zero at its centre."""
    axis = np.arange(side, dtype=np.float32) - side // 2
    return axis[:, None], axis[None, :]


def add_stamp(canvas_HW: FloatArray, stamp: FloatArray, y: int, x: int) -> None:
    """Add a square stamp of odd side, centred at (y, x), in place; what lies outside is cut off."""
    half = stamp.shape[0] // 2
    top, left = y - half, x - half
    bottom, right = min(top + stamp.shape[0], canvas_HW.shape[0]), min(left + stamp.shape[1], canvas_HW.shape[1])
    y0, x0 = max(top, 0), max(left, 0)
    if y0 < bottom and x0 < right:
        canvas_HW[y0:bottom, x0:right] += stamp[y0 - top : bottom - top, x0 - left : right - left]
