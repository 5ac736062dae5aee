"""The data doctor on sets: duplicates, overlaps, what is mixed, and no alarm where nothing is."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from doctor_phantoms import MODALITIES, POLARITY, checks, examined, found, images, source, stack, with_data_bar
from PIL import Image

from emgen.doctor import examine
from emgen.doctor.exact import equal_orientation, fingerprint
from emgen.doctor.near import Picture, find_overlaps
from emgen.doctor.orient import ORIENTATIONS, oriented, straightened
from emgen.testing.phantoms import phantom_micrographs

LARGE = (512, 512)


def large(modality: str, seed: int = 3) -> Any:
    return np.round(stack(modality, seed, 1, LARGE)[0].image_HW * 255).astype(np.uint8)


@pytest.mark.parametrize("turn", range(ORIENTATIONS))
@pytest.mark.parametrize("modality", MODALITIES)
def test_a_copy_is_found_in_every_orientation(modality: str, turn: int) -> None:
    arrays = images(modality)
    examination = examined([*arrays, np.ascontiguousarray(oriented(arrays[1], turn))])
    duplicate = found(examination, "duplicate")
    assert duplicate.names == ("b", "f")
    assert duplicate.severity == "error"
    (overlap,) = examination.overlaps
    np.testing.assert_array_equal(oriented(np.asarray(oriented(arrays[1], turn)), overlap.orientation), arrays[1])


def test_three_copies_are_told_as_two_of_the_first() -> None:
    one, other, *_ = images("haadf-stem")
    examination = examined([one, other, one[::-1], one.T])
    assert [(copy.first, copy.second) for copy in examination.overlaps] == [(0, 2), (0, 3)]


def test_straightening_undoes_every_orientation() -> None:
    image = np.arange(12).reshape(3, 4)
    for turn in range(ORIENTATIONS):
        np.testing.assert_array_equal(straightened(oriented(image, turn), turn), image)
        assert fingerprint(oriented(image, turn)) == fingerprint(image)
    assert equal_orientation(image, image + 1) is None


def noisy(image: Any) -> Any:
    return np.clip(image + np.random.default_rng(1).normal(0, 20, image.shape), 0, 255).astype(np.uint8)


def as_jpeg(image: Any) -> Any:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=40)
    return np.asarray(Image.open(file))


def halved(image: Any) -> Any:
    return np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC))


def as_16_bit_turned(image: Any) -> Any:
    return (np.rot90(noisy(image), 3).astype(np.uint16) * 200 + 90)[:, ::-1]


@pytest.mark.parametrize("change", [noisy, as_jpeg, halved, as_16_bit_turned])
@pytest.mark.parametrize("modality", MODALITIES)
def test_another_recording_of_a_field_of_view_is_found(modality: str, change: Any) -> None:
    image = large(modality)
    examination = examined([image, *images(modality), change(image)])
    assert found(examination, "near-duplicate").names == ("a", "g")


@pytest.mark.parametrize("modality", MODALITIES)
def test_overlapping_fields_of_view_are_found_with_the_place_that_they_share(modality: str) -> None:
    whole = large(modality)
    first, second = whole[:, :330], np.rot90(noisy(whole[100:, 200:]))
    examination = examined([first, *images(modality), second])
    assert found(examination, "overlap").names == ("a", "g")
    (overlap,) = examination.overlaps
    assert overlap.shared_in_first(first.shape) == pytest.approx((100, 200, 512, 330), abs=4)
    height, width = second.shape
    assert overlap.carried((100, 200, 512, 330)) == pytest.approx((height - 130, 0, height, width), abs=5)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_cut_out_of_another_micrograph_is_found(modality: str) -> None:
    whole = large(modality)
    examination = examined([whole, *images(modality), whole[150:380, 60:330]])
    assert found(examination, "overlap").names == ("a", "g")


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("seed", [5, 6])
def test_micrographs_of_one_kind_or_of_many_are_not_taken_for_the_same_place(modality: str, seed: int) -> None:
    varied = [phantom.image_HW for phantom in phantom_micrographs(10, (256, 320), seed=seed, modality=modality)]
    alike = [phantom.image_HW for phantom in stack(modality, seed, 10, (256, 320))]
    for arrays in (varied, alike):
        pictures = [Picture(index, image.shape, image[:256, :256]) for index, image in enumerate(arrays)]
        assert find_overlaps(pictures)[0] == []


def test_a_data_bar_that_all_share_does_not_make_them_alike() -> None:
    examination = examined([with_data_bar(image) for image in images("haadf-stem")])
    assert checks(examination) == {"data-bar"}


def test_of_a_large_set_it_is_said_that_one_orientation_was_tried() -> None:
    tiny = np.random.default_rng(0).normal(size=(160, 24, 24)).astype(np.float32)
    pictures = [Picture(index, (24, 24), image) for index, image in enumerate(tiny)]
    _, effort = find_overlaps(pictures, should_stop=lambda: True)
    assert (effort.pairs, effort.orientations) == (12720, 1)


@pytest.mark.parametrize(("modality", "other"), [MODALITIES, MODALITIES[::-1]])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_micrographs_of_the_other_polarity_stand_out(modality: str, other: str, seed: int) -> None:
    examination = examined([*images(modality, seed), images(other, seed)[0]])
    mixed = found(examination, "mixed-polarity")
    assert mixed.names == ("f",)
    assert mixed.severity == "warning"


@pytest.mark.parametrize(("modality", "other"), [MODALITIES, MODALITIES[::-1]])
def test_a_stack_against_its_modality_is_told_even_if_all_agree(modality: str, other: str) -> None:
    arrays = images(modality)
    assert len(found(examined(arrays, polarity=POLARITY[other]), "mixed-polarity").names) == len(arrays)
    assert "mixed-polarity" not in checks(examined(arrays))


def test_mixed_pixel_sizes_are_told_and_warned_of_where_they_differ_much() -> None:
    arrays = images("haadf-stem")
    near = examine(
        [source(str(k), image, size) for k, (image, size) in enumerate(zip(arrays, (0.5, 0.5, 0.6), strict=False))]
    )
    far = examine(
        [source(str(k), image, size) for k, (image, size) in enumerate(zip(arrays, (0.5, 0.5, 1.5), strict=False))]
    )
    same = examine(
        [source(str(k), image, size) for k, (image, size) in enumerate(zip(arrays, (0.5, 0.503), strict=False))]
    )
    assert found(near, "mixed-pixel-sizes").severity == "note"
    assert found(far, "mixed-pixel-sizes").severity == "warning"
    assert "up to 3 times" in found(far, "mixed-pixel-sizes").measured
    assert checks(same) == set()


def test_files_without_a_pixel_size_among_others_are_named_and_a_size_given_by_hand_settles_it() -> None:
    arrays = images("haadf-stem")
    sources = [source("a", arrays[0], 0.5), source("b", arrays[1])]
    assert found(examine(sources), "pixel-size-missing").names == ("b",)
    assert checks(examine(sources, pixel_size_nm=0.4)) == set()


def test_another_magnification_is_noted_without_any_metadata() -> None:
    fine = [np.round(p.image_HW * 255).astype(np.uint8) for p in stack("bf-tem", 4, 4)]
    from emgen.testing.phantoms import phantom_stack

    (coarse,) = phantom_stack(1, (512, 512), seed=4, modality="bf-tem", diameter=90.0, support="film", texture=0.0)
    examination = examined([*fine, coarse.image_HW])
    assert found(examination, "mixed-magnification").names == ("e",)


def test_the_same_set_gives_the_same_findings() -> None:
    arrays = [*images("haadf-stem"), with_data_bar(images("haadf-stem")[0])]
    assert examined(arrays).to_dict() == examined(arrays).to_dict()
