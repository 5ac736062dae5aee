"""Scores of predicted masks agree with brute force over single pixels and particles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emgen.errors import BadImageError, NoImagesError
from emgen.stages import MetricContext
from emgen_metrics.config import PixelConfig
from emgen_metrics.dice import Dice
from emgen_metrics.miou import MeanIoU
from emgen_metrics.object_f1 import ObjectF1
from emgen_metrics.pixel_accuracy import PixelAccuracy

CONTEXT = MetricContext()


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.integers(0, 3, (2, 9, 11), dtype=np.int32), (rng.random((2, 9, 11)) < 0.4).astype(np.int32)


def pixels(pred: np.ndarray, true: np.ndarray) -> list[tuple[bool, bool]]:
    return [(bool(p), bool(t)) for p, t in zip(pred.ravel(), true.ravel(), strict=True)]


def test_pixel_accuracy_is_the_share_of_pixels_that_agree(masks):
    expected = sum(p == t for p, t in pixels(*masks)) / masks[0].size
    assert PixelAccuracy(PixelConfig()).compute(*masks, CONTEXT) == {"pixel_accuracy": pytest.approx(expected)}


def test_miou_is_the_mean_of_both_classes(masks):
    both = pixels(*masks)
    particle = sum(p and t for p, t in both) / sum(p or t for p, t in both)
    background = sum(not p and not t for p, t in both) / sum(not p or not t for p, t in both)
    result = MeanIoU(PixelConfig()).compute(*masks, CONTEXT)
    assert result["miou"] == pytest.approx((particle + background) / 2)
    assert (result["iou_particle"], result["iou_background"]) == pytest.approx((particle, background))


def test_dice_is_twice_the_overlap_over_both_areas(masks):
    both = pixels(*masks)
    expected = 2 * sum(p and t for p, t in both) / (sum(p for p, _ in both) + sum(t for _, t in both))
    assert Dice(PixelConfig()).compute(*masks, CONTEXT)["dice"] == pytest.approx(expected)


def test_object_f1_counts_particles_that_overlap_by_half():
    true, pred = np.zeros((2, 1, 40, 40), np.int32)
    for label, (y, x) in enumerate(itertools.product((2, 22), (2, 22)), 1):
        true[0, y : y + 8, x : x + 8] = label
    pred[0, 2:10, 2:10] = 1  # found
    pred[0, 2:10, 24:32] = 2  # shifted by 2 of 8: IoU 6/10
    pred[0, 22:30, 7:15] = 3  # shifted by 5 of 8: IoU 3/13, another particle
    result = ObjectF1(PixelConfig()).compute(pred, true, CONTEXT)
    assert result == pytest.approx({"object_f1": 4 / 7, "object_precision": 2 / 3, "object_recall": 2 / 4})


@pytest.mark.parametrize("metric", [PixelAccuracy, MeanIoU, Dice, ObjectF1])
def test_nothing_there_and_nothing_found_is_right(metric):
    empty = np.zeros((1, 16, 16), np.int32)
    assert set(metric(PixelConfig()).compute(empty, empty, CONTEXT).values()) == {1.0}


@pytest.mark.parametrize("metric", [PixelAccuracy, MeanIoU, Dice, ObjectF1])
def test_masks_of_other_size_or_number_are_refused(metric):
    mask = np.ones((2, 8, 8), np.int32)
    with pytest.raises(BadImageError, match=r"\(8, 8\)"):
        metric(PixelConfig()).compute(mask, np.ones((2, 8, 9), np.int32), CONTEXT)
    with pytest.raises(BadImageError, match="2 and 1"):
        metric(PixelConfig()).compute(mask, mask[:1], CONTEXT)
    with pytest.raises(NoImagesError, match="0 paired"):
        metric(PixelConfig()).compute(mask[:0], mask[:0], CONTEXT)
