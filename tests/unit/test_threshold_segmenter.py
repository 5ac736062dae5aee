"""The rough segmenter `threshold`: finds particles of unknown size on an uneven support, without weights."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from emgen.stages import Context
from emgen.testing.phantoms import Phantom, phantom_micrographs, phantom_stack
from emgen_segmenters.blobs import find_objects
from emgen_segmenters.config import ThresholdConfig
from emgen_segmenters.threshold import Threshold, typical_size


def segment(image_HW: np.ndarray, polarity: str = "bright", **settings: float) -> np.ndarray:
    context = Context(polarity=polarity)  # type: ignore[arg-type]
    return Threshold(ThresholdConfig.model_validate(settings), context).segment(image_HW[None])[0]


def discs(diameter: float, side: int = 256, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Image and instances: discs on a wavy, noisy support that varies three times as much as they stand out."""
    rng = np.random.default_rng(seed)
    support = ndimage.gaussian_filter(rng.standard_normal((side, side)), 2.5 * diameter)
    image = 0.4 + 0.15 * support / support.std() + rng.normal(0, 0.01, support.shape)
    label = np.zeros(support.shape, np.int32)
    steps = np.arange(1.5 * diameter, side - diameter, 3 * diameter)
    for number, (y, x) in enumerate([(y, x) for y in steps for x in steps], start=1):
        inside = np.hypot(*np.ogrid[-y : side - y, -x : side - x]) < diameter / 2
        label[inside] = number
        image[inside] += 0.15
    return np.clip(image, 0, 1).astype(np.float32), label


def object_f1(found_HW: np.ndarray, true_HW: np.ndarray, iou: float = 0.4) -> float:
    table = np.zeros((found_HW.max() + 1, true_HW.max() + 1))
    np.add.at(table, (found_HW.ravel(), true_HW.ravel()), 1)
    union = table.sum(1)[:, None] + table.sum(0)[None] - table
    hits = np.count_nonzero((table / union)[1:, 1:] > iou)
    return 2 * hits / max(found_HW.max() + true_HW.max(), 1)


def mean_iou(phantom: Phantom, polarity: str) -> float:
    found, true = segment(phantom.image_HW, polarity) > 0, phantom.label_HW > 0
    return float(np.mean([(a & b).sum() / (a | b).sum() for a, b in ((found, true), (~found, ~true))]))


@pytest.mark.parametrize("diameter", [8, 16, 32])
def test_particles_fainter_than_the_support_are_found_at_any_size(diameter: float) -> None:
    image, true = discs(diameter, side=16 * diameter)
    found = segment(image)
    assert object_f1(found, true) > 0.85
    sizes = 2 * np.sqrt(np.bincount(found.ravel())[1:] / np.pi)
    assert np.median(sizes) == pytest.approx(diameter, rel=0.2)


def test_dark_particles_are_found_as_bright_ones_are() -> None:
    image, _ = discs(14)
    np.testing.assert_array_equal(segment(1 - image, "dark"), segment(image, "bright"))


def test_touching_particles_are_separate_instances() -> None:
    y, x = np.ogrid[:96, :96]
    image = np.random.default_rng(0).normal(0.2, 0.01, (96, 96)).astype(np.float32)
    for centre in (39, 57):
        image[np.hypot(y - 48, x - centre) < 9] += 0.5
    found = segment(image)
    assert found.max() == 2
    assert found[48, 39] != found[48, 57]


def test_noise_and_support_alone_give_almost_nothing() -> None:
    rng = np.random.default_rng(3)
    support = ndimage.gaussian_filter(rng.standard_normal((256, 256)), 20)
    image = 0.5 + 0.1 * support / support.std() + rng.normal(0, 0.02, support.shape)
    assert segment(np.clip(image, 0, 1).astype(np.float32)).max() <= 3


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_an_even_image_has_no_particle(value: float) -> None:
    assert segment(np.full((64, 48), value, np.float32)).max() == 0


def test_two_particles_in_an_image_are_enough() -> None:
    image = np.random.default_rng(1).normal(0.3, 0.01, (128, 128)).astype(np.float32)
    y, x = np.ogrid[:128, :128]
    for place in ((40, 40), (90, 80)):
        image[np.hypot(y - place[0], x - place[1]) < 7] += 0.4
    assert segment(image).max() == 2


def test_the_typical_size_is_that_of_the_particles_not_of_the_noise() -> None:
    image, _ = discs(20, side=320)
    image = image + np.random.default_rng(0).normal(0, 0.03, image.shape).astype(np.float32)
    assert typical_size(find_objects(image, 4.0, 160.0, 0.15)) == pytest.approx(20, rel=0.45)


def test_a_diameter_given_by_hand_leaves_other_sizes_out() -> None:
    image, _ = discs(16)
    assert segment(image, diameter=16).max() > 10
    assert segment(image, diameter=110, size_range=1.5).max() == 0


def test_the_stacks_of_the_demo_are_hard_for_it_but_worth_something() -> None:
    scores = [mean_iou(phantom, "bright") for seed in range(3) for phantom in phantom_stack(2, (256, 256), seed=seed)]
    assert 0.5 < np.mean(scores) < 0.75


def test_bright_field_phantoms_are_worth_something_too() -> None:
    phantoms = phantom_stack(4, (256, 256), seed=2, modality="bf-tem")
    assert np.mean([mean_iou(phantom, "dark") for phantom in phantoms]) > 0.55


def test_a_stack_is_segmented_image_by_image_and_left_as_it_was() -> None:
    images = np.stack([p.image_HW for p in phantom_stack(2, (96, 128), seed=0)])
    before = images.copy()
    labels = Threshold(ThresholdConfig(), Context()).segment(images)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(labels[1], segment(images[1]))
    assert labels.dtype == np.int32


def test_sizes_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValidationError, match="must lie below"):
        ThresholdConfig(smallest=30, largest=20)


def test_a_large_micrograph_takes_seconds() -> None:
    image = phantom_micrographs(1, (1024, 1024), seed=4, diameter=25, coverage=0.05)[0].image_HW
    start = time.process_time()
    segment(image)
    assert time.process_time() - start < 5  # about 0.7 s on an idle core
