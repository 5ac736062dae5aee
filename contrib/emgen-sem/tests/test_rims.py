"""The rough segmenter tells the particles of a heap apart, where a threshold finds the heap."""

from __future__ import annotations

import numpy as np
import pytest
from emgen_sem.config import RimsConfig
from emgen_sem.normalise import normalise
from emgen_sem.rims import Rims
from powders import powder

from emgen.particles import match_objects
from emgen.stages import Context
from emgen_segmenters.config import ThresholdConfig
from emgen_segmenters.threshold import Threshold

SEEDS = (1, 2, 4)


@pytest.fixture(scope="module")
def powders() -> list[tuple[np.ndarray, np.ndarray]]:
    """(normalised image, true instances)."""
    made = [powder(seed) for seed in SEEDS]
    return [(normalise(one.image_HW), one.label_HW) for one in made]


def mean_f1(segmenter: object, powders: list[tuple[np.ndarray, np.ndarray]]) -> float:
    scores = [match_objects(segmenter.segment(image_HW[None])[0], true_HW).f1 for image_HW, true_HW in powders]
    return float(np.mean(scores))


def test_particles_of_heaps_are_told_apart_where_thresholds_find_heaps(
    powders: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    rims = mean_f1(Rims(RimsConfig(), Context()), powders)
    both = [mean_f1(Threshold(ThresholdConfig(method=method), Context()), powders) for method in ("local", "global")]
    assert rims > 0.65
    assert max(both) < 0.3


def test_nearly_all_of_the_powder_is_found(powders: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for image_HW, true_HW in powders:
        found_HW = Rims(RimsConfig(), Context()).segment(image_HW[None])[0] > 0
        assert (found_HW & (true_HW > 0)).sum() / (found_HW | (true_HW > 0)).sum() > 0.75


def test_dark_particles_are_found_where_the_modality_says_so(powders: list[tuple[np.ndarray, np.ndarray]]) -> None:
    image_HW = powders[0][0]
    bright = Rims(RimsConfig(), Context()).segment(image_HW[None])
    dark = Rims(RimsConfig(), Context(polarity="dark")).segment(1 - image_HW[None])
    assert match_objects(bright[0], dark[0]).f1 > 0.95


def test_noise_holds_no_particle() -> None:
    noise_NHW = np.random.default_rng(0).normal(0.5, 0.1, (2, 128, 128)).clip(0, 1).astype(np.float32)
    assert Rims(RimsConfig(), Context()).segment(noise_NHW).max() <= 3
