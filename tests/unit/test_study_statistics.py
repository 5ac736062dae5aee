"""Few seeds, honest statistics: intervals that cover, exact p values, corrections, and verdicts that may be none."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from emgen.study.statistics import Effect, effect, hedges_g, holm, mean_interval, spearman


def test_the_p_value_of_pairs_is_that_of_trying_all_signs() -> None:
    a, b = np.array([0.71, 0.74, 0.70, 0.75, 0.69]), np.array([0.66, 0.75, 0.66, 0.67, 0.70])
    d = a - b
    means = np.array([np.mean(d * signs) for signs in product((1, -1), repeat=5)])
    assert effect(a, b).p == pytest.approx(np.mean(np.abs(means) >= abs(d.mean()) - 1e-12))


def test_few_pairs_cannot_have_a_small_p() -> None:
    assert effect([2, 3, 4], [1, 1, 1]).p == pytest.approx(2 / 2**3)
    assert effect(np.arange(6) + 10.0, np.zeros(6)).p == pytest.approx(2 / 2**6)


def test_the_interval_of_few_pairs_is_students() -> None:
    a, b = [0.71, 0.74, 0.70, 0.75], [0.66, 0.68, 0.66, 0.67]
    found = effect(a, b)
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high, found.method, found.n) == (pytest.approx(low), pytest.approx(high), "t", 4)


def test_two_pairs_have_no_interval_and_no_verdict() -> None:
    found = effect([0.71, 0.74], [0.66, 0.68])
    assert np.isnan([found.low, found.high]).all()
    assert (found.method, found.verdict()) == ("none", "not distinguishable")
    assert found.sd == pytest.approx(0.01 / np.sqrt(2))


def test_many_values_are_bootstrapped_by_seed() -> None:
    values = np.random.default_rng(0).exponential(1, 40)
    found, again, other = (mean_interval(values, seed=seed) for seed in (0, 0, 1))
    assert found.method == "bca"
    assert (found.low, found.high) == (again.low, again.high)
    assert found.low != other.low
    skew = (found.high - found.mean) / (found.mean - found.low)
    assert skew > 1.05, "a skewed sample has a longer upper arm, which Student's t cannot give"


@pytest.mark.parametrize("n", [3, 5, 10, 20, 40])
def test_intervals_cover_the_true_mean_in_about_95_of_100_cases(n: int) -> None:
    rng = np.random.default_rng(n)
    trials = 150 if n == 40 else 400
    found = [mean_interval(rng.normal(0.3, 1, n), seed=k) for k in range(trials)]
    assert np.mean([own.low <= 0.3 <= own.high for own in found]) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize("paired", [True, False])
def test_where_there_is_no_difference_one_verdict_in_twenty_is_wrong(paired: bool) -> None:
    rng = np.random.default_rng(3)
    n = 6 if paired else 4
    found = [effect(rng.normal(0, 1, n), rng.normal(0, 1, n), paired=paired) for _ in range(200)]
    assert np.mean([own.verdict() != "not distinguishable" for own in found]) == pytest.approx(0.05, abs=0.04)
    assert np.mean([own.p <= 0.06 for own in found]) == pytest.approx(0.05, abs=0.04)


def test_pairing_sees_a_difference_that_groups_hide() -> None:
    base = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    better = base + np.array([0.02, 0.021, 0.019, 0.02, 0.022])
    assert effect(better, base).verdict() == "better"
    assert effect(better, base).verdict(better="lower") == "worse"
    assert effect(better, base, paired=False).verdict() == "not distinguishable"


def test_groups_get_welchs_interval_and_the_permutation_of_their_members() -> None:
    a, b = [5.1, 5.6, 6.2], [4.0, 4.4, 4.1, 4.9]
    found = effect(a, b, paired=False)
    low, high = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.n == 3
    assert found.p == pytest.approx(2 / 35), "the most extreme of 35 splits, on both sides"


def test_holm_is_that_of_a_worked_example() -> None:
    """0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1, which may not fall below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([]) == []


def test_holm_leaves_out_what_was_not_tested() -> None:
    adjusted = holm([0.01, float("nan"), 0.04])
    assert adjusted[0] == pytest.approx(0.02)
    assert np.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.2])


def test_one_pair_says_nothing() -> None:
    found = effect([0.8], [0.5])
    assert found.mean == pytest.approx(0.3)
    assert found.verdict() == "not distinguishable"
    assert np.isnan([found.low, found.high, found.p, found.sd, found.g]).all()


def test_hedges_g_is_cohens_d_corrected() -> None:
    a, b = np.array([3.0, 5.0, 4.0, 6.0]), np.array([2.0, 2.5, 3.5, 3.0])
    d = (a - b).mean() / (a - b).std(ddof=1)
    assert effect(a, b).g == pytest.approx(d * (1 - 3 / 11))
    assert np.isnan(hedges_g(1.0, 0.0, 5))


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs need as many"):
        effect([1, 2], [1])
    with pytest.raises(ValueError, match="NaN"):
        effect([1, float("nan")], [1, 2])
    with pytest.raises(ValueError, match="at least one value"):
        mean_interval([])


def test_rank_correlation_counts_all_orders() -> None:
    x, y = [1, 2, 3, 4, 5], [1, 3, 2, 5, 40]
    found = spearman(x, y)
    rho = stats.spearmanr(x, y).statistic
    assert found.mean == pytest.approx(rho)
    every = np.array([stats.spearmanr(x, order).statistic for order in permutations(y)])
    assert found.p == pytest.approx(min(1, 2 * np.mean(every >= rho - 1e-12)))
    assert found.low < rho < found.high
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3]).mean)


def test_an_effect_becomes_plain_values() -> None:
    plain = effect([1, 2, 4], [0, 1, 1]).to_dict()
    assert set(plain) == {"mean", "low", "high", "p", "n", "sd", "g", "method"}
    assert Effect(**plain).mean == pytest.approx(5 / 3)
