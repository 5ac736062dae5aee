"""Recall by diameter and contrast, the limit of detection, and the error of the mean diameter."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.study.recall import (
    Found,
    detection_limit,
    find_matches,
    mean_diameter_error,
    quantile_edges,
    recall_by,
    wilson,
)


def discs(*places: tuple[float, float, float], side: int = 128) -> np.ndarray:
    """Instances of discs (y, x, radius)."""
    y, x = np.mgrid[:side, :side]
    label = np.zeros((side, side), np.int32)
    for number, (cy, cx, radius) in enumerate(places, 1):
        label[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return label


def grid_of(radius: float, side: int = 128, step: int = 32) -> np.ndarray:
    """Whole discs on a grid."""
    middles = range(step // 2, side, step)
    return discs(*((y, x, radius) for y in middles for x in middles), side=side)


def table(diameter: np.ndarray, found: np.ndarray, images: int = 10) -> Found:
    n = len(diameter)
    nothing = np.full(n, np.nan)
    return Found(diameter, nothing, found, nothing, np.zeros(n, bool), np.arange(n) % images)


def drawn(limit: float, steepness: float, n: int, seed: int) -> Found:
    """Particles found with a logistic chance in the logarithm of their diameter."""
    rng = np.random.default_rng(seed)
    diameter = np.exp(rng.uniform(np.log(4), np.log(40), n))
    chance = 1 / (1 + (limit / diameter) ** steepness)
    return table(diameter, rng.random(n) < chance)


def test_each_true_particle_is_a_row_with_its_match() -> None:
    true = discs((20, 20, 6), (20, 80, 10), (80, 40, 5), (2, 60, 6))
    pred = discs((20, 20, 7), (80, 41, 5), (110, 110, 8))
    image = 0.2 + 0.3 * (true == 1) + 0.5 * (true == 2) + 0.1 * (true > 2)
    found = find_matches([pred], [true], [image.astype(np.float32)])
    assert found.found_K.tolist() == [True, False, True, False]
    assert found.border_K.tolist() == [False, False, False, True]
    assert found.diameter_K == pytest.approx([12, 20, 10, 10.4], abs=0.5)
    assert found.pred_diameter_K[0] == pytest.approx(14, abs=0.5)
    assert np.isnan(found.pred_diameter_K[1])
    assert found.contrast_K == pytest.approx([0.3, 0.5, 0.1, 0.1], abs=1e-6)


def test_dark_particles_have_positive_contrast_too_and_images_are_pooled() -> None:
    true = discs((20, 20, 6), (60, 60, 6))
    image = (0.8 - 0.3 * (true > 0)).astype(np.float32)
    found = find_matches([true, true * 0], [true, true], [image, image])
    assert found.contrast_K == pytest.approx([0.3] * 4, abs=1e-6)
    assert found.image_K.tolist() == [0, 0, 1, 1]
    assert found.found_K.tolist() == [True, True, False, False]
    assert np.isnan(find_matches([true], [true]).contrast_K).all()


def test_bins_count_every_particle_once() -> None:
    found = table(np.array([1.0, 2, 3, 4, 5, 6, 7, 8]), np.array([0, 0, 0, 1, 1, 1, 1, 1], bool))
    bins = recall_by(found, "diameter", 4)
    assert [own.n for own in bins] == [2, 2, 2, 2]
    assert [own.recall for own in bins] == [0, 0.5, 1, 1]
    assert [own.middle for own in bins] == [1.5, 3.5, 5.5, 7.5]
    fixed = recall_by(found, "diameter", [0, 4, 8, 20])
    assert [(own.n, own.found) for own in fixed] == [(3, 0), (4, 4), (1, 1)]
    empty = recall_by(found, "diameter", [0, 4, 8, 20, 30])[3]
    assert np.isnan(empty.recall)
    assert (empty.recall_low, empty.recall_high) == (0, 1)


def test_bins_need_rising_edges_and_known_values() -> None:
    found = drawn(10, 4, 50, 0)
    with pytest.raises(ValueError, match="rising edges"):
        recall_by(found, "diameter", [3, 3])
    with pytest.raises(ValueError, match="micrographs given"):
        recall_by(found, "contrast", 4)
    assert len(quantile_edges(np.full(9, 5.0), 4)) == 2


def test_wilson_intervals_cover_even_near_one() -> None:
    rng = np.random.default_rng(0)
    for share, n in ((0.5, 12), (0.95, 20), (0.98, 60)):
        hits = rng.binomial(n, share, 600)
        ends = {k: wilson(int(k), n) for k in np.unique(hits)}
        assert np.mean([ends[k][0] <= share <= ends[k][1] for k in hits]) > 0.91
    assert wilson(10, 10)[1] == 1
    assert wilson(0, 0) == (0, 1)


def test_the_detection_limit_is_where_recall_passes_one_half() -> None:
    limits = [detection_limit(drawn(10, 4, 300, seed), seed=seed, resamples=60) for seed in range(8)]
    assert np.mean([own.value for own in limits]) == pytest.approx(10, rel=0.08)
    assert {own.side for own in limits} == {"within"}
    assert sum(own.low <= 10 <= own.high for own in limits) >= 6


def test_a_limit_outside_the_particles_range_is_said_to_be_so() -> None:
    sizes = np.linspace(5, 30, 60)
    everything = detection_limit(table(sizes, np.ones(60, bool)))
    nothing = detection_limit(table(sizes, np.zeros(60, bool)))
    backwards = detection_limit(table(sizes, sizes < 12))
    assert (everything.side, everything.value) == ("below", pytest.approx(5))
    assert (nothing.side, nothing.value) == ("above", pytest.approx(30))
    assert backwards.side == "above", "a recall that falls with size has no limit to be passed"
    assert detection_limit(table(sizes[:3], np.ones(3, bool))).side == "unknown"


def test_perfectly_separated_sizes_have_a_limit_between_them() -> None:
    sizes = np.linspace(5, 30, 60)
    limit = detection_limit(table(sizes, sizes > 15), resamples=50)
    assert limit.value == pytest.approx(15, rel=0.05)
    assert np.isfinite([limit.low, limit.high]).all()


def test_the_error_of_the_mean_diameter_is_relative_and_signed() -> None:
    true, larger = grid_of(8), grid_of(9)
    exact = np.sqrt((larger == 1).sum() / (true == 1).sum()) - 1
    found = mean_diameter_error([larger] * 3, [true] * 3)
    assert found.pairs.mean == pytest.approx(100 * exact, abs=0.01)
    assert found.population.mean == pytest.approx(100 * exact, abs=0.01)
    assert mean_diameter_error([true] * 3, [larger] * 3).pairs.mean < 0
    same = mean_diameter_error([true] * 3, [true] * 3)
    assert (same.pairs.mean, same.population.mean) == (0, 0)


def test_missed_small_particles_move_the_population_not_the_pairs() -> None:
    true = discs((30, 30, 10), (90, 30, 10), (30, 90, 4), (90, 90, 4))
    pred = np.where(np.isin(true, (1, 2)), true, 0).astype(np.int32)
    found = mean_diameter_error([pred] * 2, [true] * 2)
    assert found.pairs.mean == pytest.approx(0, abs=1e-9)
    assert found.population.mean > 30


def test_particles_at_the_border_do_not_count_on_either_side() -> None:
    true = discs((30, 30, 10), (0, 90, 14))
    pred = discs((30, 30, 10), (1, 90, 9))
    found = mean_diameter_error([pred], [true])
    assert found.population.mean == pytest.approx(0, abs=1e-9)
    assert found.pairs.n == 1
    with pytest.raises(ValueError, match="no whole particle"):
        mean_diameter_error([pred * 0], [true])


def test_the_interval_of_the_mean_diameter_holds_the_true_error() -> None:
    """Predictions 5 % too large on average, scattered by particle."""
    rng = np.random.default_rng(0)
    middles = [(y, x) for y in range(16, 192, 32) for x in range(16, 192, 32)]
    hits = 0
    for _ in range(20):
        radii = rng.uniform(6, 10, len(middles))
        factor = 1.05 * np.exp(rng.normal(0, 0.08, len(middles)))
        true = discs(*((y, x, r) for (y, x), r in zip(middles, radii, strict=True)), side=192)
        pred = discs(*((y, x, r * f) for (y, x), r, f in zip(middles, radii, factor, strict=True)), side=192)
        pairs = mean_diameter_error([pred], [true]).pairs
        hits += pairs.low <= 5.3 <= pairs.high
    assert hits >= 16
