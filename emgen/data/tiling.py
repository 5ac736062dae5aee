"""Prediction on an image of any size through a network that takes pieces of a limited one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from emgen.stages import FloatArray

LARGEST_TILE, OVERLAP = 1088, 64
"""px; a 2048² micrograph is four tiles of 1056², 6 % more than itself. Larger ones would not be faster, and UNet++ with
a large encoder would need more memory than a laptop has."""
MULTIPLE = 32
"""Sides of tiles: what networks with five reductions take."""


def predict_tiled(
    predict: Callable[[FloatArray], FloatArray], image_HW: FloatArray, largest: int, overlap: int
) -> FloatArray:
    """(H, W) -> (H, W): ``predict`` on as few tiles as cover the image, blended smoothly where they overlap.

    ``predict`` takes and gives (1, h, w), h and w multiples of 32 and at most ``largest``, which is one too. An image
    that fits is predicted in one piece. It is continued by reflection to a multiple of 32, and cut back.
    """
    if not 0 <= overlap < largest:
        raise ValueError(f"overlap must be in 0 ... {largest - 1}, is {overlap}")
    height, width = image_HW.shape
    rows, columns = (tiles(size, largest, overlap) for size in (height, width))
    padded = _continued(image_HW, rows[-1].stop, columns[-1].stop)
    if len(rows) == len(columns) == 1:
        return np.ascontiguousarray(predict(padded[None])[0, :height, :width])
    total, weights = np.zeros(padded.shape, np.float32), np.zeros(padded.shape, np.float32)
    for y in rows:
        for x in columns:
            window = np.outer(blend_weights(y.stop - y.start, overlap), blend_weights(x.stop - x.start, overlap))
            total[y, x] += predict(padded[None, y, x])[0] * window
            weights[y, x] += window
    total /= weights
    return np.ascontiguousarray(total[:height, :width])


def _continued(image_HW: FloatArray, height: int, width: int) -> FloatArray:
    """By reflection, where it is smaller."""
    missing = [(0, max(0, new - old)) for new, old in zip((height, width), image_HW.shape, strict=True)]
    return np.pad(image_HW, missing, mode="reflect") if any(after for _, after in missing) else image_HW


def tiles(size: int, largest: int, overlap: int) -> list[slice]:
    """As few equal tiles as cover ``size`` with at least ``overlap`` between neighbours; the last may end beyond it.

    >>> [(tile.start, tile.stop) for tile in tiles(2048, 1088, 64)]
    [(0, 1056), (992, 2048)]
    >>> tiles(50, 64, 16)
    [slice(0, 64, None)]
    """
    if size <= largest:
        return [slice(0, _rounded_up(size))]
    count = math.ceil((size - overlap) / (largest - overlap))
    side = _rounded_up(math.ceil((size + (count - 1) * overlap) / count))
    return [slice(start, start + side) for start in np.round(np.linspace(0, size - side, count)).astype(int).tolist()]


def _rounded_up(size: int) -> int:
    return math.ceil(size / MULTIPLE) * MULTIPLE


def starts(size: int, tile: int, overlap: int) -> list[int]:
    """Evenly spread tile positions that cover ``size`` with at least ``overlap`` between neighbours.

    >>> starts(100, 40, 10)
    [0, 30, 60]
    """
    if size <= tile:
        return [0]
    count = 1 + int(np.ceil((size - tile) / (tile - overlap)))
    return [int(s) for s in np.round(np.linspace(0, size - tile, count))]


def blend_weights(side: int, overlap: int) -> FloatArray:
    """(side,) weights: 1 inside, a squared cosine down to just above 0 within ``overlap`` of both ends."""
    edge = min(overlap, side // 2)
    ramp = np.sin(np.pi / 2 * (np.arange(edge) + 1) / (overlap + 1)) ** 2
    weights = np.ones(side, np.float32)
    weights[:edge], weights[side - edge :] = ramp, ramp[::-1]
    return weights
