"""What the morphology GAN is shown: everything but a trace of the particles."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.particles.geometry import dome
from emgen.particles.paint import paint_out
from emgen_pix2pix.conditions import ContrastLaw, NoiseLaw, contrasts, particle_channels, scene, scene_levels


def disc(centre, radius, shape=(96, 96)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


@pytest.fixture
def micrograph():
    """A gradient with noise and three particles of different brightness; the labels are exact."""
    rng = np.random.default_rng(0)
    label = np.zeros((96, 96), np.int32)
    for number, (centre, radius) in enumerate([((20, 20), 7), ((60, 30), 9), ((40, 75), 5)], start=1):
        label[disc(centre, radius)] = number
    plain = np.linspace(0.2, 0.5, 96)[None] + np.zeros((96, 1)) + rng.normal(0, 0.02, (96, 96))
    added = np.array([0.0, 0.3, 0.2, 0.1])[label]
    return (plain + added).astype(np.float32), label, plain


def test_the_background_holds_no_trace_of_the_particles(micrograph):
    image, label, plain = micrograph
    background = scene(image, label, sigma=3.0, margin=2.0).background_HW
    inside = label > 0
    assert np.abs((background - plain)[inside]).mean() < 0.03
    correlation = np.corrcoef((background - plain).ravel(), inside.ravel())[0, 1]
    assert abs(correlation) < 0.15


def test_the_noise_holds_no_trace_of_the_particles(micrograph):
    image, label, _ = micrograph
    noise = scene(image, label, sigma=3.0, margin=2.0).noise_HW
    inside, outside = noise[label > 0], noise[label == 0]
    assert abs(inside.mean() - outside.mean()) < 0.003
    assert 0.7 < inside.std() / outside.std() < 1.4


def test_a_painted_out_image_is_untouched_outside_the_holes(micrograph):
    image, label, _ = micrograph
    painted = paint_out(image, label > 0)
    np.testing.assert_array_equal(painted[label == 0], image[label == 0])


def test_an_image_that_is_all_particle_stays_as_it_is():
    image = np.full((32, 32), 0.7, np.float32)
    np.testing.assert_array_equal(paint_out(image, np.ones((32, 32), bool)), image)


def test_contrasts_are_measured_above_the_local_background(micrograph):
    image, label, _ = micrograph
    background = scene(image, label, sigma=3.0, margin=2.0).background_HW
    diameter, contrast = contrasts(image, background, label)
    np.testing.assert_allclose(diameter, [14, 18, 10], rtol=0.1)
    np.testing.assert_allclose(contrast, [0.3, 0.2, 0.1], atol=0.03)


def test_each_particle_has_its_own_contrast_and_dome():
    label = np.zeros((40, 40), np.int32)
    label[disc((20, 13), 7, (40, 40))] = 3
    label[disc((20, 27), 6, (40, 40))] = 8
    mask, contrast, height = particle_channels(label, np.array([0.4, -0.2], np.float32))
    assert set(np.unique(contrast[label == 3])) == {np.float32(0.4)}
    assert set(np.unique(contrast[label == 8])) == {np.float32(-0.2)}
    assert contrast[label == 0].max() == mask[label == 0].max() == height[label == 0].max() == 0
    assert height[label == 3].max() == height[label == 8].max() == 1
    assert height[20, 20] < 0.5  # where the two touch, each has an edge


def test_an_empty_mask_gives_empty_channels():
    assert not particle_channels(np.zeros((16, 16), np.int32), np.zeros(0, np.float32)).any()
    assert not dome(np.zeros((16, 16), np.int32), 0).any()


def test_contrast_is_drawn_from_particles_of_like_size():
    rng = np.random.default_rng(0)
    diameter = np.concatenate([np.full(60, 8.0), np.full(60, 30.0)]).astype(np.float32)
    law = ContrastLaw(diameter, np.where(diameter < 20, 0.1, 0.5).astype(np.float32))
    drawn = law.draw(np.array([8.0] * 50 + [30.0] * 50, np.float32), 0.8, rng)
    assert drawn[:50].max() < 0.2
    assert drawn[50:].min() > 0.3


def test_rough_particles_without_contrast_leave_the_law():
    contrast = np.concatenate([np.full(80, 0.3), np.zeros(20)]).astype(np.float32)
    law = ContrastLaw.fit(np.full(100, 10.0, np.float32), contrast)
    assert law.contrast.min() > 0.2


def two_materials() -> ContrastLaw:
    """Faint particles of one micrograph, and strong ones of another."""
    contrast = np.concatenate([np.linspace(0.04, 0.06, 60), np.linspace(0.4, 0.6, 60)]).astype(np.float32)
    diameter = np.random.default_rng(1).uniform(9, 11, 120).astype(np.float32)
    return ContrastLaw.fit(diameter, contrast, np.repeat([0.05, 0.5], 60).astype(np.float32))


def test_the_faint_particles_of_a_micrograph_stay_in_the_law():
    assert np.sum(two_materials().contrast < 0.1) == pytest.approx(48, abs=2)


@pytest.mark.parametrize(("level", "low", "high"), [(0.05, 0.03, 0.07), (0.5, 0.3, 0.7)])
def test_contrast_is_drawn_from_scenes_of_like_contrast(level, low, high):
    drawn = two_materials().draw(np.full(200, 10.0, np.float32), 0.8, np.random.default_rng(0), level)
    assert drawn.min() > low
    assert drawn.max() < high


def test_a_scene_without_particles_has_those_of_the_whole_stack():
    drawn = two_materials().draw(np.full(200, 10.0, np.float32), 0.8, np.random.default_rng(0))
    assert (drawn < 0.1).any()
    assert (drawn > 0.3).any()
    levels = scene_levels([np.array([0.1, 0.2, 0.3], np.float32), np.zeros(0, np.float32)])
    assert levels[0] == pytest.approx(0.2)
    assert np.isnan(levels[1])


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_the_noise_of_a_flat_crop_has_a_law_too(level):
    flat = np.full((64, 64), level, np.float32)
    law = NoiseLaw.fit(flat, np.zeros_like(flat), np.ones(flat.shape, bool))
    assert (law.floor, law.slope) == (0.0, 0.0)
    assert (law.ratio(flat + 0.5, flat) == 1).all()


def test_noise_is_stronger_where_it_is_brighter():
    rng = np.random.default_rng(0)
    bright = np.linspace(0.05, 0.8, 128)[None].repeat(128, 0).astype(np.float32)
    noise = (rng.normal(size=bright.shape) * np.sqrt(0.002 * bright)).astype(np.float32)
    law = NoiseLaw.fit(bright + noise, noise, np.ones(bright.shape, bool))
    stronger = law.ratio(np.array([0.8]), np.array([0.2]))
    assert stronger == pytest.approx(2.0, rel=0.2)


def test_painted_out_places_keep_the_texture_of_their_surroundings(micrograph):
    _, label, plain = micrograph
    rng = np.random.default_rng(1)
    image = (plain + rng.normal(0, 0.05, plain.shape)).astype(np.float32)
    one = scene(image, label, sigma=1.0, margin=2.0)
    fine = one.background_HW + one.noise_HW
    fine = fine - fine.mean(axis=0)
    assert 0.7 < fine[label > 0].std() / fine[label == 0].std() < 1.3


@pytest.mark.parametrize("drawing", [True, False])
def test_an_untrained_generator_shows_particles_only_where_it_draws_them(micrograph, drawing):
    import torch

    from emgen_pix2pix.gan import Generator

    image, label, _ = micrograph
    one = scene(image, label, sigma=1.0, margin=2.0)
    particle = particle_channels(label, np.full(3, 0.3, np.float32))
    x = np.concatenate([particle, one.channels(particle[1]), np.zeros((1, *label.shape), np.float32)])
    generator = Generator("tu-mobilenetv3_small_100", (16, 8), drawing=drawing).eval()
    with torch.inference_mode():
        shown = generator(torch.from_numpy(x.astype(np.float32))[None])[0, 0].numpy()
    added = (shown - one.background_HW)[label > 0].mean()
    assert added == pytest.approx(0.3 if drawing else 0.0, abs=0.08)
