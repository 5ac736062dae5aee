"""Resizing, tiling, and crops at the working scale."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from emgen.data import Window, cut_crops, predict_tiled, resize_image, resize_labels, resize_to
from emgen.data.resize import binned
from emgen.data.tiling import blend_weights, tiles


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def smooth(shape: tuple[int, int]) -> np.ndarray:
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    return (0.5 + 0.4 * np.sin(ys / 17) * np.cos(xs / 23)).astype(np.float32)


def test_a_smooth_image_survives_the_way_to_another_scale_and_back() -> None:
    image = smooth((120, 90))
    small = resize_image(image, 0.5)
    assert small.shape == (60, 45)
    assert np.abs(resize_to(small, image.shape) - image).max() < 0.02


def test_a_reduction_averages_noise_away(rng: np.random.Generator) -> None:
    noise = rng.random((200, 200), dtype=np.float32)
    assert resize_image(noise, 0.25).std() < noise.std() / 2.5


def test_resizing_stays_within_the_range_of_the_input() -> None:
    step = np.zeros((40, 40), np.float32)
    step[:, 20:] = 1
    large = resize_image(step, 3)
    assert large.min() == 0
    assert large.max() == 1


def test_labels_keep_their_values_and_places() -> None:
    label = np.zeros((40, 40), np.int32)
    label[4:12, 20:36] = 9
    small = resize_labels(label, (20, 20))
    assert small.dtype == np.int32
    assert set(np.unique(small)) == {0, 9}
    assert (small[2:6, 10:18] == 9).all()
    assert np.array_equal(resize_labels(small, (40, 40)), label)


@pytest.mark.parametrize("shape", [(100, 150), (64, 64), (20, 31), (1, 70), (129, 64)])
def test_tiling_an_identity_gives_the_image_back_at_any_size(shape: tuple[int, int], rng: np.random.Generator) -> None:
    image = rng.random(shape, dtype=np.float32)
    before, seen = image.copy(), []

    def identity(tiles: np.ndarray) -> np.ndarray:
        seen.append(tiles.shape)
        return tiles

    assert np.allclose(predict_tiled(identity, image, largest=64, overlap=16), image, atol=1e-6)
    assert all(n == 1 and h % 32 == w % 32 == 0 and max(h, w) <= 64 for n, h, w in seen)
    assert np.array_equal(image, before)


def test_tiles_are_blended_without_a_step() -> None:
    """Each tile answers with a constant of its own; the seams must ramp."""
    answers = iter(np.linspace(0, 1, 4))
    result = predict_tiled(
        lambda tiles: np.stack([np.full(tile.shape, next(answers)) for tile in tiles]),
        np.zeros((64, 200), np.float32),
        largest=64,
        overlap=18,
    )
    assert np.abs(np.diff(result, axis=1)).max() < 0.05


def test_an_image_that_fits_is_predicted_in_one_piece_and_others_in_equal_ones() -> None:
    assert tiles(1088, 1088, 64) == [slice(0, 1088)]
    for size in (1089, 2048, 2500, 4096, 5000):
        found = tiles(size, 1088, 64)
        assert found[0].start == 0
        assert found[-1].stop >= size
        assert len({one.stop - one.start for one in found}) == 1
        assert all(before.stop - after.start >= 64 for before, after in pairwise(found))


def test_binning_is_the_mean_of_four_pixels(rng: np.random.Generator) -> None:
    image = rng.random((12, 8), dtype=np.float32)
    assert np.allclose(binned(image), image.reshape(6, 2, 4, 2).mean((1, 3)), atol=1e-6)


def test_the_blend_never_ignores_a_pixel() -> None:
    assert blend_weights(64, 16).min() > 0


def test_crops_come_at_the_working_scale_with_their_own_numbering(rng: np.random.Generator) -> None:
    image = smooth((200, 300))
    label = np.zeros((200, 300), np.int32)
    label[50:60, 50:60], label[150:170, 250:270] = 4, 11
    images, labels = cut_crops(image, label, Window(0, 0, 0, 200, 300), 0.5, 64, 100, rng)
    assert images.dtype == np.float32
    assert images.shape == labels.shape
    assert images.shape[1:] == (64, 64)
    assert len(images) == 3 * 4
    assert {tuple(np.unique(crop)) for crop in labels} <= {(0,), (0, 1), (0, 1, 2)}
    assert labels.max() >= 1


def test_crops_hold_nothing_from_outside_their_window(rng: np.random.Generator) -> None:
    image = np.zeros((120, 120), np.float32)
    image[30:90, 30:90] = 1
    images, labels = cut_crops(image, None, Window(0, 30, 30, 60, 60), 1.4, 64, 10, rng)
    assert (images == 1).all()
    assert (labels == 0).all()


def test_a_window_smaller_than_a_crop_is_continued_by_reflection(rng: np.random.Generator) -> None:
    images, _ = cut_crops(smooth((50, 50)), None, Window(0, 0, 0, 20, 50), 1.0, 64, 10, rng)
    assert images.shape == (1, 64, 64)
    assert np.array_equal(images[0, 18], images[0, 20])


def test_the_number_of_crops_is_bounded_and_their_choice_is_seeded() -> None:
    window = Window(0, 0, 0, 300, 300)
    draws = [cut_crops(smooth((300, 300)), None, window, 1.0, 64, 5, np.random.default_rng(s))[0] for s in (1, 1, 2)]
    assert len(draws[0]) == 5
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
