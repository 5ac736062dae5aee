"""What the grey values of crops are like, whatever is on them: levels, noise, spectrum."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray

Array = NDArray[np.float64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
BANDS = 8
LEAST = 1e-4
"""Of [0, 1]: below the step of 8-bit grey values; keeps logarithms finite."""
NORMAL = 1.4826
"""Standard deviation of normal values over their median absolute deviation."""


def levels(image_CHW: FloatArray) -> Array:
    """(C, 7): quantiles ``LEVELS`` of the grey values, logarithm of their standard deviation, their skewness."""
    values_CP = image_CHW.reshape(len(image_CHW), -1)
    ordered_CP = np.sort(values_CP, axis=1)
    places = [round(level * (values_CP.shape[1] - 1)) for level in LEVELS]
    deviation_CP = values_CP - values_CP.mean(axis=1, keepdims=True)
    squared_CP = deviation_CP * deviation_CP  # powers of arrays are many times slower
    spread_C = np.sqrt(squared_CP.mean(axis=1)) + LEAST
    skewness_C = (squared_CP * deviation_CP).mean(axis=1) / spread_C**3
    return np.column_stack([ordered_CP[:, places], np.log(spread_C), skewness_C]).astype(float)


def noise(image_HW: FloatArray) -> float:
    """Logarithm of the noise's standard deviation in [0, 1]; robust, by second differences along both axes.

    They cancel levels and slopes (J. Immerkær, Computer Vision and Image Understanding 64 (1996) 300): ``[1 -2 1]`` by
    itself, whose squares sum to 36.
    """
    if min(image_HW.shape) < 3:
        return float("nan")
    across = image_HW[:, :-2] - 2 * image_HW[:, 1:-1] + image_HW[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    return float(np.log(NORMAL * np.median(np.abs(both)) / 6 + LEAST))


def streaks(image_HW: FloatArray) -> float:
    """Logarithm of the ratio of differences between lines to those along a line: scan faults make it large."""
    if min(image_HW.shape) < 2:
        return float("nan")
    down, along = (float(np.abs(np.diff(image_HW, axis=axis)).mean()) for axis in (0, 1))
    return float(np.log((down + LEAST) / (along + LEAST)))


def blobs(image_CHW: FloatArray, widths: tuple[float, ...]) -> Array:
    """(C, len(widths)): skewness of each crop after a band-pass of that width in px.

    Positive where what is so large is brighter than its surroundings, negative where it is darker. It needs no model,
    which of dark particles on bright ground sees the gaps alone.
    """
    from scipy import ndimage

    columns = []
    for width in widths:
        near, far = (round(width * share) | 1 for share in (0.5, 1.5))
        smooth = ndimage.uniform_filter(image_CHW, (0, near, near), mode="reflect")
        band_CHW = smooth - ndimage.uniform_filter(smooth, (0, far, far), mode="reflect")
        squared_CHW = band_CHW * band_CHW
        spread_C = np.sqrt(squared_CHW.mean(axis=(1, 2))) + LEAST
        columns.append(np.cbrt((squared_CHW * band_CHW).mean(axis=(1, 2)) / spread_C**3))
    return np.column_stack(columns).astype(float)


def spectrum(image_CHW: FloatArray) -> Array:
    """(C, BANDS) logarithm of the mean power in radial bands, coarse to fine, evenly wide in log frequency."""
    from scipy import fft

    side = image_CHW.shape[-1]
    window_H, weight_BP = _window(side), _bands(side)
    centred = (image_CHW - image_CHW.mean(axis=(1, 2), keepdims=True)) * (window_H[:, None] * window_H)
    power_CP = np.abs(fft.rfft2(centred.astype(np.float32), workers=1)).reshape(len(image_CHW), -1) ** 2
    power_CB: Array = (power_CP @ weight_BP.T).astype(float) / (window_H**2).sum() ** 2
    return np.asarray(np.log(power_CB + LEAST**2))


@cache
def _window(side: int) -> FloatArray:
    return np.hanning(side + 2)[1:-1].astype(np.float32)


@cache
def _bands(side: int) -> FloatArray:
    """(BANDS, side * (side // 2 + 1)): of each band the weights that average over its frequencies."""
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)).ravel()
    edges = np.geomspace(1.5 / side, 0.5, BANDS + 1)
    inside_BP = np.array([(radius >= low) & (radius < high) for low, high in pairwise(edges)], np.float32)
    return np.asarray(inside_BP / inside_BP.sum(axis=1, keepdims=True))
