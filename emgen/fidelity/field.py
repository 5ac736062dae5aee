"""One image made ready for measuring: which pixels are background, and how much they scatter locally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.stages import LabelArray, Polarity

GRAIN = 0.5 / 255
"""Least spread: half a grey level of 8 bit, so that flat vacuum does not make everything significant."""
OUTLIER = 4.0
"""Times the usual deviation beyond which a pixel says nothing of the background's spread."""
SHARE_OF_MEDIAN = 0.25
"""Least local spread as a share of the image's median spread."""


@dataclass(frozen=True, slots=True)
class Field:
    """An image with particles bright.

    Attributes
    ----------
    label_HW: int32 instances.
    free_HW: float32, 1 on background, 0 on particles and one pixel around them, where the probe smears them.
    filled_HW: the image with its particles painted out by what is around them.
    spread_HW: local standard deviation of the background about its own local mean.
    padded: the image with ``pad`` px around it, so that stencils may reach over its edge; their weight there is 0.
    free: ``free_HW`` padded alike.
    """

    label_HW: LabelArray
    free_HW: NDArray[np.float32]
    filled_HW: NDArray[np.float32]
    spread_HW: NDArray[np.float32]
    padded: NDArray[np.float32]
    free: NDArray[np.float32]
    pad: int


def field_of(image_HW: NDArray[Any], label_HW: LabelArray, polarity: Polarity, radius: float, pad: int) -> Field:
    """``radius``: of a typical particle in px; the reach of the local means. ``pad``: px that a stencil may reach."""
    from scipy.ndimage import binary_dilation

    image = np.asarray(image_HW, np.float32)
    image = image if polarity == "bright" else 1 - image
    free = (~binary_dilation(label_HW > 0)).astype(np.float32)
    local = _smoothed(image, free, radius)
    filled = np.where(free > 0, image, local)
    rough = np.abs(image - local)
    usual = float(np.median(rough[free > 0])) if (free > 0).any() else float(np.median(rough))
    rough = np.minimum(rough, OUTLIER * usual)  # a particle without a label must not raise what it is measured by
    spread = np.sqrt(np.maximum(_smoothed(rough**2, free, 2 * radius), 0))
    seen = spread[free > 0]
    least = max(GRAIN, SHARE_OF_MEDIAN * float(np.median(seen))) if len(seen) else GRAIN
    spread = np.maximum(spread, least)
    return Field(label_HW, free, filled, spread, np.pad(image, pad), np.pad(free, pad), pad)


def _smoothed(values_HW: NDArray[Any], weight_HW: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian mean over the pixels of weight 1 alone (normalised convolution); the mean of all where none is near."""
    from scipy.ndimage import gaussian_filter

    near = gaussian_filter(weight_HW, sigma, mode="nearest", truncate=3)
    total = float(weight_HW.sum())
    mean = float((values_HW * weight_HW).sum() / total) if total else float(values_HW.mean())
    smooth = gaussian_filter(values_HW * weight_HW, sigma, mode="nearest", truncate=3)
    result: NDArray[np.float32] = np.where(near > 1e-4, smooth / np.maximum(near, 1e-4), mean).astype(np.float32)
    return result
