"""By how much each micrograph is resized, so that networks see particles of one size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emgen.artifacts import Artifact, create_stack
from emgen.engine.handles import RoughLabels
from emgen.engine.scale import FACTORS, measure_scale
from emgen.errors import NoParticlesError


def discs(radius: float, count: int, shape_HW: tuple[int, int] = (200, 200)) -> Any:
    """Disjoint discs on a grid, none at the border."""
    label_HW = np.zeros(shape_HW, np.int32)
    rows, columns = np.ogrid[: shape_HW[0], : shape_HW[1]]
    for number in range(count):
        y, x = 30 + 45 * (number // 4), 30 + 45 * (number % 4)
        label_HW[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = number + 1
    return label_HW


def rough_of(folder: Path, labels: list[Any]) -> RoughLabels:
    for index, label_HW in enumerate(labels):
        stack = create_stack(folder / f"labels/{index:05d}", (1, *label_HW.shape), np.int32)
        stack[0:1] = label_HW[None]
    return RoughLabels(Artifact(folder))


NAMES = ["a", "b", "c"]


def test_each_micrograph_is_resized_by_its_own_particles(tmp_path: Path) -> None:
    rough = rough_of(tmp_path, [discs(5, 9), discs(10, 9), discs(20, 9)])
    scale = measure_scale(rough, NAMES, "per-micrograph", 14.0)
    assert scale.factors == pytest.approx((1.4, 0.7, 0.35), rel=0.05)
    assert scale.working_diameter == pytest.approx(14.0)
    assert scale.counts == (9, 9, 9)


def test_one_with_too_few_particles_is_resized_like_the_stack(tmp_path: Path) -> None:
    scale = measure_scale(rough_of(tmp_path, [discs(10, 9), discs(20, 1), discs(10, 0)]), NAMES, "per-micrograph", 14.0)
    assert scale.factors[1] == scale.factors[2] == pytest.approx(scale.factors[0])
    assert scale.diameters[2] is None


def test_a_stack_can_be_resized_by_one_factor(tmp_path: Path) -> None:
    scale = measure_scale(rough_of(tmp_path, [discs(5, 9), discs(10, 9), discs(20, 9)]), NAMES, "stack", 14.0)
    assert len(set(scale.factors)) == 1
    assert scale.factors[0] == pytest.approx(0.7, rel=0.05)


def test_a_micrograph_of_about_the_right_scale_keeps_its_noise(tmp_path: Path) -> None:
    scale = measure_scale(
        rough_of(tmp_path, [discs(6.6, 9), discs(7.4, 9), discs(10, 9)]), NAMES, "per-micrograph", 14.0
    )
    assert scale.factors[:2] == (1.0, 1.0)
    assert scale.factors[2] == pytest.approx(0.7, rel=0.05)


def test_native_scale_keeps_the_particles_as_large_as_they_are(tmp_path: Path) -> None:
    scale = measure_scale(rough_of(tmp_path, [discs(10, 9)] * 3), NAMES, "native", 14.0)
    assert scale.factors == (1.0, 1.0, 1.0)
    assert scale.working_diameter == pytest.approx(20, rel=0.05)


def test_a_factor_out_of_all_proportion_is_bounded_and_the_model_knows_the_size_reached(tmp_path: Path) -> None:
    specks = np.zeros((200, 200), np.int32)
    for number in range(9):
        specks[10 + 20 * number, 10:12] = number + 1
    scale = measure_scale(rough_of(tmp_path, [specks]), NAMES[:1], "per-micrograph", 64.0)
    assert scale.factors == (FACTORS[1],)
    assert scale.working_diameter < 10


def test_particles_cut_by_the_border_still_tell_a_size(tmp_path: Path) -> None:
    label_HW = np.zeros((20, 20), np.int32)
    label_HW[:, :10] = 1
    assert measure_scale(rough_of(tmp_path, [label_HW]), NAMES[:1], "per-micrograph", 14.0).factors[0] < 1.5


def test_no_particle_anywhere_names_the_micrographs(tmp_path: Path) -> None:
    with pytest.raises(NoParticlesError, match=r"found no particle in a, b, c\."):
        measure_scale(rough_of(tmp_path, [discs(5, 0)] * 3), NAMES, "per-micrograph", 14.0)
