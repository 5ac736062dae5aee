"""How far two labels of one image agree, counted tile by tile, so that the agreement gets an interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.particles.match import match_objects
from emgen.stages import LabelArray

TILES = 8
"""Tiles along the longer side; what happens in one is taken to say nothing of the next."""
COUNTS = ("both", "either", "neither", "pixels", "pairs", "first", "second", "diameters_first", "diameters_second")

Counts = NDArray[np.float64]


def count_tiles(first_HW: LabelArray, second_HW: LabelArray) -> Counts:
    """(tiles, 9): ``COUNTS`` of each tile: pixels in both masks, in either, in neither, of all; objects matched at an
    intersection over union of 0.5, of the first, of the second; sums of their equivalent diameters, px.

    An object belongs to the tile of its middle, a matched one to that of the first label's.
    """
    side = -(-max(first_HW.shape) // TILES)
    across = -(-first_HW.shape[1] // side)
    tile_HW = (np.arange(first_HW.shape[0]) // side)[:, None] * across + np.arange(first_HW.shape[1]) // side
    tiles = int(tile_HW[-1, -1]) + 1
    one, two = first_HW > 0, second_HW > 0
    masks = (one & two, one | two, ~(one | two), np.ones_like(one))
    pixels = [np.bincount(tile_HW[mask], minlength=tiles) for mask in masks]
    objects = _objects(first_HW, second_HW, tile_HW, tiles)
    return np.stack([*pixels, *objects], axis=1).astype(np.float64)


def _objects(
    first_HW: LabelArray, second_HW: LabelArray, tile_HW: NDArray[Any], tiles: int
) -> list[NDArray[np.float64]]:
    matched = np.array([pair[0] for pair in match_objects(first_HW, second_HW).pairs], int)
    (tile_1, diameter_1, number_1), (tile_2, diameter_2, _) = (_middles(a, tile_HW) for a in (first_HW, second_HW))
    is_matched = np.isin(number_1, matched)
    counted = (
        np.bincount(tile_1[is_matched], minlength=tiles),
        np.bincount(tile_1, minlength=tiles),
        np.bincount(tile_2, minlength=tiles),
        np.bincount(tile_1, diameter_1, minlength=tiles),
        np.bincount(tile_2, diameter_2, minlength=tiles),
    )
    return [np.asarray(counts, np.float64) for counts in counted]


def _middles(label_HW: LabelArray, tile_HW: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Of each object its tile, its equivalent diameter, and its number."""
    from scipy import ndimage

    areas = np.bincount(label_HW.ravel())
    areas[0] = 0
    numbers = np.flatnonzero(areas)
    if not len(numbers):
        return np.zeros(0, int), np.zeros(0), numbers
    middles = np.array(ndimage.center_of_mass(label_HW > 0, label_HW, numbers)).round().astype(int)
    return tile_HW[middles[:, 0], middles[:, 1]], np.sqrt(4 / np.pi * areas[numbers]), numbers


def scores_of(counts: Counts) -> Mapping[str, NDArray[np.float64]]:
    """Scores of (..., 9) counts: ``foreground_iou``, ``miou``, ``object_f1``, ``pixel_accuracy`` (1 where there is
    nothing to differ in), and ``diameter_difference``: of the means, as a share of their mean, signed."""
    both, either, neither, pixels, pairs, first, second, sum_1, sum_2 = np.moveaxis(counts, -1, 0)
    foreground = _share(both, either)
    background = _share(neither, pixels - both)
    mean_1, mean_2 = (total / np.maximum(n, 1) for total, n in ((sum_1, first), (sum_2, second)))
    middle = np.maximum((mean_1 + mean_2) / 2, 1e-12)
    difference = np.where((first > 0) & (second > 0), (mean_1 - mean_2) / middle, 0.0)
    return {
        "foreground_iou": foreground,
        "background_iou": background,
        "miou": (foreground + background) / 2,
        "object_f1": _share(2 * pairs, first + second),
        "pixel_accuracy": _share(both + neither, pixels),
        "diameter_difference": difference,
    }


def _share(part: Counts, whole: Counts) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.where(whole > 0, part / np.maximum(whole, 1), 1.0)
    return share
