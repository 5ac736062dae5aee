"""A model that a run trained brings a micrograph to its scale by the run's rough segmenter."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.model import Model


class Finder:
    """Finds square particles of one size on a grid."""

    def __init__(self, side, count):
        self.side, self.count = side, count

    def segment(self, image_NHW):
        label = np.zeros(image_NHW.shape, np.int32)
        for k in range(self.count):
            y, x = 10 + 45 * (k // 5), 10 + 45 * (k % 5)
            label[0, y : y + self.side, x : x + self.side] = k + 1
        return label


class Task:
    """Remembers how large the images were that it was shown."""

    shown: tuple[int, ...] = ()

    def predict(self, image_NHW):
        self.shown = image_NHW.shape
        return np.zeros(image_NHW.shape, np.float32)


def model(finder, factors=(0.25, 0.8, 4.0)):
    info = {"modality": "haadf-stem", "polarity": "bright", "working_diameter": 14.0, "scale": {"factors": factors}}
    return Model(Task(), info, finder)


IMAGE = np.zeros((256, 256), np.float32)


def test_particles_twice_too_large_halve_the_micrograph():
    diameter = np.sqrt(4 / np.pi) * 25
    assert model(Finder(25, 12)).factor(IMAGE) == pytest.approx(14 / diameter, rel=0.02)


def test_few_particles_leave_the_scale_to_the_stack():
    assert model(Finder(25, 3)).factor(IMAGE) == 0.8


def test_no_scale_is_taken_that_training_did_not_see():
    assert model(Finder(25, 12), factors=(0.7, 0.8, 0.9)).factor(IMAGE) == 0.7


def test_a_given_factor_goes_over_the_segmenter_and_the_result_has_the_micrographs_size():
    given = model(Finder(25, 12))
    result = given.segment(IMAGE, factors=(1.0,))
    assert result.factor == 1.0
    assert result.label_HW.shape == IMAGE.shape
