"""Normalisation: what charging and a data bar do to a secondary-electron micrograph, particles do not notice."""

from __future__ import annotations

import numpy as np
import pytest
from emgen_sem.normalise import normalise, streaks, written_lines
from powders import powder
from scipy.stats import rankdata

from emgen_modalities.normalise import normalise as plain


def separation(image_HW: np.ndarray, label_HW: np.ndarray) -> float:
    """Chance that a pixel of a particle is brighter than one of the substrate."""
    particle = label_HW.ravel() > 0
    ranks, count = rankdata(image_HW.ravel()), int(particle.sum())
    return float((ranks[particle].sum() - count * (count + 1) / 2) / (count * (particle.size - count)))


def likeness(image_HW: np.ndarray, other_HW: np.ndarray) -> float:
    return float(np.corrcoef(image_HW.ravel(), other_HW.ravel())[0, 1])


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_particles_stand_out_from_the_substrate_whatever_charging_does(seed: int) -> None:
    made = powder(seed)
    assert separation(plain(made.image_HW), made.label_HW) < 0.97
    assert separation(normalise(made.image_HW), made.label_HW) > 0.98


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_a_charged_picture_comes_near_to_the_same_without_charge(seed: int) -> None:
    charged, calm = powder(seed).image_HW, normalise(powder(seed, charging=0).image_HW)
    assert likeness(normalise(charged), calm) > max(0.8, likeness(plain(charged), calm) + 0.1)


def test_a_picture_without_charging_is_left_as_it_is() -> None:
    image_HW = powder(0, charging=0).image_HW
    assert np.corrcoef(normalise(image_HW).ravel(), plain(image_HW).ravel())[0, 1] > 0.99


def test_a_streak_is_found_where_it_is_and_a_flat_top_of_a_particle_is_none() -> None:
    image_HW = np.full((64, 100), 0.3, np.float32)
    image_HW[30:50, 40:46] = 0.8  # a particle narrower than a streak is long
    image_HW[10, 20:90] -= 0.1
    found_HW = streaks(image_HW)
    assert found_HW[10, 50] == pytest.approx(-0.1, abs=0.01)
    assert np.abs(np.delete(found_HW, 10, axis=0)).max() < 0.01


def test_a_data_bar_left_in_the_picture_changes_nothing_above_it() -> None:
    without, bar = powder(2), powder(2, bar=24)
    assert written_lines(bar.image_HW)[-24:].all()
    assert not written_lines(bar.image_HW)[:-24].any()
    difference = normalise(bar.image_HW)[:-24] - normalise(without.image_HW)[:-24]
    assert np.abs(difference).mean() < 0.04


def test_a_picture_that_is_mostly_black_has_no_data_bar() -> None:
    image_HW = np.zeros((80, 80), np.uint8)
    image_HW[30:40, 30:40] = 200
    assert not written_lines(image_HW).any()
    assert normalise(image_HW)[35, 35] == 1


@pytest.mark.parametrize("shape", [(3, 3), (5, 400), (400, 5), (1, 1)])
def test_pictures_too_small_for_lines_are_stretched_all_the_same(shape: tuple[int, int]) -> None:
    image_HW = np.random.default_rng(0).normal(100, 10, shape)
    found_HW = normalise(image_HW)
    assert found_HW.shape == shape
    assert found_HW.dtype == np.float32
    assert 0 <= found_HW.min() <= found_HW.max() <= 1


def test_a_constant_picture_becomes_zero() -> None:
    assert not normalise(np.full((40, 40), 7, np.uint16)).any()
