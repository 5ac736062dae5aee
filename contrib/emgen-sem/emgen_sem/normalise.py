"""From what a secondary-electron detector wrote to float32 in [0, 1], with what charging adds taken out.

Two things happen to an insulating powder that no particle does. Brightness drifts slowly, from the first line to the
last and across the field: a smooth surface, fitted to what is darkest around, goes. And single lines, or parts of them,
are shifted as a whole, since the specimen charges while the beam passes along them: what is one or two lines high but
long is no particle, and goes too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emgen.stages import FloatArray
from emgen_modalities.normalise import normalise as stretch

STREAK = 1 / 10
"""Length over the image's width from which a brighter or darker piece of a line counts as charging."""
LINES = 7
"""Lines among which such a piece stands out."""
COARSE = 64
"""Most points along a side of the coarse image that the surface is fitted to."""
DARK = 0.2
"""Quantile of a coarse point's pixels that stands for its background: rims and particles are brighter."""
PASSES = 12
UNUSUAL = 1.0
"""A coarse point this many robust deviations over the surface shows particles and no longer counts."""
WRITTEN = 0.8
"""A line in which so large a share of the pixels is either as dark or as bright as can be was written, not scanned."""
MOST_WRITTEN = 0.3
"""Where more of the lines than this look written, the picture is simply dark (or clipped), and all of them count."""


def normalise(image_HW: NDArray[Any]) -> FloatArray:
    """(H, W) of any real type -> (H, W) float32 in [0, 1], particles bright as before.

    Hot pixels are replaced and intensities stretched as in emgen's own modalities, before and after drift and streaks
    are taken out. Lines of a data bar that is still in the picture count nowhere and stay as they are.
    """
    unit_HW = stretch(image_HW)
    if unit_HW.min() == unit_HW.max() or min(unit_HW.shape) < LINES:
        return unit_HW
    scanned_H = ~written_lines(image_HW)
    level_HW = unit_HW[scanned_H]
    level_HW = level_HW - streaks(level_HW)
    level_HW = level_HW - drift(level_HW)
    unit_HW = np.array(unit_HW)
    unit_HW[scanned_H] = stretch(level_HW)
    return unit_HW


def written_lines(image_HW: NDArray[Any]) -> NDArray[np.bool_]:
    """(H,) True where a line is black and white to the last bit: a data bar, which no beam scanned."""
    extreme_HW = (image_HW == image_HW.min()) | (image_HW == image_HW.max())
    written: NDArray[np.bool_] = extreme_HW.mean(axis=1) > WRITTEN
    return written if written.mean() <= MOST_WRITTEN else np.zeros(len(written), bool)


def streaks(image_HW: FloatArray) -> FloatArray:
    """(H, W) what charging adds to single lines: long along the scan, and different from the lines above and below."""
    odd_HW = image_HW - ndimage.median_filter(image_HW, (LINES, 1), mode="reflect")
    length = max(3, round(STREAK * image_HW.shape[1])) | 1
    # A median along the line passes over particles' edges, which are short; a mean after it smooths its steps.
    long_HW = ndimage.median_filter(odd_HW, (1, length), mode="reflect")
    return np.asarray(ndimage.uniform_filter1d(long_HW, length, axis=1, mode="reflect"), np.float32)


def drift(image_HW: FloatArray) -> FloatArray:
    """(H, W) a surface of second order under the background, and each line's level over its neighbours'; mean 0."""
    coarse_hw, rows_h, columns_w = _coarse(image_HW)
    surface_HW = _surface(coarse_hw, rows_h, columns_w, image_HW.shape)
    surface_HW = surface_HW + _line_levels(image_HW - surface_HW)[:, None]
    return np.asarray(surface_HW - surface_HW.mean(), np.float32)


def _coarse(image_HW: FloatArray) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The dark quantile of blocks, and where they lie (-1 … 1 along each side)."""
    step_y, step_x = (max(1, side // COARSE) for side in image_HW.shape)
    height, width = image_HW.shape[0] // step_y, image_HW.shape[1] // step_x
    blocks = image_HW[: height * step_y, : width * step_x].reshape(height, step_y, width, step_x)
    coarse_hw = np.quantile(blocks, DARK, axis=(1, 3))
    return coarse_hw, np.linspace(-1, 1, height), np.linspace(-1, 1, width)


def _surface(
    coarse_hw: NDArray[Any], rows_h: NDArray[Any], columns_w: NDArray[Any], shape_HW: tuple[int, ...]
) -> NDArray[np.float64]:
    """Least squares of 1, x, y, x², xy, y² over the points that are not far above it, again and again."""
    terms = _terms(rows_h, columns_w).reshape(6, -1)
    values = coarse_hw.ravel()
    kept = values <= np.quantile(values, 0.6)
    weights = np.zeros(6)
    for _ in range(PASSES):
        weights = np.linalg.lstsq(terms[:, kept].T, values[kept], rcond=None)[0]
        rest = values - weights @ terms
        deviation = 1.4826 * np.median(np.abs(rest[kept] - np.median(rest[kept])))
        now = rest <= UNUSUAL * max(deviation, 1e-3)
        if now.sum() < 2 * len(weights) or np.array_equal(now, kept):
            break
        kept = now
    surface_HW: NDArray[np.float64] = np.tensordot(
        weights, _terms(*(np.linspace(-1, 1, side) for side in shape_HW)), axes=1
    )
    return surface_HW


def _terms(rows_h: NDArray[Any], columns_w: NDArray[Any]) -> NDArray[np.float64]:
    """(6, h, w)."""
    y, x = rows_h[:, None], columns_w[None, :]
    return np.stack(np.broadcast_arrays(np.ones_like(y + x), x + 0 * y, y + 0 * x, x * x + 0 * y, x * y, y * y + 0 * x))


def _line_levels(image_HW: NDArray[np.float64]) -> NDArray[np.float64]:
    """(H,) steps from band to band: medians of the difference of neighbouring lines, summed up, their slow part left.

    The median passes over particles that begin or end between two lines. Summed differences wander with the noise;
    the slow part of them is what the surface is for.
    """
    steps_H = np.r_[0.0, np.median(np.diff(image_HW, axis=0), axis=1)]
    noise = 1.4826 * np.median(np.abs(steps_H))
    steps_H[np.abs(steps_H) < 4 * max(noise, 1e-4)] = 0.0
    levels_H = np.cumsum(steps_H)
    return np.asarray(levels_H - levels_H.mean())
