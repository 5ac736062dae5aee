"""The ladder of sizes, with a stand-in for the network that knows discs of one size only."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from emgen.multiscale import ladder, segment_at_best_scale

WORKING = 14.0


def knows_one_size(image_HW):
    """Sure of bright blobs of the working diameter; calls finer detail a particle too, without conviction."""
    blob = ndi.gaussian_filter(image_HW, 3.0) - ndi.gaussian_filter(image_HW, WORKING)
    grain = np.abs(image_HW - ndi.gaussian_filter(image_HW, 4.0))
    sure = 1 / (1 + np.exp(-60 * (blob - 0.22)))
    unsure = 0.7 * (ndi.uniform_filter(grain, 3) > 0.12)
    return np.maximum(sure, unsure).astype(np.float32)


def discs(diameter, side=512, count=12, seed=0):
    rng = np.random.default_rng(seed)
    label = np.zeros((side, side), np.int32)
    y, x = np.mgrid[:side, :side]
    for number in range(1, count + 1):
        for _ in range(200):
            centre = rng.uniform(diameter, side - diameter, 2)
            here = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= (diameter / 2) ** 2
            if not label[ndi.binary_dilation(here, iterations=3)].any():
                label[here] = number
                break
    image = 0.2 + 0.5 * (label > 0) + rng.normal(0, 0.02, label.shape)
    return image.astype(np.float32), label


@pytest.mark.parametrize("diameter", [7, 14, 28, 56])
def test_particles_of_any_size_are_found_at_their_size(diameter):
    image, label = discs(diameter)
    result = segment_at_best_scale(knows_one_size, image, WORKING)
    assert result.label_HW.shape == image.shape
    assert 0.4 < result.factor * diameter / WORKING < 2.5
    found = np.bincount(result.label_HW.ravel())[1:]
    assert abs(len(found) - label.max()) <= 2
    assert np.sqrt(4 / np.pi * np.median(found)) == pytest.approx(diameter, rel=0.35)


def test_a_given_factor_is_taken_as_it_is():
    image, _ = discs(14)
    assert segment_at_best_scale(knows_one_size, image, WORKING, factors=(1.0,)).factor == 1.0


def test_an_image_without_particles_gives_no_particle():
    image = np.random.default_rng(0).normal(0.4, 0.02, (256, 256)).astype(np.float32)
    assert segment_at_best_scale(knows_one_size, image, WORKING).label_HW.max() == 0


def test_no_rung_is_larger_than_a_frame_and_every_micrograph_has_one():
    assert max(ladder((2048, 2048))) == 1.0
    assert max(ladder((512, 512))) == 2.0
    assert len(ladder((40, 40))) >= 1
    assert ladder((8192, 8192))[-1] <= 0.25


def test_what_is_smaller_than_any_particle_that_a_model_knows_is_dropped():
    probability = np.zeros((64, 64), np.float32)
    probability[8:24, 8:24] = probability[40:44, 40:44] = 0.9
    every, known = (
        segment_at_best_scale(lambda image_HW: probability, probability, WORKING, (1.0,), smallest=smallest)
        for smallest in (0.0, 6.0)
    )
    assert (every.label_HW.max(), known.label_HW.max()) == (2, 1)
    assert known.label_HW[16, 16] == 1
    assert known.probability_HW[42, 42] == every.probability_HW[42, 42] > 0
