"""Whether a modality's normalisation is a clipped line between two percentiles, which other programs can do too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.exporting.compare import phantom
from emgen.stages import FloatArray

Normalise = Callable[[NDArray[Any]], FloatArray]
SIDE = 256
_NEAR = 1e-4
_DECIMALS = 3


def percentiles_of(normalise: Normalise) -> tuple[float, float] | None:
    """The percentiles that become 0 and 1, measured; ``None`` where the function is something else.

    They are read off a ramp, whose percentiles are known, and then tried on phantom micrographs of three kinds. Hot
    pixels, which a normalisation may remove, are in none of them.

    >>> percentiles_of(lambda image: ((image - image.min()) / np.ptp(image)).astype(np.float32))
    (0.0, 100.0)
    >>> percentiles_of(lambda image: np.sqrt((image - image.min()) / np.ptp(image)).astype(np.float32))
    """
    found = _on_a_ramp(normalise)
    if found is None:
        return None
    equal = all(np.abs(between(image, *found) - normalise(image)).max() < _NEAR for image in _trials())
    return found if equal else None


def between(image_HW: NDArray[Any], low: float, high: float) -> FloatArray:
    """Linear from percentile ``low`` to ``high``, clipped to [0, 1]."""
    bottom, top = np.percentile(image_HW, (low, high))
    unit_HW: FloatArray = np.clip((image_HW.astype(np.float64) - bottom) / (top - bottom), 0, 1).astype(np.float32)
    return unit_HW


def _on_a_ramp(normalise: Normalise) -> tuple[float, float] | None:
    """From two points inside the range the line is known, and where it meets 0 and 1."""
    ramp_HW = np.arange(SIDE * SIDE, dtype=np.float64).reshape(SIDE, SIDE)
    unit = np.asarray(normalise(ramp_HW), np.float64).ravel()
    last = unit.size - 1
    first, second = last // 4, 3 * last // 4
    slope = (unit[second] - unit[first]) / (second - first)
    if not (np.isfinite(slope) and slope > 0):
        return None
    zero = first - unit[first] / slope
    low, high = (float(round(100 * value / last, _DECIMALS)) + 0.0 for value in (zero, zero + 1 / slope))  # no -0.0
    return (low, high) if 0 <= low < high <= 100 else None


def _trials() -> Iterator[NDArray[Any]]:
    bright_HW, dark_HW = phantom("bright"), phantom("dark")
    yield np.round(40000 * bright_HW + 500).astype(np.uint16)
    yield np.round(200 * dark_HW + 20).astype(np.uint8)
    yield (bright_HW**3).astype(np.float32)
