"""Touching particles are split; single ones, however irregular, stay whole."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage as ndi

from emgen.particles import split_instances


def grid(side: int) -> np.ndarray:
    return np.mgrid[:side, :side] - (side - 1) / 2


def disc(side: int, radius: float, y: float = 0, x: float = 0) -> np.ndarray:
    ys, xs = grid(side)
    return np.hypot(ys - y, xs - x) < radius


def blob(rng: np.random.Generator, radius: float, aspect: float, roughness: float) -> np.ndarray:
    """One star-shaped particle in any direction; ``roughness``: amplitude of its radius' Fourier terms."""
    ys, xs = grid(int(5 * radius) + 9)
    angle = rng.uniform(0, 2 * np.pi)
    u = (xs * np.cos(angle) + ys * np.sin(angle)) / np.sqrt(aspect)
    v = (-xs * np.sin(angle) + ys * np.cos(angle)) * np.sqrt(aspect)
    t = np.arctan2(v, u)
    terms = (roughness / k * (rng.normal() * np.cos(k * t) + rng.normal() * np.sin(k * t)) for k in range(2, 7))
    return np.hypot(u, v) < radius * np.clip(1 + sum(terms), 0.4, 2)


def as_predicted(mask: np.ndarray, rng: np.random.Generator, noise: float = 0.04) -> np.ndarray:
    """What a network makes of a mask: blurred, with a ragged edge."""
    ragged = noise * 4 * ndi.gaussian_filter(rng.normal(size=mask.shape), 1.5)
    return np.clip(ndi.gaussian_filter(mask.astype(float), 0.8) + ragged, 0, 1).astype(np.float32)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("radius", [4, 7, 12, 30])
@pytest.mark.parametrize(("aspect", "roughness"), [(1, 0), (2.5, 0), (4, 0), (1.2, 0.1), (1.6, 0.15)])
def test_a_single_particle_stays_whole(radius, aspect, roughness, rng: np.random.Generator) -> None:
    whole = [split_instances(as_predicted(blob(rng, radius, aspect, roughness), rng)).max() == 1 for _ in range(25)]
    assert np.mean(whole) >= 0.9


@pytest.mark.parametrize("radius", [6, 8, 12, 30])
@pytest.mark.parametrize("distance", [2.0, 1.8])
def test_touching_discs_are_two(radius: float, distance: float, rng: np.random.Generator) -> None:
    side, half = int(6 * radius), distance * radius / 2
    found = []
    for angle in rng.uniform(0, np.pi, 20):
        y, x = half * np.sin(angle), half * np.cos(angle)
        pair = disc(side, radius, y, x) | disc(side, radius, -y, -x)
        found.append(split_instances(as_predicted(pair, rng)).max() == 2)
    assert np.mean(found) >= 0.9


def test_the_cut_runs_through_the_neck(rng: np.random.Generator) -> None:
    left, right = disc(80, 12, 0, -11), disc(80, 12, 0, 11)
    label = split_instances(as_predicted(left | right, rng, noise=0))
    areas = np.bincount(label.ravel())[1:]
    assert len(areas) == 2
    assert abs(areas[0] - areas[1]) < 0.05 * areas.sum()


def test_a_small_particle_at_a_large_one_is_not_lost_in_it(rng: np.random.Generator) -> None:
    label = split_instances(as_predicted(disc(90, 20) | disc(90, 8, 0, 27), rng))
    assert label.max() == 2


def test_touching_ellipses_side_by_side_are_two(rng: np.random.Generator) -> None:
    ys, xs = grid(90)
    one, other = (np.hypot((xs - dx) / 9, ys / 16) < 1 for dx in (-9, 9))
    assert split_instances(as_predicted(one | other, rng)).max() == 2


def test_a_chain_of_discs_is_as_many(rng: np.random.Generator) -> None:
    chain = np.any([disc(160, 10, 0, x) for x in (-57, -38, -19, 0, 19, 38, 57)], axis=0)
    assert split_instances(as_predicted(chain, rng)).max() == 7


def test_a_dip_of_probability_splits_what_the_outline_does_not() -> None:
    ys, xs = grid(60)
    rod = (np.abs(ys) < 9) & (np.abs(xs) < 20)
    probability = rod * (1 - 0.45 * np.exp(-((xs / 2) ** 2)))
    assert split_instances(probability.astype(np.float32)).max() == 2
    assert split_instances(rod.astype(np.float32)).max() == 1


def test_a_pinhole_does_not_split_and_is_filled(rng: np.random.Generator) -> None:
    holed = disc(60, 14).astype(np.float32)
    holed[30:32, 30:32] = 0
    label = split_instances(holed)
    assert label.max() == 1
    assert label[30, 30] == 1


def test_a_ring_of_particles_keeps_its_inside_empty() -> None:
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.any([disc(120, 13, 32 * np.sin(a), 32 * np.cos(a)) for a in angles], axis=0)
    label = split_instances(ring.astype(np.float32))
    assert label.max() == 8
    assert label[60, 60] == 0


def test_a_particle_cut_by_the_edge_stays_whole() -> None:
    half = disc(80, 14)[40:]
    assert split_instances(half.astype(np.float32)).max() == 1


def test_specks_are_dropped_and_numbers_have_no_gaps() -> None:
    probability = disc(60, 8, -12, 0).astype(np.float32) + disc(60, 8, 12, 0)
    probability[2, 2:5] = 1
    label = split_instances(probability, min_area=6)
    assert label.dtype == np.int32
    assert np.unique(label).tolist() == [0, 1, 2]


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_empty_and_full_images_are_no_special_case(level: float) -> None:
    assert split_instances(np.full((40, 50), level, np.float32)).max() == level


def test_the_input_is_left_alone_and_the_result_repeats(rng: np.random.Generator) -> None:
    probability = as_predicted(disc(80, 12, 0, -11) | disc(80, 12, 0, 11), rng)
    before = probability.copy()
    assert np.array_equal(split_instances(probability), split_instances(probability))
    assert np.array_equal(probability, before)


def test_a_large_frame_takes_well_under_a_second_of_work(rng: np.random.Generator) -> None:
    frame = np.zeros((2048, 2048), bool)
    for _ in range(500):
        particle = blob(rng, rng.lognormal(np.log(16), 0.3), 1.3, 0.06)
        y, x = rng.integers(0, 2048 - len(particle), 2)
        frame[y : y + len(particle), x : x + len(particle)] |= particle
    probability = as_predicted(frame, rng)
    split_instances(probability[:256, :256])  # imports
    start = time.process_time()
    assert split_instances(probability).max() > 350
    assert time.process_time() - start < 1.0  # about 0.35 s where nothing else runs
