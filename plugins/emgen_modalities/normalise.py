"""From any intensities to float32 in [0, 1], not led astray by hot or dead pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray

LOW, HIGH = 0.1, 99.9
"""Percentiles that become 0 and 1."""
OUTLYING = 0.5
"""A pixel further out than this share of the range is looked at."""
COMPANY = 2
"""It is hot where at most so many of its 3 x 3 surroundings, itself among them, are as far out; the corner of a small
particle has more."""
SAMPLED = 1 << 20
"""Pixels that the percentiles are taken from; more would change them by less than the noise."""


def normalise(image_HW: NDArray[Any]) -> FloatArray:
    """(H, W) of any real type -> (H, W) float32 in [0, 1]: linear between percentiles 0.1 and 99.9, then clipped.

    Single hot or dead pixels become the median of their 3 x 3 surroundings first. Polarity is kept: in a bright-field
    micrograph particles stay dark. An image whose percentiles coincide (a few bright pixels on nothing) is spread
    between its extremes; a constant one becomes 0.
    """
    values_HW = image_HW.astype(np.float64 if image_HW.dtype.itemsize > 2 else np.float32)
    low, high = _range(values_HW)
    cleaned_HW = replace_hot_pixels(values_HW, low, high)
    if cleaned_HW is not values_HW:
        values_HW = cleaned_HW
        low, high = _range(values_HW)
    if high <= low:
        low, high = float(values_HW.min()), float(values_HW.max())
    if high <= low:
        return np.zeros(image_HW.shape, np.float32)
    scaled_HW = (values_HW - low) / (high - low)
    return np.clip(scaled_HW, 0, 1, out=scaled_HW).astype(np.float32)


def replace_hot_pixels(values_HW: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """(H, W) floats with isolated pixels far outside [low, high] set to the median of their 3 x 3 surroundings."""
    margin = OUTLYING * (high - low)
    ys, xs = np.nonzero((values_HW > high + margin) | (values_HW < low - margin))
    if not len(ys) or high <= low:
        return values_HW
    padded = np.pad(values_HW, 1, mode="edge")
    around = np.stack([padded[ys + dy, xs + dx] for dy in range(3) for dx in range(3)])
    hot = ((around > high + margin) | (around < low - margin)).sum(axis=0) <= COMPANY
    cleaned = values_HW.copy()
    cleaned[ys[hot], xs[hot]] = np.median(around, axis=0)[hot]
    return cleaned


def _range(values_HW: NDArray[Any]) -> tuple[float, float]:
    step = max(1, int(np.sqrt(values_HW.size / SAMPLED)))
    low, high = np.percentile(values_HW[::step, ::step], (LOW, HIGH))
    return float(low), float(high)
