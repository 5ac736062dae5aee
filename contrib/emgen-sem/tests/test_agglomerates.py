"""The sampler of heaps draws powders like those it has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from emgen_sem.agglomerates import Agglomerates, contact_depths, heap_sizes
from emgen_sem.config import AgglomeratesConfig
from powders import powder
from pydantic import ValidationError
from scipy import ndimage

from emgen.errors import NoParticlesError
from emgen.particles import equivalent_diameters
from emgen.stages import Context

SHAPE = (160, 160)


@pytest.fixture(scope="module")
def measured() -> np.ndarray:
    return np.stack([powder(seed, SHAPE, heaps=2, diameter=20).label_HW for seed in range(6)])


@pytest.fixture(scope="module")
def taught(measured: np.ndarray) -> Agglomerates:
    return fitted(measured)


def with_settings(sampler: Agglomerates, folder: Path, **settings: object) -> Agglomerates:
    """What was fitted once, with other settings."""
    sampler.save(folder)
    other = Agglomerates(AgglomeratesConfig(**settings), Context(seed=1))
    other.load(folder)
    return other


def fitted(label_NHW: np.ndarray, **settings: object) -> Agglomerates:
    sampler = Agglomerates(AgglomeratesConfig(**settings), Context(seed=1))
    sampler.fit(label_NHW)
    return sampler


def drawn(sampler: Agglomerates, n: int = 6, seed: int = 0) -> np.ndarray:
    return sampler.sample(n, SHAPE, np.random.default_rng(seed))


def median_diameter(label_NHW: np.ndarray) -> float:
    return float(np.median(np.concatenate([equivalent_diameters(label_HW) for label_HW in label_NHW])))


def mean_heap(label_NHW: np.ndarray) -> float:
    return float(np.mean(np.concatenate([heap_sizes(label_HW) for label_HW in label_NHW])))


def test_sizes_coverage_and_heaps_are_as_measured(measured: np.ndarray, taught: Agglomerates) -> None:
    made = drawn(taught, n=12)
    assert median_diameter(made) == pytest.approx(median_diameter(measured), rel=0.15)
    assert (made > 0).mean() == pytest.approx((measured > 0).mean(), rel=0.35)
    assert mean_heap(made) == pytest.approx(mean_heap(measured), rel=0.5)


@pytest.mark.parametrize("true", [0.0, 0.42])
def test_the_depth_at_which_particles_lie_over_each_other_is_found(measured: np.ndarray, true: float) -> None:
    masks = drawn(fitted(measured, overlap=true), n=8, seed=5)
    assert fitted(masks).overlap == pytest.approx(true, abs=0.13)


def test_deeper_heaps_cover_less_with_as_many_particles(measured: np.ndarray) -> None:
    flat, deep = (drawn(fitted(measured, overlap=depth)) for depth in (0.0, 0.4))
    assert (deep > 0).sum() / deep.max(axis=(1, 2)).sum() < 0.9 * (flat > 0).sum() / flat.max(axis=(1, 2)).sum()


def test_single_particles_stay_single() -> None:
    label_HW = np.zeros(SHAPE, np.int32)
    for number, (y, x) in enumerate([(30, 30), (90, 40), (150, 100), (60, 150)], start=1):
        ys, xs = np.ogrid[: SHAPE[0], : SHAPE[1]]
        label_HW[(ys - y) ** 2 + (xs - x) ** 2 < 100] = number
    assert mean_heap(drawn(fitted(label_HW[None]))) < 1.3


def test_every_particle_is_one_piece(taught: Agglomerates) -> None:
    made = drawn(taught, n=3)
    for label_HW in made:
        assert set(np.unique(label_HW)) == set(range(label_HW.max() + 1))
        for number in range(1, label_HW.max() + 1):
            assert ndimage.label(label_HW == number)[1] == 1


def test_twice_the_density_draws_about_twice_as_many(taught: Agglomerates, tmp_path: Path) -> None:
    dense = with_settings(taught, tmp_path, density=2.0)
    once, twice = (drawn(sampler, n=8).max(axis=(1, 2)).sum() for sampler in (taught, dense))
    assert 1.6 < twice / once < 2.4


def test_depths_of_contacts_are_those_of_two_discs() -> None:
    ys, xs = np.ogrid[:60, :80]
    label_HW = np.zeros((60, 80), np.int32)
    label_HW[(ys - 30) ** 2 + (xs - 25) ** 2 < 225] = 1
    label_HW[(ys - 30) ** 2 + (xs - 55) ** 2 < 225] = 2
    label_HW[29:31, 39:41] = 1
    assert contact_depths(label_HW) == pytest.approx([0], abs=0.05)
    assert heap_sizes(label_HW).tolist() == [2]


def test_masks_without_a_particle_are_refused_in_words() -> None:
    with pytest.raises(NoParticlesError, match="no particle"):
        fitted(np.zeros((2, *SHAPE), np.int32))


def test_a_particle_that_hardly_shows_is_left_out(taught: Agglomerates, tmp_path: Path) -> None:
    strict = with_settings(taught, tmp_path, least_visible=0.9)
    hidden, seen = (np.concatenate([contact_depths(one) for one in drawn(s)]) for s in (taught, strict))
    assert len(seen) < len(hidden)


def test_what_was_fitted_travels_as_json(taught: Agglomerates, tmp_path: Path) -> None:
    again = with_settings(taught, tmp_path / "state")
    assert np.array_equal(drawn(again), drawn(taught))
    assert {path.suffix for path in (tmp_path / "state").iterdir()} == {".json"}


@pytest.mark.parametrize("wrong", [{"overlap": 0.9}, {"density": 0}, {"compactness": 2}, {"heap": -1}, {"heaps": 3}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        AgglomeratesConfig(**wrong)
