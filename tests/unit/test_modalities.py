"""Normalisation: any intensities to [0, 1], whatever single pixels do."""

from __future__ import annotations

import numpy as np
import pytest

import emgen_modalities.plugin
from emgen_modalities.normalise import normalise

MODALITIES = {m.name: m for m in emgen_modalities.plugin.emgen_modalities()}


@pytest.fixture
def image() -> np.ndarray:
    ys, xs = np.mgrid[:200, :200]
    noise = np.random.default_rng(0).normal(0, 8, (200, 200))
    return 300 + 200 * np.exp(-((ys - 90) ** 2 + (xs - 120) ** 2) / 800) + noise


def test_particles_are_bright_in_haadf_and_dark_in_bright_field() -> None:
    assert MODALITIES["haadf-stem"].polarity == "bright"
    assert MODALITIES["bf-tem"].polarity == "dark"


def test_the_bright_field_defaults_invert_for_a_segmenter_that_knows_bright_particles() -> None:
    assert MODALITIES["bf-tem"].defaults["rough_segmenter"] == {"uses": "npssegnet", "polarity_flip": True}
    assert MODALITIES["haadf-stem"].defaults["rough_segmenter"] == "npssegnet"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", ">u2"])
def test_every_type_of_intensity_becomes_float32_in_0_to_1(image: np.ndarray, dtype: str) -> None:
    given = (image / 4).astype(dtype)
    before = given.copy()
    result = normalise(given)
    assert result.dtype == np.float32
    assert result.dtype.isnative
    assert (result.min(), result.max()) == (0, 1)
    assert np.array_equal(given, before)


def test_scale_and_offset_of_the_detector_do_not_matter(image: np.ndarray) -> None:
    assert np.allclose(normalise(image), normalise(image * 1e-12 - 5e-10), atol=1e-4)


def test_intensity_order_is_kept(image: np.ndarray) -> None:
    assert np.corrcoef(normalise(image).ravel(), image.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("spike", [1e7, -1e7])
def test_hot_and_dead_pixels_change_nothing_and_vanish(image: np.ndarray, spike: float) -> None:
    clean, spoilt = normalise(image), image.copy()
    spoilt[::37, 5::41] = spike
    result = normalise(spoilt)
    assert np.abs(result - clean).max() < 0.25
    assert np.abs(result - clean).mean() < 0.005


def test_a_small_bright_particle_is_no_hot_pixel() -> None:
    image = np.random.default_rng(0).normal(100, 5, (300, 300))
    image[100:104, 100:104] = 400
    assert (normalise(image)[100:104, 100:104] == 1).all()


def test_a_few_bright_pixels_on_nothing_still_show() -> None:
    image = np.zeros((100, 100))
    image[50, 50:52] = 3
    assert normalise(image).max() == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (2, 2)])
def test_tiny_images_pass(shape: tuple[int, int]) -> None:
    assert normalise(np.arange(shape[0] * shape[1]).reshape(shape)).shape == shape
