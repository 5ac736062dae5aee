"""Splitting, which is written for speed, gives pixel by pixel what its plain description gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage.segmentation import watershed

from emgen.particles import split_instances
from emgen.particles.basins import LEAST_DEPTH, NECK
from emgen.particles.split import HOLE


def plainly_split(
    probability_HW: np.ndarray, threshold: float = 0.5, min_area: int = 6, smoothing: float = 1.0
) -> np.ndarray:
    """Component by component, each step by itself."""
    components_HW, _ = ndi.label(probability_HW >= threshold)
    result = np.zeros(components_HW.shape, np.int32)
    large = np.bincount(components_HW.ravel()) >= min_area
    count = 0
    for number, box in enumerate(ndi.find_objects(components_HW), 1):
        if not large[number]:
            continue
        box = grown(box, result.shape)
        mask = without_small_holes(components_HW[box] == number)
        parts = cut(mask, probability_HW[box], threshold, smoothing)
        areas = np.bincount(parts.ravel())
        for part in np.flatnonzero(areas[1:] >= min_area) + 1:
            count += 1
            result[box][parts == part] = count
    return result


def grown(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """One pixel of background all round, but none beyond the image: a particle that its edge cuts goes on there."""
    return tuple(slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(box, shape, strict=True))


def without_small_holes(mask: np.ndarray) -> np.ndarray:
    filled = ndi.binary_fill_holes(mask)
    holes, count = ndi.label(filled & ~mask)
    if not count:
        return mask
    areas = np.bincount(holes.ravel())
    areas[0] = mask.sum()
    small = areas <= HOLE * mask.sum()
    small[0] = False
    return mask | small[holes]


def cut(mask: np.ndarray, probability: np.ndarray, threshold: float, smoothing: float) -> np.ndarray:
    """Parts 1 ... n of one component."""
    if mask.all():
        return mask.astype(np.int32)
    distance = ndi.distance_transform_edt(mask)
    # A dip of probability between two particles counts as a neck; inside a particle it is near 1 and changes nothing.
    weight = np.clip(ndi.gaussian_filter(probability.astype(np.float32), smoothing), threshold, 1)
    relief = ndi.gaussian_filter(distance, smoothing) * weight * mask
    parts = basins(relief, mask)
    return parts if parts.max() < 2 else join(parts, relief)


def basins(relief: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The watershed of all local maxima."""
    peaks = (relief == ndi.maximum_filter(relief, 3)) & mask & (relief > 0)
    markers, count = ndi.label(peaks, np.ones((3, 3)))
    if count < 2:
        return mask.astype(np.int32)
    return watershed(-relief, markers, mask=mask).astype(np.int32)


def join(parts: np.ndarray, relief: np.ndarray) -> np.ndarray:
    """Join neighbours across the highest pass first, as long as it is no neck for the smaller of the two."""
    numbers = np.arange(parts.max() + 1)
    height = np.r_[0, ndi.maximum(relief, parts, numbers[1:])]
    found = passes(parts, relief)
    group = numbers.copy()
    for level, a, b in sorted(found, reverse=True):
        one, other = group[a], group[b]
        lower = min(height[one], height[other])
        if one != other and (level >= NECK * lower or lower - level < LEAST_DEPTH):
            height[one] = max(height[one], height[other])
            group[group == other] = one
    kept = np.unique(group, return_inverse=True)[1].astype(np.int32)
    return kept[parts]


def passes(parts: np.ndarray, relief: np.ndarray) -> list[tuple[float, int, int]]:
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


def noise(rng: np.random.Generator, sigma: float) -> np.ndarray:
    field = ndi.gaussian_filter(rng.normal(size=(90, 130)), sigma)
    return field / field.std()


def network(rng: np.random.Generator) -> np.ndarray:
    """Ragged regions with holes, some of them inside holes, some cut by the edge."""
    return 1 / (1 + np.exp(-rng.uniform(2, 30) * (noise(rng, rng.uniform(0.7, 4)) - rng.uniform(-0.5, 1))))


def mask(rng: np.random.Generator) -> np.ndarray:
    return network(rng) > 0.5


def steps(rng: np.random.Generator) -> np.ndarray:
    """Probabilities of which many are equal."""
    return np.round(network(rng) * 8) / 8


def discs(rng: np.random.Generator) -> np.ndarray:
    """Touching discs in the grid, with peaks that are equally high."""
    ys, xs = np.mgrid[:90, :130]
    centres = np.rint(rng.uniform(0, 1, (25, 2)) * (90, 130))
    return np.any([np.hypot(ys - y, xs - x) < rng.integers(3, 14) for y, x in centres], axis=0)


def predicted(rng: np.random.Generator) -> np.ndarray:
    return np.clip(ndi.gaussian_filter(discs(rng).astype(float), 0.8) + 0.05 * noise(rng, 1.5), 0, 1)


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 1.7])
@pytest.mark.parametrize("scene", [network, mask, steps, discs, predicted])
def test_splitting_is_as_its_plain_description(scene: Callable, smoothing: float) -> None:
    for seed in range(8):
        probability = scene(np.random.default_rng(seed)).astype(np.float32)
        min_area = 1 + seed
        expected = plainly_split(probability, 0.5, min_area, smoothing)
        assert np.array_equal(split_instances(probability, 0.5, min_area, smoothing), expected)


def test_a_component_as_large_as_the_micrograph_is_split_alike() -> None:
    rng = np.random.default_rng(0)
    field = ndi.zoom(ndi.gaussian_filter(rng.normal(size=(4, 540)), 1), 4, order=1)
    probability = np.where(field > np.quantile(field, 0.03), 0.9, 0.1).astype(np.float32)
    assert probability.shape[1] > 2048
    assert np.array_equal(split_instances(probability), plainly_split(probability))


def test_distances_far_from_any_background_are_as_exact() -> None:
    probability = np.ones((1100, 1100), np.float32)
    probability[0, 3] = 0
    assert np.array_equal(split_instances(probability), plainly_split(probability))
