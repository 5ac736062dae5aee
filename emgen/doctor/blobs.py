"""Particles before any segmentation: at which size an image has the strongest blobs, and are they bright or dark?

Differences of Gaussians at growing size, each judged by how far its tails reach beyond what noise of the same middle
would give. Bright particles lengthen the upper tail, dark ones the lower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emgen.stages import FloatArray

LARGEST = 1024
"""Side down to which an image is halved before: finer blobs than two of its pixels are rarely particles."""
SMALLEST = 48
"""Shorter side below which an image is too small for statistics of its tails."""
TAIL = 0.3
"""Per cent of the pixels on either side that count as tail; particles cover more."""
GAUSSIAN = 2.75
"""Reach of that tail in noise, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Blobs:
    """The strongest blobs of an image.

    Attributes
    ----------
    size: their diameter in native pixels, roughly. reach: of the longer tail, in standard deviations of the middle;
    2.75 is noise. asymmetry: from -1 (only dark) to 1 (only bright). extreme: the farthest single response.
    """

    size: float
    reach: float
    asymmetry: float
    extreme: float


def find_blobs(image_HW: FloatArray) -> Blobs | None:
    """Of (H, W) in any units; ``None`` of an image too small to tell."""
    found = [_tails(size, response) for size, response in _responses(image_HW)]
    if not found:
        return None
    strongest = max(found, key=lambda blobs: blobs.reach)
    extreme = max(blobs.extreme for blobs in found)
    return Blobs(strongest.size, strongest.reach, strongest.asymmetry, extreme)


def halved(image_HW: FloatArray) -> FloatArray:
    """(H, W) -> (H // 2, W // 2), means of 2 x 2."""
    height, width = (side // 2 * 2 for side in image_HW.shape)
    even = image_HW[:height, :width]
    mean: FloatArray = 0.25 * (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2])
    return mean


def _responses(image_HW: FloatArray) -> Iterator[tuple[float, FloatArray]]:
    """(diameter, response without its rim) from fine to coarse, two sizes an octave."""
    from scipy import ndimage

    step = 1.0
    while max(image_HW.shape) > LARGEST:
        image_HW, step = halved(image_HW), 2 * step
    while min(image_HW.shape) >= SMALLEST:
        smoothed = [ndimage.gaussian_filter(image_HW, sigma, truncate=3.0) for sigma in (1.0, 1.6, 2.5)]
        for sigma, fine, coarse in zip((1.0, 1.6), smoothed, smoothed[1:], strict=False):
            yield 3.5 * sigma * step, (fine - coarse)[4:-4, 4:-4]
        image_HW, step = halved(image_HW), 2 * step


def _tails(size: float, response_HW: FloatArray) -> Blobs:
    low, lower, middle, upper, high = np.percentile(response_HW, (TAIL, 25, 50, 75, 100 - TAIL))
    sd = (upper - lower) / 1.349
    if sd <= 0:  # more than half of the image is flat: any blob stands out without limit
        sd = float(response_HW.std()) / 10 or 1.0
    bright, dark = (high - middle) / sd, (middle - low) / sd
    extreme = max(float(response_HW.max()) - middle, middle - float(response_HW.min())) / sd
    asymmetry = (bright - dark) / (bright + dark) if bright + dark else 0.0
    return Blobs(size, float(max(bright, dark)), float(asymmetry), float(extreme))
