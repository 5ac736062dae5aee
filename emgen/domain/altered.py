"""Known ways out of a domain: micrographs of it, altered as a microscope alters them.

A distance from the training micrographs looks in all directions at once, and sees a small step in any single one badly.
The ways in which a session leaves a domain are known, so they are looked along one by one as well. They are learnt from
the training micrographs themselves, and no other micrograph is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from emgen.data.resize import resize_to, scaled_shape
from emgen.domain.grey import noise
from emgen.stages import FloatArray

DEFOCUS = 0.3
"""Standard deviation of the blur, in particle diameters."""
DOSE = 10.0
"""The dose is divided by this."""
ZOOM = 2.5

Alter = Callable[[FloatArray, float, np.random.Generator], FloatArray]
"""(H, W) in [0, 1], diameter of its particles in px, random numbers -> (H, W) in any units."""


def inverted(image_HW: FloatArray, diameter: float, rng: np.random.Generator) -> FloatArray:
    """Dark particles for bright ones, as in the other kind of imaging."""
    return 1 - image_HW


def defocused(image_HW: FloatArray, diameter: float, rng: np.random.Generator) -> FloatArray:
    """Blurred, with noise as before."""
    from scipy import ndimage

    blurred_HW = ndimage.gaussian_filter(image_HW, DEFOCUS * diameter, truncate=3)
    return _noisy(blurred_HW, _noise(image_HW), rng)


def noisier(image_HW: FloatArray, diameter: float, rng: np.random.Generator) -> FloatArray:
    """As with a dose ``DOSE`` times smaller."""
    return _noisy(image_HW, max(_noise(image_HW) * (DOSE - 1) ** 0.5, 0.02), rng)


def magnified(image_HW: FloatArray, diameter: float, rng: np.random.Generator) -> FloatArray:
    """Its middle, ``ZOOM`` times as large, with noise as before."""
    (top, height), (left, width) = (((side - round(side / ZOOM)) // 2, round(side / ZOOM)) for side in image_HW.shape)
    middle_HW = image_HW[top : top + height, left : left + width]
    return _noisy(resize_to(middle_HW, (image_HW.shape[0], image_HW.shape[1])), _noise(image_HW), rng)


def reduced(image_HW: FloatArray, diameter: float, rng: np.random.Generator) -> FloatArray:
    """``ZOOM`` times smaller, with noise as before."""
    small_HW = resize_to(image_HW, scaled_shape((image_HW.shape[0], image_HW.shape[1]), 1 / ZOOM))
    return _noisy(small_HW, _noise(image_HW), rng)


ALTERATIONS: Mapping[str, Alter] = MappingProxyType(
    {"inverted": inverted, "defocused": defocused, "noisier": noisier, "magnified": magnified, "reduced": reduced}
)
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "inverted": "bright and dark are exchanged, as in another kind of imaging",
        "defocused": "it is blurred, as out of focus",
        "noisier": "it is noisy, as with a smaller dose",
        "magnified": "the magnification is higher",
        "reduced": "the magnification is lower",
    }
)


def _noise(image_HW: FloatArray) -> float:
    level = float(np.exp(noise(image_HW)))
    return level if np.isfinite(level) else 0.0


def _noisy(image_HW: FloatArray, level: float, rng: np.random.Generator) -> FloatArray:
    drawn_HW = rng.standard_normal(image_HW.shape, dtype=np.float32)
    return np.asarray(image_HW + np.float32(level) * drawn_HW, np.float32)
