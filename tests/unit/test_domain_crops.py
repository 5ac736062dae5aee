"""What a crop is described by: the numbers mean what their names say, at any size of the micrograph."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from emgen.domain import FEATURES, describe
from emgen.domain.crops import CROP, MOST, draw_crops, native_side
from emgen.domain.features import NAMES
from emgen.domain.grey import noise
from emgen.domain.shape import mean_of
from emgen.model import Segmentation
from emgen.testing.phantoms import phantom_stack


def segmentation(label_HW: np.ndarray, factor: float = 1.0) -> Segmentation:
    return Segmentation(label_HW=label_HW, probability_HW=(label_HW > 0) * np.float32(0.95), factor=factor)


class Bright:
    """What is bright is particle."""

    working_diameter = 14.0

    @property
    def task(self) -> Bright:
        return self

    def predict(self, image_NHW: np.ndarray) -> np.ndarray:
        return (image_NHW > 0.6).astype(np.float32)

    def segment(self, image_HW: np.ndarray) -> Segmentation:
        raise AssertionError("what is described is segmented already")


MODEL = Bright()


def mean_features(image_HW: np.ndarray, label_HW: np.ndarray, factor: float = 1.0) -> dict[str, float]:
    features_CF = describe(image_HW, segmentation(label_HW, factor), MODEL, seed=1)
    return dict(zip(NAMES, mean_of(features_CF).tolist(), strict=True))


@pytest.fixture(scope="module")
def phantom() -> tuple[np.ndarray, np.ndarray]:
    (drawn,) = phantom_stack(1, (256, 256), seed=1, diameter=14)
    return drawn.image_HW, drawn.label_HW


@pytest.mark.parametrize("shape", [(64, 64), (40, 300), (128, 128), (333, 257), (1, 7)])
@pytest.mark.parametrize("factor", [1 / 16, 0.37, 1.0, 2.0])
def test_any_size_at_any_scale_is_described(shape: tuple[int, int], factor: float) -> None:
    rng = np.random.default_rng(0)
    features_CF = describe(rng.random(shape, np.float32), segmentation(np.zeros(shape, np.int32), factor), MODEL, 0)
    assert features_CF.shape[1] == len(FEATURES)
    assert 1 <= len(features_CF) <= MOST
    always = [NAMES.index(name) for name in ("middle_level", "spread", "power_4", "entropy", "number")]
    assert np.isfinite(features_CF[:, always]).all()


def test_a_crop_is_a_crop_at_the_working_scale_and_a_large_frame_has_no_more_of_them() -> None:
    assert [native_side(factor) for factor in (2.0, 1.0, 0.5, 0.25)] == [64, 128, 256, 512]
    label_HW = np.zeros((1500, 1500), np.int32)
    crops = draw_crops(label_HW.astype(np.float32), segmentation(label_HW), seed=0)
    assert crops.image_CHW.shape == crops.label_CHW.shape == crops.probability_CHW.shape == (MOST, CROP, CROP)
    assert draw_crops(np.zeros((150, 150), np.float32), segmentation(label_HW[:150, :150]), 0).own == 1


def test_the_seed_decides_which_crops_are_looked_at() -> None:
    rng = np.random.default_rng(0)
    image_HW, label_HW = rng.random((900, 900), np.float32), np.zeros((900, 900), np.int32)
    first, again, other = (describe(image_HW, segmentation(label_HW), MODEL, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_input_stays_as_it_is(phantom: tuple[np.ndarray, np.ndarray]) -> None:
    image_HW, label_HW = (array.copy() for array in phantom)
    mean_features(image_HW, label_HW, 0.5)
    np.testing.assert_array_equal(image_HW, phantom[0])
    np.testing.assert_array_equal(label_HW, phantom[1])


def test_noise_is_its_standard_deviation_whatever_it_lies_upon() -> None:
    rng = np.random.default_rng(0)
    slope_HW = np.linspace(0, 1, 128)[:, None] * np.ones(128)
    for level in (0.01, 0.1):
        image_HW = (slope_HW + level * rng.standard_normal((128, 128))).astype(np.float32)
        assert np.exp(noise(image_HW)) == pytest.approx(level, rel=0.06)


def test_contrast_has_the_sign_of_the_particles(phantom: tuple[np.ndarray, np.ndarray]) -> None:
    image_HW, label_HW = phantom
    assert mean_features(image_HW, label_HW)["contrast"] > 0.05
    inverted = mean_features(1 - image_HW, label_HW)
    assert inverted["contrast"] == pytest.approx(-mean_features(image_HW, label_HW)["contrast"], rel=1e-3)
    assert inverted["blobs"] < 0 < mean_features(image_HW, label_HW)["blobs"]


def test_where_bright_and_dark_are_exchanged_the_model_sees_more_in_the_negative() -> None:
    y, x = np.mgrid[:256, :256] % 64 - 32
    label_HW = ndimage.label(np.hypot(y, x) < 14)[0].astype(np.int32)
    image_HW = np.where(label_HW > 0, 0.9, 0.5).astype(np.float32)
    covered = float((label_HW > 0).mean())
    nothing_HW = np.zeros_like(label_HW)
    assert mean_features(image_HW, label_HW)["inverted"] == pytest.approx(-np.sqrt(covered), abs=0.05)
    assert mean_features(1 - image_HW, nothing_HW)["inverted"] == pytest.approx(np.sqrt(covered), abs=0.05)


def test_blurred_edges_are_less_sharp_and_noise_makes_them_no_sharper(phantom: tuple[np.ndarray, np.ndarray]) -> None:
    image_HW, label_HW = phantom
    sharp = mean_features(image_HW, label_HW)["sharpness"]
    blurred_HW = ndimage.gaussian_filter(image_HW, 4)
    noisy_HW = blurred_HW + 0.1 * np.random.default_rng(0).standard_normal(image_HW.shape).astype(np.float32)
    assert mean_features(blurred_HW, label_HW)["sharpness"] < 0.7 * sharp
    assert mean_features(noisy_HW, label_HW)["sharpness"] < 0.8 * sharp


def test_particles_are_as_large_as_they_are_at_the_working_scale() -> None:
    y, x = np.mgrid[:256, :256] % 64 - 32
    label_HW, _ = ndimage.label(np.hypot(y, x) < 14)
    image_HW = (label_HW > 0).astype(np.float32)
    assert mean_features(image_HW, label_HW.astype(np.int32))["diameter"] == pytest.approx(np.log(2), abs=0.1)
    assert mean_features(image_HW, label_HW.astype(np.int32), 0.5)["diameter"] == pytest.approx(0, abs=0.1)


def test_a_picture_without_particles_tells_nothing_of_them() -> None:
    empty = describe(np.full((200, 200), 0.5, np.float32), segmentation(np.zeros((200, 200), np.int32)), MODEL, 0)
    about = [NAMES.index(name) for name in ("contrast", "visibility", "sharpness", "diameter", "size_spread", "unsure")]
    assert np.isnan(empty[:, about]).all()
    assert (empty[:, NAMES.index("number")] == 0).all()
