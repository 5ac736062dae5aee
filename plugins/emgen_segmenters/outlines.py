"""From spots to outlined particles.

Around each spot the surroundings' brightness is taken from a ring; the outline stands where brightness has fallen to a
fraction of the way from the particle's to that of its surroundings. Where two particles claim a pixel, it goes to the
one whose level is higher there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emgen_segmenters.blobs import FloatArray, Spots

_RING = (0.75, 1.15)
_REACH = 0.85
_RING_QUANTILE = 0.4
_SMALLEST_AREA = 6


def outline(image_HW: FloatArray, spots: Spots, edge: float) -> NDArray[np.int32]:
    """(H, W) bright particles and their spots -> (H, W) int32 instances, numbered 1 … K without gaps."""
    label = np.zeros(image_HW.shape, np.int32)
    claim = np.zeros(image_HW.shape, np.float32)
    for number, index in enumerate(np.argsort(-spots.diameter, kind="stable"), start=1):
        window, level, inside = _particle(image_HW, spots.place[index], float(spots.diameter[index]), edge)
        wins = inside & (level > claim[window])
        label[window][wins] = number
        claim[window][wins] = level[wins]
    return _tidied(label)


def _particle(
    image_HW: FloatArray, place: NDArray[np.float64], diameter: float, edge: float
) -> tuple[tuple[slice, slice], FloatArray, NDArray[np.bool_]]:
    """Window around a spot, level in it (0 surroundings, 1 particle), and what belongs to the particle."""
    half = int(np.ceil(_RING[1] * diameter)) + 1
    y, x = (round(float(v)) for v in place)
    rows = slice(max(y - half, 0), min(y + half + 1, image_HW.shape[0]))
    columns = slice(max(x - half, 0), min(x + half + 1, image_HW.shape[1]))
    part = ndimage.gaussian_filter(image_HW[rows, columns], 0.1 * diameter, truncate=3.0)
    distance = np.hypot(*np.ogrid[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x])
    ring = part[(distance > _RING[0] * diameter) & (distance < _RING[1] * diameter)]
    core = part[distance <= max(0.2 * diameter, 1.0)]
    if not ring.size or not core.size:
        return (rows, columns), part, np.zeros(part.shape, bool)
    floor, top = float(np.quantile(ring, _RING_QUANTILE)), float(core.mean())
    level = (part - floor) / max(top - floor, 1e-6)
    inside = (level > edge) & (distance < _REACH * diameter)
    pieces, _ = ndimage.label(inside)
    middle = pieces[y - rows.start, x - columns.start]
    inside = ndimage.binary_fill_holes(pieces == middle) if middle else np.zeros(part.shape, bool)
    return (rows, columns), level, inside


def _tidied(label_HW: NDArray[np.int32]) -> NDArray[np.int32]:
    """Only the largest connected piece of each particle stays, and no specks."""
    out = np.zeros_like(label_HW)
    count = 0
    for number, window in enumerate(ndimage.find_objects(label_HW), start=1):
        if window is None:
            continue
        pieces, found = ndimage.label(label_HW[window] == number)
        if not found:
            continue
        areas = np.bincount(pieces.ravel())[1:]
        if areas.max() >= _SMALLEST_AREA:
            count += 1
            out[window][pieces == areas.argmax() + 1] = count
    return out
