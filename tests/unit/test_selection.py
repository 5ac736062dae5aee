"""Which state of a training is kept: the rule, on numbers alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emgen.selection import Candidate, Criterion, Measured, clearly_better, leave_out, may_end, rank

REAL = Criterion("kid", "KID", "lower")
SIZES = Criterion("sizes", "Sizes", "lower", tolerance=0.01)
FIT = Criterion("fidelity", "Fidelity", "higher", veto=True, tolerance=0.02)
COMMON = np.array([0.02, -0.01, 0.015, -0.02, 0.01, 0.0, -0.015, 0.0])
"""What leaving a group of images out does to every candidate alike."""


def sure(value: float) -> Measured:
    return Measured(value, tuple(value + COMMON))


def unsure(value: float, seed: int = 0) -> Measured:
    return Measured(value, tuple(value + np.random.default_rng(seed).normal(0, 0.05, 8)))


def candidates(*rows: tuple[float, float]) -> list[Candidate]:
    """(KID, pass rate) at steps 10, 20, …"""
    return [
        Candidate(10 * (index + 1), {"kid": sure(kid), "fidelity": sure(rate)})
        for index, (kid, rate) in enumerate(rows)
    ]


def test_the_clearly_best_is_chosen_wherever_it_stands() -> None:
    assert rank(candidates((0.5, 0.9), (0.2, 0.9), (0.4, 0.9)), [REAL, FIT]).chosen == 20
    assert rank(candidates((0.5, 0.9), (0.2, 0.9), (0.4, 0.9)), [REAL, FIT]).order == (20, 30, 10)


def test_what_all_candidates_share_does_not_hide_a_difference() -> None:
    a, b = sure(0.20), sure(0.21)
    assert a.interval is not None
    assert b.interval is not None
    assert a.interval[1] > b.interval[0]
    assert clearly_better(a, b, REAL)
    assert not clearly_better(b, a, REAL)


def test_a_difference_that_may_be_chance_makes_no_rank_and_the_later_state_is_kept() -> None:
    rows = [Candidate(step, {"kid": unsure(value, step)}) for step, value in ((1, 0.20), (2, 0.21), (3, 0.22))]
    found = rank(rows, [REAL])
    assert [row.ranks["kid"] for row in found.rows] == [1, 1, 1]
    assert found.chosen == 3
    assert "as good as steps 1, 2" in found.why


def test_images_that_do_not_fit_their_labels_are_out_however_real_they_look() -> None:
    found = rank(candidates((0.1, 0.6), (0.3, 0.95), (0.4, 0.95)), [REAL, FIT])
    assert found.chosen == 20
    assert found.rows[0].out == "fidelity"
    assert found.order[-1] == 10
    assert "step 10 left out" in found.why


def test_vetoes_come_one_after_the_other() -> None:
    """The state with the best pass rate draws particles that are too strong: its pass rate bars no other."""
    contrast = Criterion("contrast", "Contrast", "lower", veto=True, tolerance=0.1)
    rows = [
        Candidate(step, {"contrast": sure(distance), "fidelity": sure(rate)})
        for step, distance, rate in ((10, 0.2, 0.5), (20, 0.2, 0.8), (30, 1.5, 0.99))
    ]
    found = rank(rows, [contrast, FIT])
    assert [row.out for row in found.rows] == ["fidelity", None, "contrast"]
    assert found.chosen == 20
    assert "step 30 left out: clearly worse in “Contrast”; step 10 left out" in found.why
    assert rank(rows, [FIT, contrast]).chosen == 30


def test_a_difference_that_does_not_matter_vetoes_nothing() -> None:
    found = rank(candidates((0.1, 0.94), (0.3, 0.95)), [REAL, FIT])
    assert found.chosen == 10
    assert all(row.out is None for row in found.rows)


def test_ranks_of_all_criteria_count_alike() -> None:
    rows = [
        Candidate(1, {"kid": sure(0.1), "sizes": sure(0.3)}),
        Candidate(2, {"kid": sure(0.2), "sizes": sure(0.1)}),
        Candidate(3, {"kid": sure(0.3), "sizes": sure(0.2)}),
    ]
    found = rank(rows, [REAL, SIZES])
    assert [row.mean_rank for row in found.rows] == [2.0, 1.5, 2.5]
    assert found.chosen == 2


def test_a_number_that_could_not_be_computed_counts_as_worst() -> None:
    rows = [Candidate(1, {"kid": sure(0.9)}), Candidate(2, {"kid": Measured(math.nan)})]
    assert rank(rows, [REAL]).chosen == 1


def test_without_any_criterion_the_last_is_kept() -> None:
    assert rank([Candidate(1, {}), Candidate(2, {})], []).chosen == 2


def test_there_must_be_a_candidate() -> None:
    with pytest.raises(ValueError, match="no candidate"):
        rank([], [REAL])


def test_a_training_ends_when_the_last_states_are_clearly_no_better() -> None:
    rows = candidates((0.5, 0.9), (0.2, 0.9), (0.4, 0.9), (0.4, 0.9))
    assert may_end(rows, [REAL, FIT], patience=2)
    assert not may_end(rows[:3], [REAL, FIT], patience=2)
    assert not may_end(rows, [REAL, FIT], patience=3)
    assert not may_end(rows, [REAL, FIT], patience=None)


def test_a_training_goes_on_while_a_late_state_may_be_as_good() -> None:
    assert not may_end(candidates((0.5, 0.9), (0.2, 0.9), (0.4, 0.9), (0.2, 0.9)), [REAL, FIT], patience=2)
    worse_here_better_there = candidates((0.2, 0.9), (0.4, 0.95), (0.4, 0.95))
    assert not may_end(worse_here_better_there, [REAL, FIT], patience=2)


def test_every_group_is_left_out_once_and_spread_over_the_stack() -> None:
    parts = leave_out(20, 8)
    left = [set(range(20)) - set(map(int, rows)) for rows in parts]
    assert sorted(index for group in left for index in group) == list(range(20))
    assert left[3] == {3, 11, 19}


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.random.default_rng(0).normal(size=8)
    without = tuple(float(np.delete(values, i).mean()) for i in range(8))
    low, high = Measured(float(values.mean()), without).interval or (0.0, 0.0)
    half = 2.365 * values.std(ddof=1) / math.sqrt(8)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_from_too_few_groups_nothing_is_clear() -> None:
    assert Measured(0.1, (0.1, 0.1)).interval is None
    assert not clearly_better(Measured(0.1, (0.1, 0.1)), Measured(0.9, (0.9, 0.9)), REAL)
