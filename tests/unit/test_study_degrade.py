"""Exact instances degraded in four even steps, for the question how good rough masks must be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from emgen.particles import match_objects
from emgen.study.degrade import STEP_IOU, degrade
from emgen.study.hand_labels import agreement, read_scene
from emgen.testing.phantoms import Phantom, phantom_stack


@pytest.fixture(scope="module", params=["haadf-stem", "bf-tem"])
def steps(request: pytest.FixtureRequest) -> list[tuple[Phantom, list[np.ndarray]]]:
    """Micrographs, and the labels of steps 0 to 4 of each."""
    phantoms = phantom_stack(2, (224, 224), seed=2, modality=request.param)
    return [(p, [degrade(p.label_HW, p.image_HW, k, np.random.default_rng(1)) for k in range(5)]) for p in phantoms]


def test_each_step_has_the_quality_it_stands_for(steps: list[tuple[Phantom, list[np.ndarray]]]) -> None:
    for phantom, labels in steps:
        ious = [agreement(label, phantom.label_HW).foreground_iou for label in labels]
        assert ious == pytest.approx([1.0, *STEP_IOU], abs=0.03)


def test_objects_are_lost_and_invented_step_by_step(steps: list[tuple[Phantom, list[np.ndarray]]]) -> None:
    matches = [
        sum(
            (match_objects(ls[k], p.label_HW, 0.1) for p, ls in steps),
            start=match_objects(*[np.zeros((2, 2), int)] * 2),
        )
        for k in range(5)
    ]
    assert matches[0].f1 == 1
    assert all(a.f1 > b.f1 for a, b in pairwise(matches))
    assert matches[4].fn > matches[2].fn > 0
    assert matches[4].fp > matches[1].fp


def test_the_faintest_go_first(steps: list[tuple[Phantom, list[np.ndarray]]]) -> None:
    missed, kept = [], []
    for phantom, labels in steps:
        for number, outline in enumerate(read_scene(phantom.label_HW, phantom.image_HW).outlines, 1):
            gone = not labels[3][phantom.label_HW == number].any()
            (missed if gone else kept).append(outline.detectability)
    assert np.median(missed) < np.median(kept)


def test_outlines_turn_ragged(steps: list[tuple[Phantom, list[np.ndarray]]]) -> None:
    def edge(label: np.ndarray) -> float:
        mask = label > 0
        return (np.diff(mask, axis=0).sum() + np.diff(mask, axis=1).sum()) / np.sqrt(mask.sum())

    for phantom, labels in steps:
        assert edge(labels[4]) > 1.2 * edge(phantom.label_HW)


def test_the_seed_decides_and_a_wrong_step_is_refused(steps: list[tuple[Phantom, list[np.ndarray]]]) -> None:
    phantom, labels = steps[0]
    again = degrade(phantom.label_HW, phantom.image_HW, 2, np.random.default_rng(1))
    other = degrade(phantom.label_HW, phantom.image_HW, 2, np.random.default_rng(2))
    assert np.array_equal(again, labels[2])
    assert not np.array_equal(other, labels[2])
    with pytest.raises(ValueError, match="step 5"):
        degrade(phantom.label_HW, phantom.image_HW, 5, np.random.default_rng(0))


def test_a_micrograph_without_particles_stays_empty() -> None:
    empty = np.zeros((32, 32), np.int32)
    assert not degrade(empty, np.full((32, 32), 0.5, np.float32), 4, np.random.default_rng(0)).any()
