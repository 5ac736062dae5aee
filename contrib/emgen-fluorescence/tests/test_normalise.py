"""Normalisation: uneven light goes, nuclei stay, noise is of one strength."""

from __future__ import annotations

import numpy as np
import pytest
from cells import cells
from emgen_fluorescence.normalise import background, normalise

from emgen.particles import match_objects
from emgen.stages import Context
from emgen_modalities.normalise import normalise as plain
from emgen_segmenters.config import ThresholdConfig
from emgen_segmenters.threshold import Threshold

SEEDS = (0, 1, 2, 3)


def overlap(image_HW: np.ndarray, true_HW: np.ndarray) -> float:
    """Foreground intersection over union of the modality's own rough masks."""
    segmenter = Threshold(ThresholdConfig(method="global", smoothing=2.0), Context())
    found_HW = segmenter.segment(image_HW[None])[0] > 0
    return float((found_HW & (true_HW > 0)).sum() / (found_HW | (true_HW > 0)).sum())


def test_one_threshold_finds_nuclei_in_bright_and_dark_corners_alike() -> None:
    made = [cells(seed) for seed in SEEDS]
    ours = np.mean([overlap(normalise(one.image_HW), one.label_HW) for one in made])
    without = np.mean([overlap(plain(one.image_HW), one.label_HW) for one in made])
    assert ours > 0.87
    assert ours > without + 0.03


def test_nuclei_are_told_apart_well_enough_to_begin_with() -> None:
    segmenter = Threshold(ThresholdConfig(method="global", smoothing=2.0), Context())
    scores = [
        match_objects(segmenter.segment(normalise(one.image_HW)[None])[0], one.label_HW).f1 for one in map(cells, SEEDS)
    ]
    assert np.mean(scores) > 0.8


def test_the_background_is_as_bright_in_the_corners_as_in_the_middle() -> None:
    made = cells(1, uneven=0.7)
    image_HW, empty_HW = normalise(made.image_HW), made.label_HW == 0
    lit = [np.median(image_HW[empty_HW & part]) for part in (made.light_HW > 0.9, made.light_HW < 0.5)]
    assert abs(lit[0] - lit[1]) < 0.05


def test_a_large_nucleus_is_no_background() -> None:
    ys, xs = np.mgrid[:128, :128]
    image_HW = (0.1 + 0.8 * (np.hypot(ys - 64, xs - 64) < 24)).astype(np.float32)
    assert background(image_HW).max() < 0.3


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (33, 400)])
def test_images_of_any_shape_keep_it(shape: tuple[int, int]) -> None:
    image_HW = np.random.default_rng(0).poisson(50, shape).astype(np.uint16)
    found_HW = normalise(image_HW)
    assert found_HW.shape == shape
    assert found_HW.dtype == np.float32
    assert 0 <= found_HW.min() <= found_HW.max() <= 1
