"""Where the edge of particles is, told from their mean brightness, and outlines moved to it."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.particles.geometry import dome
from emgen.particles.profile import corrected, edge_profile
from emgen.testing.phantoms import phantom_stack


def discs(radius: float, shape=(400, 400), step: int = 40):
    """Instances on a grid, each a disc of that radius."""
    label = np.zeros(shape, np.int32)
    rows, columns = np.indices(shape)
    centres = [(y, x) for y in range(step // 2, shape[0], step) for x in range(step // 2, shape[1], step)]
    for number, (y, x) in enumerate(centres, start=1):
        label[np.hypot(rows - y, columns - x) <= radius] = number
    return label


def spheres(radius: float, flatness: float, noise: float = 0.05):
    """A noisy image of solid bodies on a sloping support."""
    label = discs(radius)
    height = dome(label, int(label.max()))
    body = np.where(label > 0, flatness + (1 - flatness) * np.sqrt(height * (2 - height)), 0)
    slope = np.linspace(0.1, 0.4, label.shape[1])[None]
    rng = np.random.default_rng(0)
    return (slope + 0.3 * body + rng.normal(0, noise, label.shape)).astype(np.float32)


@pytest.mark.parametrize("flatness", [0.1, 0.9])
@pytest.mark.parametrize("outlined", [7.0, 8.0, 9.0])
def test_the_true_edge_is_found_whatever_the_outlines_and_the_profile(flatness, outlined):
    profile = edge_profile([(spheres(8.0, flatness), discs(outlined))])
    assert profile is not None
    assert profile.ratio == pytest.approx(8.0 / outlined, abs=0.05)
    assert profile.particles > 60


def test_a_sphere_is_told_from_a_disc():
    sphere, disc = (edge_profile([(spheres(8.0, flatness), discs(8.0))]) for flatness in (0.0, 1.0))
    assert sphere.flatness < 0.35 < 0.65 < disc.flatness


def test_exact_outlines_of_a_phantom_stack_need_no_correction():
    stack = phantom_stack(8, (256, 256), seed=0, diameter=14.0)
    profile = edge_profile((phantom.image_HW, phantom.label_HW) for phantom in stack)
    assert profile.ratio == pytest.approx(1.0, abs=0.05)


def test_few_particles_say_nothing():
    label = discs(8.0, shape=(120, 120))
    assert edge_profile([(np.zeros(label.shape, np.float32), label)]) is None


@pytest.mark.parametrize("ratio", [0.75, 1.25])
def test_corrected_outlines_have_the_radius_asked_for(ratio):
    before, after = discs(8.0), corrected(discs(8.0), ratio)
    grown = np.sqrt(np.bincount(after.ravel())[1:] / np.bincount(before.ravel())[1:])
    assert grown == pytest.approx(ratio, abs=0.06)


def test_an_outline_that_grows_stops_at_its_neighbour():
    label = np.zeros((40, 40), np.int32)
    label[10:30, 10:20], label[10:30, 20:30] = 1, 2
    after = corrected(label, 1.3)
    assert (after[10:30, 10:20] == 1).all()
    assert (after[10:30, 20:30] == 2).all()
    assert (after > 0).sum() > (label > 0).sum()


def test_a_ratio_of_one_changes_nothing():
    np.testing.assert_array_equal(corrected(discs(8.0), 1.0), discs(8.0))
