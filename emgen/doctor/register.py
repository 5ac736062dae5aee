"""Do two images show the same place? Shift and overlap from small pictures of them.

Candidates come from phase correlation: a shared place gives one sharp peak wherever it lies, while two pictures of the
same kind of specimen give none. The peak leaves the shift open by whole periods, and chance makes peaks too; so each
reading of a peak is confirmed by the correlation of the pixels that would be shared, as a whole and in its parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray

PEAK = 6.5
"""Standard deviations of a correlation peak that is worth a look; the highest of chance reaches 6 to 9."""
CORRELATION, PART = 0.5, 0.25
"""Least correlation of the shared pixels, and of every part of them."""
SIGMAS = 9.0
"""Least correlation in standard errors of one of unrelated pictures."""
SHARED = 0.08
"""Least share of the smaller picture: a narrower strip decides nothing."""
GRAIN = 16.0
"""Pixels of a band-passed picture that vary together, so that count as one."""

Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Match:
    """``first[y, x]`` shows what ``second[y - dy, x - dx]`` shows. ``share``: of the smaller of the two pictures."""

    dy: int
    dx: int
    correlation: float
    share: float


def band_passed(thumb_HW: FloatArray, side: int) -> FloatArray:
    """Without brightness and slow changes of it, which all micrographs of a kind have in common; sd 1."""
    from scipy import ndimage

    passed = ndimage.gaussian_filter(thumb_HW, 0.8) - ndimage.gaussian_filter(thumb_HW, side / 16)
    flat: FloatArray = (passed / (passed.std() + 1e-9)).astype(np.float32)
    return np.clip(flat, -4, 4)


def whitened_spectrum(passed_HW: FloatArray, side: int) -> Spectrum:
    """(side, side // 2 + 1) of the picture, tapered at its edges and filled up with zeros."""
    from scipy import fft

    height, width = passed_HW.shape
    framed = np.zeros((side, side), np.float32)
    framed[:height, :width] = passed_HW * _taper(height)[:, None] * _taper(width)
    spectrum = fft.rfft2(framed)
    size = np.abs(spectrum)
    reach = np.hypot(fft.fftfreq(side)[:, None], fft.rfftfreq(side)) / 0.31
    white: Spectrum = (spectrum / (size + 1e-3 * size.max() + 1e-12) * np.exp(-(reach**2))).astype(np.complex64)
    return white


def peaks(first: Spectrum, second: Spectrum, side: int) -> tuple[float, int, int]:
    """Height of the highest peak in standard deviations, and its shift modulo ``side``."""
    from scipy import fft

    surface = fft.irfft2(first * np.conj(second), s=(side, side))
    top = int(surface.argmax())
    return float(surface.flat[top] / (surface.std() + 1e-12)), top // side, top % side


def confirmed(first_HW: FloatArray, second_HW: FloatArray, dy: int, dx: int, side: int) -> Match | None:
    """The reading of a peak under which the shared pixels agree, if any does."""
    found = [_compared(first_HW, second_HW, *shift) for shift in _readings(dy, dx, side)]
    return max((match for match in found if match), key=lambda match: match.correlation, default=None)


def _readings(dy: int, dx: int, side: int) -> Iterator[tuple[int, int]]:
    """Whole periods are open, and the peak of a reduced picture may be one pixel off."""
    for y, x in product((dy, dy - side), (dx, dx - side)):
        for step_y, step_x in product((-1, 0, 1), (-1, 0, 1)):
            yield y + step_y, x + step_x


def _compared(first_HW: FloatArray, second_HW: FloatArray, dy: int, dx: int) -> Match | None:
    shared = _shared(first_HW.shape[0], second_HW.shape[0], dy), _shared(first_HW.shape[1], second_HW.shape[1], dx)
    if any(a.stop - a.start < 8 for a, _ in shared):
        return None
    first = first_HW[shared[0][0], shared[1][0]]
    second = second_HW[shared[0][1], shared[1][1]]
    share = first.size / min(first_HW.size, second_HW.size)
    correlation = _correlation(first, second)
    sigmas = np.arctanh(min(correlation, 0.999)) * np.sqrt(max(first.size / GRAIN - 3, 0))
    if share < SHARED or correlation < CORRELATION or sigmas < SIGMAS:
        return None
    if min(_correlation(a, b) for a, b in _parts(first, second)) < PART:
        return None
    return Match(dy, dx, correlation, share)


def _shared(first: int, second: int, shift: int) -> tuple[slice, slice]:
    start, stop = max(0, shift), max(max(0, shift), min(first, second + shift))
    return slice(start, stop), slice(start - shift, stop - shift)


def _parts(first: FloatArray, second: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Halves along both axes: one strong thing that happens to fall upon another must not decide alone."""
    for axis in (0, 1):
        yield from zip(np.array_split(first, 2, axis), np.array_split(second, 2, axis), strict=True)


def _correlation(first: FloatArray, second: FloatArray) -> float:
    a, b = first - first.mean(), second - second.mean()
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-12))


def _taper(length: int) -> FloatArray:
    """1, falling to 0 over a twelfth at both ends: the edges themselves must not correlate."""
    edge = max(1, length // 12)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    window = np.ones(length, np.float32)
    window[:edge], window[-edge:] = rise, rise[::-1]
    return window
