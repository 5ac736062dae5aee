"""Particles painted out of a micrograph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray


def paint_out(image_HW: FloatArray, holes_HW: NDArray[np.bool_]) -> FloatArray:
    """Fills holes from their surroundings: averages of what is known, within ever wider Gaussians."""
    from scipy import ndimage as ndi

    if not holes_HW.any() or holes_HW.all():
        return image_HW.astype(np.float32)
    known = (~holes_HW).astype(np.float32)
    filled, missing = image_HW * known, holes_HW.copy()
    for sigma in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0):
        weight = ndi.gaussian_filter(known, sigma, mode="reflect")
        value = ndi.gaussian_filter(image_HW * known, sigma, mode="reflect") / np.maximum(weight, 1e-6)
        reached = missing & (weight > 0.05)
        filled[reached] = value[reached]
        missing &= ~reached
    filled[missing] = float(image_HW[~holes_HW].mean())
    return filled.astype(np.float32)
