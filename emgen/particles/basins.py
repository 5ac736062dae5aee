"""Where a relief of particles is cut: at the passes between its peaks that are necks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NECK = 0.85
"""Two parts are one particle where the neck between them is at least this share of the smaller part's radius.
Discs of radius r with centres d apart have a neck of sqrt(1 - (d / 2r)^2), so those closer than about r are merged."""
LEAST_DEPTH = 0.5
"""Pixels by which the neck must be narrower at least: on smaller particles it is the grid that makes necks."""

Mask = NDArray[np.bool_]
Relief = NDArray[np.float64]
Parts = NDArray[np.int32]


def cut_at_necks(components: Sequence[tuple[Relief, Mask]]) -> list[Parts]:
    """(h, w) relief and mask of connected components -> (h, w) int32 parts 1 ... n of each.

    The maxima of the relief seed a watershed, and neighbours whose neck is no real one are joined again.
    """
    result: list[Parts] = [np.zeros((0, 0), np.int32)] * len(components)
    for chosen in _batches([relief for relief, _ in components]):
        ends = np.cumsum([len(components[k][0]) + 1 for k in chosen])
        width = max(components[k][0].shape[1] for k in chosen)
        relief, mask = np.zeros((ends[-1], width)), np.zeros((ends[-1], width), bool)
        places = [
            (slice(end - 1 - height, end - 1), slice(wide))
            for end, (height, wide) in zip(ends, (components[k][0].shape for k in chosen), strict=True)
        ]
        for k, place in zip(chosen, places, strict=True):
            relief[place], mask[place] = components[k]
        parts = _cut(relief, mask)
        for k, place in zip(chosen, places, strict=True):
            part = parts[place]
            result[k] = np.where(mask[place], part - (part[mask[place]].min() - 1), 0).astype(np.int32)
    return result


def _batches(reliefs: Sequence[Relief]) -> Iterator[list[int]]:
    """Which are cut in one go, one below the other: those of similar width.

    Where peaks are equally high, what is flooded first depends on what else there is: such a component goes alone.
    """
    alike: dict[int, list[int]] = {}
    for k, relief in enumerate(reliefs):
        heights = relief[_peaks(relief)]
        if len(np.unique(heights)) < len(heights):
            yield [k]
        else:
            alike.setdefault(relief.shape[1].bit_length(), []).append(k)
    yield from alike.values()


def _peaks(relief: Relief) -> Mask:
    import cv2

    peaks: Mask = (relief == cv2.dilate(relief, np.ones((3, 3), np.uint8))) & (relief > 0)
    return peaks


def _cut(relief: Relief, mask: Mask) -> Parts:
    """Parts 1 ... n of components that do not touch: in the order of the components."""
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    markers = ndi.label(_peaks(relief), np.ones((3, 3)))[0]
    basins: Parts = watershed(-relief, markers, mask=mask).astype(np.int32)
    return _joined(basins, relief)


def _joined(parts: Parts, relief: Relief) -> Parts:
    """Join neighbours across the highest pass first, as long as it is no neck for the smaller of the two."""
    heights = np.zeros(parts.max() + 1)
    np.maximum.at(heights, parts.ravel(), relief.ravel())
    height, group = heights.tolist(), list(range(len(heights)))

    def root(part: int) -> int:
        while group[part] != part:
            group[part] = part = group[group[part]]
        return part

    for level, a, b in _passes(parts, relief):
        one, other = root(a), root(b)
        lower = min(height[one], height[other])
        if one != other and (level >= NECK * lower or lower - level < LEAST_DEPTH):
            height[one] = max(height[one], height[other])
            group[other] = one
    roots = [root(part) for part in range(len(group))]
    kept = np.unique(roots, return_inverse=True)[1].astype(np.int32)
    joined: Parts = kept[parts]
    return joined


def _passes(parts: Parts, relief: Relief) -> list[tuple[float, int, int]]:
    """(height, a, b) of the highest pass between each two neighbouring parts, the highest first."""
    pairs: list[NDArray[Any]] = []
    levels: list[NDArray[Any]] = []
    for near, far in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        a, b = parts[near], parts[far]
        touch = (a != b) & (a > 0) & (b > 0)
        a, b = a[touch].astype(np.int64), b[touch].astype(np.int64)
        pairs.append(np.minimum(a, b) * (parts.max() + 1) + np.maximum(a, b))
        levels.append(np.minimum(relief[near][touch], relief[far][touch]))
    pair, which = np.unique(np.concatenate(pairs), return_inverse=True)
    level = np.zeros(len(pair))
    np.maximum.at(level, which, np.concatenate(levels))
    a, b = np.divmod(pair, parts.max() + 1)
    order = np.lexsort((b, a, level))[::-1]
    return list(zip(level[order].tolist(), a[order].tolist(), b[order].tolist(), strict=True))
