"""Masks of real micrographs judged without a label: phantoms have both, so that the verdict can be checked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from emgen.data import SplitPlan, Window
from emgen.engine.folds import folds_of
from emgen.engine.steps_evidence import about, measure_tiles
from emgen.engine.tiles import divided, tiles_of
from emgen.engine.verdict import compare, decide
from emgen.stages import Context
from emgen.testing.phantoms import phantom_stack

PHANTOMS = phantom_stack(6, (128, 128), seed=3, diameter=14.0)
IMAGES = [phantom.image_HW for phantom in PHANTOMS]
TRUTH = [phantom.label_HW for phantom in PHANTOMS]


def evidence(labels: list[NDArray[Any]]) -> Any:
    measured = measure_tiles(Context(seed=1), IMAGES, labels)
    tiles = [{"index": n, **about(label_HW)} for n, label_HW in enumerate(labels)]
    masks = np.concatenate([label_HW.ravel() > 0 for label_HW in labels])
    return SimpleNamespace(measured=lambda: measured, tiles=tiles, masks=masks)


def kept(label_HW: NDArray[Any], keep: Any) -> NDArray[Any]:
    return np.where(np.isin(label_HW, [n for n in range(1, label_HW.max() + 1) if keep(n)]), label_HW, 0)


def with_inventions(label_HW: NDArray[Any], seed: int) -> NDArray[Any]:
    """As many discs on bare support as there are particles, halved."""
    rng, made = np.random.default_rng(seed), label_HW.copy()
    rows, columns = np.ogrid[: made.shape[0], : made.shape[1]]
    for _ in range(max(2, int(label_HW.max()) // 2)):
        y, x = rng.integers(8, 120, 2)
        disc = (rows - y) ** 2 + (columns - x) ** 2 <= 36
        if not ndimage.binary_dilation(made > 0, iterations=2)[disc].any():
            made[disc] = made.max() + 1
    return made


DAMAGED = {
    "a third is missed": [kept(label_HW, lambda n: n % 3) for label_HW in TRUTH],
    "masks lie beside their particles": [np.roll(label_HW, (6, 6), (0, 1)) for label_HW in TRUTH],
    "some are invented": [with_inventions(label_HW, n) for n, label_HW in enumerate(TRUTH)],
    "masks are far too large": [ndimage.grey_dilation(label_HW, 7) for label_HW in TRUTH],
}


@pytest.fixture(scope="module")
def truth() -> Any:
    return evidence(TRUTH)


@pytest.mark.parametrize("damage", DAMAGED)
def test_worse_masks_are_refused_and_better_ones_score_higher(truth: Any, damage: str) -> None:
    damaged = evidence(DAMAGED[damage])
    assert not decide(compare(damaged, truth)).accepted
    assert compare(truth, damaged).difference > 0


def test_masks_that_are_worse_within_the_noise_of_the_check_are_accepted(truth: Any) -> None:
    one_less = [kept(label_HW, lambda n: n != 2) if not index else label_HW for index, label_HW in enumerate(TRUTH)]
    comparison = compare(evidence(one_less), truth)
    assert comparison.difference < 0 <= comparison.high
    verdict = decide(comparison)
    assert verdict.accepted
    assert "no clearly worse" in verdict.why


def test_the_same_masks_are_accepted_and_settle_the_matter(truth: Any) -> None:
    comparison = compare(truth, truth)
    verdict = decide(comparison)
    assert (verdict.accepted, verdict.settled) == (True, True)
    assert (comparison.difference, comparison.agreement, comparison.particles) == (0, 1, 1)


def test_the_difference_is_the_same_both_ways_round_and_lies_in_its_interval(truth: Any) -> None:
    damaged = evidence(DAMAGED["a third is missed"])
    one, other = compare(truth, damaged), compare(damaged, truth)
    assert one.difference == pytest.approx(-other.difference)
    assert one.low <= one.difference <= one.high


def test_masks_that_find_nothing_are_refused(truth: Any) -> None:
    nothing = evidence([np.zeros_like(label_HW) for label_HW in TRUTH])
    verdict = decide(compare(nothing, truth))
    assert not verdict.accepted
    assert "number of particles" in verdict.why


def test_masks_that_shrink_too_much_are_refused_even_if_they_fit(truth: Any) -> None:
    def eroded(label_HW: NDArray[Any]) -> NDArray[Any]:
        rim = ndimage.grey_dilation(label_HW, 3) != ndimage.grey_erosion(label_HW, 3)
        return np.where(rim, 0, label_HW)

    verdict = decide(compare(evidence([eroded(label_HW) for label_HW in TRUTH]), truth))
    assert not verdict.accepted
    assert "median diameter" in verdict.why


def test_tiles_never_overlap_and_hold_nothing_of_subset_1() -> None:
    plan = SplitPlan(
        "region", 4, (Window(0, 0, 0, 60, 200),), (Window(0, 64, 0, 136, 200),), (Window(1, 0, 0, 50, 90),)
    )
    tiles = tiles_of(plan, [0.5, 1.0], crop=32)
    seen = np.zeros((2, 200, 200), int)
    for tile in tiles:
        seen[(tile.window.index, *tile.window.slices)] += 1
    assert seen.max() == 1
    assert seen[0, :64].sum() == 0
    assert seen.sum() == 136 * 200 + 50 * 90


def test_at_most_so_many_tiles_are_taken_spread_over_all() -> None:
    plan = SplitPlan("micrograph", 4, (), tuple(Window(n, 0, 0, 256, 256) for n in range(50)), ())
    tiles = tiles_of(plan, [1.0] * 50, crop=64, most=20)
    assert len(tiles) == 20
    assert {tiles[0].window.index, tiles[-1].window.index} == {0, 49}


def test_micrographs_whose_labels_are_trained_on_are_no_judges_unless_there_are_no_others() -> None:
    plan = SplitPlan("micrograph", 4, (), tuple(Window(n, 0, 0, 64, 64) for n in range(3)), ())
    assert {tile.window.index for tile in tiles_of(plan, [1.0] * 3, 64, labelled={0, 2})} == {1}
    assert len(tiles_of(plan, [1.0] * 3, 64, labelled={0, 1, 2})) == 3


def test_a_window_smaller_than_a_tile_is_one_tile() -> None:
    assert divided(Window(0, 3, 4, 20, 30), 64) == [Window(0, 3, 4, 20, 30)]


def test_every_labelled_micrograph_is_kept_apart_once_and_never_trained_on_then() -> None:
    windows = [Window(n, 0, 0, 50, 50) for n in range(5)]
    folds = folds_of(windows, [1.0] * 5, count=2, guard=4, seed=0)
    assert len(folds) == 2
    assert sorted(window.index for fold in folds for window in fold.kept) == list(range(5))
    assert all(not {w.index for w in fold.kept} & {w.index for w in fold.train} for fold in folds)


def test_of_one_labelled_micrograph_the_halves_are_kept_apart_with_a_guard_band() -> None:
    folds = folds_of([Window(0, 10, 20, 60, 100)], [0.5], count=2, guard=8, seed=0)
    assert [(len(fold.train), len(fold.kept)) for fold in folds] == [(1, 1), (1, 1)]
    assert folds[0].train == folds[1].kept
    assert folds[0].train[0].gap(folds[0].kept[0]) == 16
    assert all(window.height == 60 for window in (*folds[0].train, *folds[0].kept))


def test_no_folds_where_none_are_wanted_or_nothing_can_be_halved() -> None:
    assert folds_of([Window(0, 0, 0, 60, 60), Window(1, 0, 0, 60, 60)], [1.0, 1.0], count=0, guard=4, seed=0) == []
    assert folds_of([Window(0, 0, 0, 5, 5)], [1.0], count=2, guard=8, seed=0) == []
