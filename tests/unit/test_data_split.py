"""Who may learn from what: the parts of a stack never touch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest

from emgen.data import SplitPlan, Window, split_micrographs
from emgen.errors import NoImagesError


@dataclass(frozen=True)
class Split:
    subset1: float | int = 0.3
    held_out: float = 0.1
    by: str = "auto"
    guard: int = 16


def plan_of(shapes, factor: float = 1.0, count=None, seed: int = 0, crop: int = 128, **settings) -> SplitPlan:
    return split_micrographs(shapes, [factor] * len(shapes), count, Split(**settings), crop, seed)


def parts(plan: SplitPlan) -> list[tuple[Window, ...]]:
    return [plan.subset1, plan.subset2, plan.held_out]


def area(windows: tuple[Window, ...]) -> int:
    return sum(window.area for window in windows)


@pytest.mark.parametrize("shape", [(1024, 1024), (640, 2048), (300, 400), (140, 600)])
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_regions_are_disjoint_with_a_guard_band_and_inside_the_micrograph(shape, factor: float, seed: int) -> None:
    plan = plan_of([shape, shape], factor, seed=seed, by="region")
    painted = np.zeros((2, *shape), np.int8)
    for number, windows in enumerate(parts(plan), 1):
        for window in windows:
            assert (painted[window.index][window.slices] == 0).all()
            painted[window.index][window.slices] = number
            assert window.y + window.height <= shape[0]
            assert window.x + window.width <= shape[1]
    for one, other in combinations(parts(plan), 2):
        for a in one:
            for b in other:
                assert a.index != b.index or a.gap(b) >= 16 / factor


def test_few_large_micrographs_are_divided_in_about_the_shares_asked() -> None:
    plan = plan_of([(2048, 2048)] * 4)
    assert plan.by == "region"
    whole = 4 * 2048**2
    assert area(plan.subset1) / whole == pytest.approx(0.3, abs=0.04)
    assert area(plan.held_out) / whole == pytest.approx(0.1, abs=0.03)
    assert {w.index for w in plan.subset1} == {w.index for w in plan.subset2} == {0, 1, 2, 3}


def test_many_small_micrographs_are_dealt_out_whole() -> None:
    plan = plan_of([(200, 200)] * 60)
    assert plan.by == "micrograph"
    assert [len(windows) for windows in parts(plan)] == [18, 36, 6]
    assert all(window.area == 200**2 for windows in parts(plan) for window in windows)


def test_micrographs_too_small_to_divide_are_dealt_out() -> None:
    assert plan_of([(256, 256)] * 5).by == "micrograph"


def test_a_number_of_micrographs_is_taken_as_such() -> None:
    plan = plan_of([(1024, 1024)] * 10, subset1=2)
    assert plan.by == "micrograph"
    assert len(plan.subset1) == 2


def test_subset_1_is_the_side_with_most_particles() -> None:
    particles = np.random.default_rng(1).integers(700, 1000, (200, 2))

    def count(index: int, window: Window) -> int:
        rows, columns = window.slices
        return sum(rows.start <= y < rows.stop and columns.start <= x < columns.stop for y, x in particles)

    plan = plan_of([(1024, 1024)], count=count)
    assert sum(count(0, w) for w in plan.subset1) > 0
    assert sum(count(0, w) for w in plan.held_out) > 0


def test_micrographs_without_particles_stay_out_of_subset_1() -> None:
    plan = plan_of([(1024, 1024)] * 10, count=lambda index, window: int(index in (2, 5, 7, 9)), subset1=2)
    assert {w.index for w in plan.subset1} | {w.index for w in plan.held_out} <= {2, 5, 7, 9}


def test_the_split_depends_on_the_seed_alone() -> None:
    shapes = [(1024, 1024)] * 10
    assert plan_of(shapes, seed=3) == plan_of(shapes, seed=3)
    assert plan_of(shapes, seed=3) != plan_of(shapes, seed=4)


def test_a_plan_survives_json() -> None:
    plan = plan_of([(1024, 700)] * 3)
    assert SplitPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_nothing_is_held_out_where_nothing_is_asked() -> None:
    assert plan_of([(1024, 1024)] * 2, held_out=0.0).held_out == ()


def test_short_strips_leave_one_micrograph_to_be_held_out() -> None:
    plan = plan_of([(300, 180)] * 2, by="region")
    assert len(plan.held_out) == 1
    assert len(plan.subset1) == 1


@pytest.mark.parametrize(
    ("shapes", "settings", "says"),
    [
        ([], {}, "no micrograph"),
        ([(512, 512)], {"subset1": 1}, "leaves none for subset 2"),
        ([(512, 512)] * 3, {"subset1": 5}, "asks for 5 of 3"),
        ([(512, 512)] * 2, {"by": "micrograph"}, "at least 3 micrographs, there are 2"),
        ([(16, 16)], {}, "too small to be divided"),
    ],
)
def test_a_stack_too_small_for_its_split_is_refused(shapes, settings, says: str) -> None:
    with pytest.raises(NoImagesError, match=says):
        plan_of(shapes, **settings)
