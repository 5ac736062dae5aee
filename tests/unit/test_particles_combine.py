"""Particles of several sizes in one label image, as plain loops and scikit-image have it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage.segmentation import expand_labels

from emgen.data.resize import resize_labels, resize_to
from emgen.multiscale import Rung, at_native_size, merge
from emgen.particles import equivalent_diameters
from emgen.particles.combine import laid_down
from emgen.particles.expand import expand_into

SHAPE = (120, 150)


def rung(factor: float, seed: int) -> Rung:
    rng = np.random.default_rng(seed)
    shape = tuple(max(1, round(side * factor)) for side in SHAPE)
    field = ndi.gaussian_filter(rng.normal(size=shape), 2.0)
    probability = (1 / (1 + np.exp(-8 * field / field.std()))).astype(np.float32)
    label = ndi.label(probability > 0.6)[0].astype(np.int32)
    diameter = equivalent_diameters(label).round(1).astype(np.float32)  # rounded: some are equally large
    return Rung(factor, probability, diameter, np.ones_like(diameter), label)


def plainly_at_native_size(one: Rung) -> tuple[np.ndarray, np.ndarray]:
    label = resize_labels(one.label_HW, SHAPE)
    if one.factor == 1:
        return label, one.probability_HW
    probability = resize_to(one.probability_HW, SHAPE)
    if one.factor < 1:
        label = expand_labels(label, distance=0.5 / one.factor)
        label[probability < 0.5] = 0
    return label, probability


def plainly_merged(parts: list[tuple[Rung, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    label, probability = np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.float32)
    for one, _ in parts:
        probability = np.maximum(probability, plainly_at_native_size(one)[1])
    order = [
        (float(one.diameter_K[k] / one.factor), -number, int(k) + 1)
        for number, (one, kept) in enumerate(parts)
        for k in np.flatnonzero(kept)
    ]
    count = 0
    for _, number, k in sorted(order, reverse=True):
        mine = plainly_at_native_size(parts[-number][0])[0] == k
        free = mine & (label == 0)
        if 2 * free.sum() > mine.sum():
            count += 1
            label[free] = count
    return label, probability


@pytest.mark.parametrize("distance", [0.5, 0.9, 1.0, 1.5, 2.0, 3.3, 8.0])
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_expanding_is_that_of_scikit_image_also_between_particles_equally_near(distance: float, share: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        label = (rng.integers(1, 500, (40, 55)) * (rng.random((40, 55)) < share)).astype(np.int32)
        everywhere = np.ones(label.shape, bool)
        expected = expand_labels(label, distance)
        assert np.array_equal(expand_into(label, everywhere, distance), expected)
        some = rng.random(label.shape) < 0.5
        assert np.array_equal(expand_into(label, some, distance), np.where(some, expected, label))


@pytest.mark.parametrize("factor", [1.0, 0.77, 0.5, 0.25, 1.4, 2.0])
def test_a_rung_at_native_size_is_as_plainly_resized(factor: float) -> None:
    one = rung(factor, seed=1)
    for ours, plain in zip(at_native_size(one, SHAPE), plainly_at_native_size(one), strict=True):
        assert np.array_equal(ours, plain)


@pytest.mark.parametrize("factors", [(1.0,), (0.5,), (0.25,), (1.4,), (0.25, 0.5), (0.3, 0.6, 1.0)])
def test_rungs_are_merged_as_plain_loops_merge_them(factors: tuple[float, ...]) -> None:
    rng = np.random.default_rng(2)
    rungs = [rung(factor, seed) for seed, factor in enumerate(factors)]
    parts = [(one, rng.random(one.diameter_K.size) < 0.7) for one in rungs]
    parts.append((rungs[-1], ~parts[-1][1] | (rng.random(rungs[-1].diameter_K.size) < 0.3)))
    merged = merge(parts, SHAPE, factors[-1])
    label, probability = plainly_merged(parts)
    assert np.array_equal(merged.label_HW, label)
    assert np.array_equal(merged.probability_HW, probability)


def test_nothing_to_lay_down_is_an_empty_image() -> None:
    empty = np.zeros((4, 5), np.int32)
    assert merge([], (4, 5), 1.0).label_HW.tolist() == empty.tolist()
    assert laid_down({0: empty}, [(0, 1)], (4, 5)).tolist() == empty.tolist()
