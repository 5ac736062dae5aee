"""Prediction on an image of any size through a network of one size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emgen.stages import FloatArray


def predict_tiled(
    predict: Callable[[FloatArray], FloatArray], image_HW: FloatArray, tile: int, overlap: int, batch: int = 1
) -> FloatArray:
    """(H, W) -> (H, W): ``predict`` on overlapping tiles, blended smoothly.

    ``predict`` takes and gives (N, tile, tile) with N at most ``batch``. An image smaller than a tile is continued by
    reflection and cut back.
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"overlap must be in 0 ... {tile - 1}, is {overlap}")
    height, width = image_HW.shape
    padded = np.pad(image_HW, ((0, max(0, tile - height)), (0, max(0, tile - width))), mode="reflect")
    corners = [(y, x) for y in starts(padded.shape[0], tile, overlap) for x in starts(padded.shape[1], tile, overlap)]
    total, weights = np.zeros(padded.shape, np.float32), np.zeros(padded.shape, np.float32)
    window = blend_window(tile, overlap)
    for first in range(0, len(corners), batch):
        chunk = corners[first : first + batch]
        tiles_NHW = np.stack([padded[y : y + tile, x : x + tile] for y, x in chunk])
        for (y, x), result_HW in zip(chunk, predict(tiles_NHW), strict=True):
            total[y : y + tile, x : x + tile] += result_HW * window
            weights[y : y + tile, x : x + tile] += window
    return np.ascontiguousarray((total / weights)[:height, :width])


def starts(size: int, tile: int, overlap: int) -> list[int]:
    """Evenly spread tile positions that cover ``size`` with at least ``overlap`` between neighbours.

    >>> starts(100, 40, 10)
    [0, 30, 60]
    """
    if size <= tile:
        return [0]
    count = 1 + int(np.ceil((size - tile) / (tile - overlap)))
    return [int(s) for s in np.round(np.linspace(0, size - tile, count))]


def blend_window(tile: int, overlap: int) -> FloatArray:
    """(tile, tile) weights: 1 inside, a squared cosine down to just above 0 within ``overlap`` of the border."""
    ramp = np.sin(np.pi / 2 * (np.arange(overlap) + 1) / (overlap + 1)) ** 2
    side = np.ones(tile, np.float32)
    edge = min(overlap, tile // 2)
    side[:edge] = ramp[:edge]
    side[tile - edge :] = ramp[:edge][::-1]
    window: FloatArray = np.outer(side, side).astype(np.float32)
    return window
