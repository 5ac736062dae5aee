"""From a probability map to instances: touching particles are split, irregular ones stay whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.particles.basins import LEAST_DEPTH, NECK, cut_at_necks
from emgen.particles.runs import Runs, runs_of
from emgen.stages import FloatArray, LabelArray

HOLE = 0.15
"""Holes up to this share of a component are filled; larger ones are background that particles enclose."""
EXACT_SIDE, EXACT_DISTANCE = 2048, 1000
"""Pixels up to which OpenCV's distances, of 32 bits, tell each whole number under the root from the next."""

Mask = NDArray[np.bool_]
Box = tuple[slice, slice]


@dataclass(slots=True)
class _Component:
    """A connected region: where it is, its pixels there and, if it may be several particles, their relief."""

    box: Box
    mask: Mask
    relief: NDArray[Any] | None


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

    components_HW = ndi.label(probability_HW >= threshold)[0]
    runs = runs_of(components_HW)[1]
    open_K, kernel = _open(runs), _kernel(smoothing)
    components = []
    for k, box in _boxes(runs, min_area):
        mask = components_HW[box] == k + 1
        if open_K[k]:
            mask = _without_small_holes(mask)
        components.append(_Component(box, mask, _relief(mask, probability_HW[box], threshold, kernel)))
    return _numbered(components, components_HW.shape, min_area)


def _open(runs: Runs) -> Mask:
    """(K,) which components have more than one run in a row: no other has a hole."""
    again = (np.diff(runs.owner_R) == 0) & (np.diff(runs.row_R) == 0)
    found = np.zeros(runs.count, bool)
    found[runs.owner_R[1:][again]] = True
    return found


def _boxes(runs: Runs, min_area: int) -> list[tuple[int, Box]]:
    """Number and box of each large component, with one pixel of background all round, but none beyond the image: a
    particle that its edge cuts goes on there."""
    height, width = runs.shape_HW
    top, bottom, left, right = runs.boxes()
    ends = np.stack([np.maximum(top - 1, 0), np.minimum(bottom + 1, height)], axis=1)
    sides = np.stack([np.maximum(left - 1, 0), np.minimum(right + 1, width)], axis=1)
    large = np.flatnonzero(runs.total(runs.length_R) >= min_area)
    rows, columns = ends[large].tolist(), sides[large].tolist()
    return [(k, (slice(*y), slice(*x))) for k, y, x in zip(large.tolist(), rows, columns, strict=True)]


def _without_small_holes(mask: Mask) -> Mask:
    import cv2

    outside = cv2.copyMakeBorder((~mask).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(1,))
    count, holes = cv2.connectedComponents(outside, connectivity=4)
    if count == 2:  # the mask and what is around it
        return mask
    around, holes = holes[0, 0], holes[1:-1, 1:-1]
    small = np.bincount(holes.ravel(), minlength=count) <= HOLE * mask.sum()
    small[[0, around]] = False
    joined: Mask = mask | small[holes]
    return joined


def _kernel(smoothing: float) -> NDArray[np.float64]:
    """Weights of a Gaussian of that standard deviation."""
    from scipy import ndimage as ndi

    reach = int(4 * smoothing + 0.5)
    kernel: NDArray[np.float64] = ndi.gaussian_filter(np.eye(1, 2 * reach + 1, reach)[0], smoothing)
    return kernel


def _relief(
    mask: Mask, probability: FloatArray, threshold: float, kernel: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """How deep inside each pixel lies; ``None`` of a component that is one particle for sure."""
    if mask.all():
        return None
    relief = _smoothed(_distance(mask), kernel)
    # A dip of probability between two particles counts as a neck; inside a particle it is near 1 and changes nothing.
    weight = _smoothed(probability.astype(np.float32), kernel)
    relief *= np.clip(weight, threshold, 1, out=weight)
    relief *= mask
    return relief if _may_be_several(relief, mask) else None


def _smoothed(values: NDArray[Any], kernel: NDArray[np.float64]) -> NDArray[Any]:
    from scipy import ndimage as ndi

    smoothed = np.empty_like(values)
    ndi.correlate1d(values, kernel, 0, output=smoothed)
    ndi.correlate1d(smoothed, kernel, 1, output=smoothed)
    return smoothed


def _distance(mask: Mask) -> NDArray[np.float64]:
    """To the nearest pixel outside, as ``scipy.ndimage.distance_transform_edt`` has it, but sooner."""
    import cv2
    from scipy import ndimage as ndi

    if max(mask.shape) <= EXACT_SIDE:
        near = cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        if near.max() <= EXACT_DISTANCE:
            squared = np.square(near, dtype=np.float64)
            return np.sqrt(np.rint(squared, out=squared), out=squared)
    distance: NDArray[np.float64] = ndi.distance_transform_edt(mask)
    return distance


def _may_be_several(relief: NDArray[np.float64], mask: Mask) -> bool:
    """Whether necks must be looked for: not where all peaks stand on one plateau no lower than a neck may be."""
    import cv2

    higher = cv2.dilate(relief, np.ones((3, 3), np.uint8))
    heights = relief[(relief == higher) & (relief > 0)]
    if len(heights) < 2:
        return False
    second = np.partition(heights, -2)[-2]
    level = min(NECK * second, second - 0.999 * LEAST_DEPTH)
    if heights.min() < level:
        return True
    plateaus = cv2.connectedComponents(((relief >= level) & mask).view(np.uint8), connectivity=4)[0] - 1
    return bool(plateaus > 1)


def _numbered(components: list[_Component], shape_HW: tuple[int, ...], min_area: int) -> LabelArray:
    """Instances 1 ... K in the order of the components."""
    several = [one for one in components if one.relief is not None]
    cut = iter(cut_at_necks([(one.relief, one.mask) for one in several if one.relief is not None]))
    result, count = np.zeros(shape_HW, np.int32), 0
    for one in components:
        if one.relief is None:
            count += 1
            result[one.box][one.mask] = count
            continue
        parts = next(cut)
        large = np.bincount(parts.ravel()) >= min_area
        large[0] = False
        number = np.where(large, count + np.cumsum(large), 0)[parts]
        np.copyto(result[one.box], number, where=number > 0, casting="same_kind")
        count += int(large.sum())
    return result
