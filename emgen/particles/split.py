"""From a probability map to instances: touching particles are split, irregular ones stay whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray, LabelArray

NECK = 0.85
"""Two parts are one particle where the neck between them is at least this share of the smaller part's radius.
Discs of radius r with centres d apart have a neck of sqrt(1 - (d / 2r)^2), so those closer than about r are merged."""
LEAST_DEPTH = 0.5
"""Pixels by which the neck must be narrower at least: on smaller particles it is the grid that makes necks."""
HOLE = 0.15
"""Holes up to this share of a component are filled; larger ones are background that particles enclose."""


def split_instances(
    probability_HW: FloatArray, threshold: float = 0.5, min_area: int = 6, smoothing: float = 1.0
) -> LabelArray:
    """(H, W) probability of particle in [0, 1] -> (H, W) int32 instances 1 ... K.

    Connected regions at or over ``threshold`` are cut at their necks: maxima of the smoothed distance to the
    background, weighted by the probability, seed a watershed, and neighbours whose neck is no real one are joined again
    (maxima by their dynamics, as h-maxima, but relative to the particle's own radius).

    Parameters
    ----------
    min_area: pixels; smaller particles are dropped. smoothing: standard deviation in pixels, of the distance.
    """
    from scipy import ndimage as ndi

    components_HW, _ = ndi.label(probability_HW >= threshold)
    result = np.zeros(components_HW.shape, np.int32)
    large = np.bincount(components_HW.ravel()) >= min_area
    count = 0
    for number, box in enumerate(ndi.find_objects(components_HW), 1):
        if not large[number]:
            continue
        box = _grown(box, result.shape)
        mask = _without_small_holes(components_HW[box] == number)
        parts = _cut(mask, probability_HW[box], threshold, smoothing)
        areas = np.bincount(parts.ravel())
        for part in np.flatnonzero(areas[1:] >= min_area) + 1:
            count += 1
            result[box][parts == part] = count
    return result


def _grown(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """One pixel of background all round, but none beyond the image: a particle that its edge cuts goes on there."""
    return tuple(slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(box, shape, strict=True))


def _without_small_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage as ndi

    filled = ndi.binary_fill_holes(mask)
    holes, count = ndi.label(filled & ~mask)
    if not count:
        return mask
    areas = np.bincount(holes.ravel())
    areas[0] = mask.sum()
    small = areas <= HOLE * mask.sum()
    small[0] = False
    joined: NDArray[np.bool_] = mask | small[holes]
    return joined


def _cut(mask: NDArray[np.bool_], probability: FloatArray, threshold: float, smoothing: float) -> NDArray[np.int32]:
    """Parts 1 ... n of one component."""
    from scipy import ndimage as ndi

    if mask.all():
        return mask.astype(np.int32)
    distance = ndi.distance_transform_edt(mask)
    # A dip of probability between two particles counts as a neck; inside a particle it is near 1 and changes nothing.
    weight = np.clip(ndi.gaussian_filter(probability.astype(np.float32), smoothing), threshold, 1)
    relief = ndi.gaussian_filter(distance, smoothing) * weight * mask
    parts = _basins(relief, mask)
    return parts if parts.max() < 2 else _join(parts, relief)


def _basins(relief: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The watershed of all local maxima."""
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    peaks = (relief == ndi.maximum_filter(relief, 3)) & mask & (relief > 0)
    markers, count = ndi.label(peaks, np.ones((3, 3)))
    if count < 2:
        return mask.astype(np.int32)
    basins: NDArray[np.int32] = watershed(-relief, markers, mask=mask).astype(np.int32)
    return basins


def _join(parts: NDArray[np.int32], relief: NDArray[Any]) -> NDArray[np.int32]:
    """Join neighbours across the highest pass first, as long as it is no neck for the smaller of the two."""
    from scipy import ndimage as ndi

    numbers = np.arange(parts.max() + 1)
    height = np.r_[0, ndi.maximum(relief, parts, numbers[1:])]
    passes = _passes(parts, relief)
    group = numbers.copy()
    for level, a, b in sorted(passes, reverse=True):
        one, other = group[a], group[b]
        lower = min(height[one], height[other])
        if one != other and (level >= NECK * lower or lower - level < LEAST_DEPTH):
            height[one] = max(height[one], height[other])
            group[group == other] = one
    kept = np.unique(group, return_inverse=True)[1].astype(np.int32)
    joined: NDArray[np.int32] = kept[parts]
    return joined


def _passes(parts: NDArray[np.int32], relief: NDArray[Any]) -> list[tuple[float, int, int]]:
    """(height, a, b) of the highest pass between each two neighbouring parts."""
    found: dict[tuple[int, int], float] = {}
    for near, far in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        a, b = parts[near], parts[far]
        ys, xs = np.nonzero((a != b) & (a > 0) & (b > 0))
        level = np.minimum(relief[near][ys, xs], relief[far][ys, xs])
        for one, other, value in zip(a[ys, xs].tolist(), b[ys, xs].tolist(), level.tolist(), strict=True):
            pair = (min(one, other), max(one, other))
            found[pair] = max(found.get(pair, 0.0), value)
    return [(value, *pair) for pair, value in found.items()]
