"""Intervals, noise floors and verdicts on few images: right as often as they say, on arrays whose truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kernel_poly, kid_features_to_metric
from torch_fidelity.metric_kid import mmd2 as published_mmd2

from emgen.errors import BadImageError
from emgen_metrics.kernels import cubic, gaussian, linear
from emgen_metrics.two_sample import Comparison, compare, real_against_real
from emgen_metrics.units import Units, divisions, units
from emgen_metrics.verdict import scores, verdict

DRAWS = 200


def of_width(width: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda a, b: np.exp(-cdist(a, b, "sqeuclidean") / (2 * width**2))


SMOOTH = of_width(2.0)


def true_mmd2(shift: np.ndarray, width: float) -> float:
    """Of two normal laws of unit covariance that lie ``shift`` apart, with a Gaussian kernel: the integral, solved."""
    together = (width**2 / (width**2 + 2)) ** (len(shift) / 2)
    return float(2 * together * (1 - np.exp(-(shift @ shift) / (2 * (width**2 + 2)))))


def images(n: int) -> Units:
    return units(None, n)


def draws(n: int, m: int, shift: float, kernel: Callable[..., np.ndarray] = SMOOTH) -> list[Comparison]:
    found = []
    for seed in range(DRAWS):
        rng = np.random.default_rng([seed, n, m])
        x, y = rng.standard_normal((n, 4)) + shift, rng.standard_normal((m, 4))
        found.append(compare(x, y, kernel, images(m), seed))
    return found


@pytest.mark.parametrize("kernel", [of_width(1.5), cubic, linear])
def test_the_estimate_is_the_double_sum_over_different_images(kernel):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)) + 0.5

    def k(p, q):
        return kernel(p[None], q[None])[0, 0]

    within_x = np.mean([k(p, q) for p, q in itertools.permutations(x, 2)])
    within_y = np.mean([k(p, q) for p, q in itertools.permutations(y, 2)])
    between = np.mean([k(p, q) for p in x for q in y])
    assert compare(x, y, kernel, images(5), 0).value == pytest.approx(within_x + within_y - 2 * between)


def test_kid_is_that_of_torch_fidelity_on_the_same_features():
    x, y = np.random.default_rng(1).standard_normal((2, 60, 32)) * [[[1.0]], [[1.4]]]
    expected = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=1, kid_subset_size=60, verbose=False, rng_seed=0
    )
    assert compare(x, y, cubic, images(60), 0).value == pytest.approx(expected[KEY_METRIC_KID_MEAN])


def test_kid_is_what_torch_fidelitys_random_subsets_tend_to():
    x, y = np.random.default_rng(2).standard_normal((2, 60, 8))
    x = x + 0.4
    expected = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=400, kid_subset_size=30, verbose=False, rng_seed=0
    )
    assert compare(x, y, cubic, images(60), 0).value == pytest.approx(expected[KEY_METRIC_KID_MEAN], rel=0.03)


def test_halves_of_the_real_set_score_what_the_published_formula_gives_them():
    """For two sets of one size, before it is brought to the size of the comparison."""
    y = np.random.default_rng(3).standard_normal((20, 5))
    found = images(20)
    kernel = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    expected = []
    for first in divisions(found, 500, np.random.default_rng([7, 1]))[:5]:
        a, b = y[first], y[~first]
        expected.append(
            published_mmd2(kernel_poly(a, a, **kernel), kernel_poly(a, b, **kernel), kernel_poly(b, b, **kernel))
        )
    size = (1 / 40 + 1 / 20) / (1 / 10 + 1 / 10)
    assert real_against_real(y, cubic, found, n=40, seed=7)[:5] == pytest.approx(np.array(expected) * size)


@pytest.mark.parametrize(("n", "m"), [(10, 10), (30, 20)])
@pytest.mark.parametrize("kernel", [SMOOTH, cubic, linear])
def test_estimates_of_equal_laws_scatter_about_zero_on_both_sides(n, m, kernel):
    values = [found.value for found in draws(n, m, 0.0, kernel)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(DRAWS)
    assert 0.2 < np.mean(np.array(values) < 0) < 0.8


@pytest.mark.parametrize(("n", "m"), [(12, 12), (40, 60)])
@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_the_interval_holds_the_truth_as_often_as_it_says(n, m, shift):
    truth = true_mmd2(np.full(4, shift), 2.0)
    held = np.mean([found.low <= truth <= found.high for found in draws(n, m, shift)])
    assert 0.91 <= held <= 1.0


def test_the_interval_is_no_wider_than_it_need_be():
    found = draws(40, 60, 0.5)
    needed = 2 * 1.96 * np.std([one.value for one in found])
    assert np.mean([one.high - one.low for one in found]) < 1.25 * needed


@pytest.mark.parametrize("kernel", [SMOOTH, cubic, linear])
@pytest.mark.parametrize(("n", "m"), [(10, 12), (60, 40)])
def test_equal_laws_are_called_different_one_time_in_twenty(n, m, kernel):
    alarms = np.mean([found.p <= 0.05 for found in draws(n, m, 0.0, kernel)])
    assert 0.01 <= alarms <= 0.1


def test_a_real_difference_is_seen_and_the_more_surely_the_more_images_there_are():
    few, many = (np.mean([found.p <= 0.05 for found in draws(n, n, 0.4)]) for n in (12, 60))
    assert few < 0.6
    assert many > 0.85


def test_p_and_noise_floor_tell_the_same():
    for found in draws(20, 20, 0.3):
        assert (found.value > found.floor) == (found.p < 0.052)


def clustered(seed: int, micrographs: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Crops whose micrograph has a brightness of its own."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(micrographs), each)
    return rng.standard_normal((len(of), 4)) + 0.8 * rng.standard_normal((micrographs, 4))[of], of


def test_crops_of_other_micrographs_are_told_apart_only_where_crops_pass_for_micrographs():
    """Both sets of one specimen: by crops most comparisons raise a false alarm, by micrographs one in twenty."""
    by_crops, by_micrographs = [], []
    for seed in range(100):
        (y, of), (x, _) = clustered(seed, 12, 6), clustered(seed + 5000, 12, 6)
        by_crops.append(compare(x, y, SMOOTH, images(72), seed).p <= 0.05)
        by_micrographs.append(compare(x, y, SMOOTH, units(of, 72), seed).p <= 0.05)
    assert np.mean(by_crops) > 0.5
    assert np.mean(by_micrographs) < 0.13


def test_the_jackknife_leaves_out_whole_micrographs_of_any_size():
    rng = np.random.default_rng(5)
    of = np.repeat(np.arange(9), [1, 2, 3, 4, 5, 6, 2, 3, 4])
    x, y = rng.standard_normal((15, 3)), rng.standard_normal((len(of), 3)) + rng.standard_normal((9, 3))[of]
    found = compare(x, y, linear, units(of, len(of)), 0)

    def value(x, y):
        return compare(x, y, linear, images(len(y)), 0).value

    def variance(whole, parts, sizes):
        ratio = sum(sizes) / np.array(sizes)
        pseudo = ratio * whole - (ratio - 1) * np.array(parts)
        centre = len(parts) * whole - np.sum((1 - 1 / ratio) * parts)
        return np.mean((pseudo - centre) ** 2 / (ratio - 1))

    by_x = variance(found.value, [value(np.delete(x, i, 0), y) for i in range(15)], [1] * 15)
    by_y = variance(found.value, [value(x, y[of != g]) for g in range(9)], [int((of == g).sum()) for g in range(9)])
    assert 1.9 < (found.high - found.value) / np.sqrt(by_x + by_y) < 2.4
    assert found.high - found.value == pytest.approx(found.value - found.low)


def test_a_micrograph_is_never_divided():
    of = np.repeat(np.arange(10), 7)
    for first in divisions(units(of, 70), 20, np.random.default_rng(0)):
        assert not set(of[first]) & set(of[~first])
        assert first.sum() == 35


def test_of_few_micrographs_a_difference_proves_nothing_and_likeness_does():
    few = units(np.repeat([0, 1, 2], 20), 60)
    assert few.word == "images"
    assert verdict(False, few).startswith("no verdict: it differs more than crops of the same 3 micrographs")
    assert verdict(True, few) == "not distinguishable"
    assert verdict(False, units(np.repeat(np.arange(8), 5), 40)) == "distinguishable"


@pytest.mark.parametrize(("real", "divisions"), [(4, 3), (6, 10), (7, 35), (8, 35)])
def test_no_p_value_is_smaller_than_the_number_of_divisions_allows(real, divisions):
    x, y = np.random.default_rng(9).standard_normal((2, real, 3))
    x = x + 3.0
    found = compare(x, y, SMOOTH, images(real), 0)
    assert found.p == pytest.approx(1 / (1 + divisions))
    told = scores("mmd2", found, images(real))["verdict"]
    assert told == ("distinguishable" if real >= 7 else "no verdict: fewer than 7 real images")


def test_groups_must_fit_the_images():
    with pytest.raises(BadImageError, match="source of 3 images, but there are 4"):
        units([0, 1, 2], 4)


def test_two_images_a_side_have_a_score_and_no_interval():
    x, y = np.random.default_rng(6).standard_normal((2, 2, 3))
    found = scores("kid", compare(x, y, cubic, images(2), 0), images(2))
    assert set(found) == {"kid", "verdict"}
    assert "no verdict" in str(found["verdict"])


def test_more_images_than_a_matrix_should_hold_are_compared_in_blocks(monkeypatch):
    x, y = np.random.default_rng(8).standard_normal((2, 90, 3))
    kernel = gaussian(y, (1.0,))
    whole = compare(x, y, kernel, images(90), 0)
    monkeypatch.setattr("emgen_metrics.two_sample._ROWS", 16)
    monkeypatch.setattr("emgen_metrics.two_sample._LARGEST", 40)
    parts = compare(x, y, kernel, images(90), 0)
    assert (parts.value, parts.low) == pytest.approx((whole.value, whole.low))
    assert parts.floor == pytest.approx(whole.floor, rel=0.5)
