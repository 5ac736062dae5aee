"""Data bars are cropped where micrographs are read, told in a note, and nothing else is cropped."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from doctor_phantoms import MODALITIES
from microscope_files import noise, with_bar, write_fei
from PIL import Image

import emgen_modalities.plugin
import emgen_readers.plugin
from emgen.data import MicrographSet
from emgen.data.bars import find_bar
from emgen.data.cropping import SWITCH
from emgen.data.labelled import Pair, read_pair
from emgen.data.opening import open_file, read_frame
from emgen.data.stack import file_sha256
from emgen.errors import SpecError
from emgen.host import Host
from emgen.testing.phantoms import phantom_micrographs

ROWS = 44
LOOKS = [(0, 255, 0), (0, 255, 1), (0, 255, 2), (255, 0, 1), (40, 240, 1), (200, 0, 2)]
"""Ground, ink, thickness of the line above."""


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    made = [p for m in MODALITIES for p in phantom_micrographs(3, (400, 600), modality=m, seed=8)]
    return [np.round(phantom.image_HW * 255).astype(np.uint8) for phantom in made]


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize(("ground", "ink", "rule"), LOOKS)
@pytest.mark.parametrize("way", ["as it is", "16 bit", "JPEG 95", "JPEG 75"])
def test_a_bar_is_found_to_the_row_in_whatever_colours(ground, ink, rule, way: str, pictures) -> None:
    found = []
    for picture in pictures:
        image = with_bar(picture, ROWS, ground, ink, rule)
        image = image.astype(np.uint16) * 200 if way == "16 bit" else image
        image = through_jpeg(image, int(way[-2:])) if "JPEG" in way else image
        found.append(find_bar(image))
    slack = 2 if "JPEG" in way else 0
    assert all(rows == 0 or abs(rows - ROWS) <= slack for rows in found), found
    assert (
        sum(rows > 0 for rows in found) >= len(found) - 1
    )  # where most of the image is black, a black bar is not sure


@pytest.mark.parametrize("modality", MODALITIES)
def test_nothing_is_cropped_off_phantoms_as_they_are_clipped_or_with_vacuum_below_a_straight_edge(modality) -> None:
    for phantom in phantom_micrographs(40, (256, 320), modality=modality, seed=3):
        image, label = np.round(phantom.image_HW * 255).astype(np.uint8), phantom.label_HW
        clipped = (np.clip((phantom.image_HW - 0.3) / 0.4, 0, 1) * 255).astype(np.uint8)
        vacuum = image.copy()
        vacuum[-50:][label[-50:] == 0] = 0
        border = image.copy()
        border[-30:] = 0
        assert [find_bar(x) for x in (image, phantom.image_HW, clipped, vacuum, border)] == [0] * 5


def test_every_command_gets_the_micrograph_without_its_bar_and_a_note(pictures, tmp_path: Path, host: Host) -> None:
    path = tmp_path / "sem.tif"
    tifffile.imwrite(path, with_bar(pictures[1], ROWS))
    raw = read_frame(open_file(path, host), 0, path)
    normalised = MicrographSet([path], host, "haadf-stem")[0]
    assert np.array_equal(raw.image_HW, pictures[1])
    assert normalised.image_HW.shape == pictures[1].shape
    (note,) = normalised.notes
    assert note == (
        "data bar cropped: 44 rows at the bottom, found by its text on a drawn ground; results have the cropped size"
    )


def test_what_the_file_says_of_its_rows_goes_before_what_is_seen(tmp_path: Path, host: Host) -> None:
    image = noise(244, 100, dtype="u1")  # nothing to be seen
    write_fei(tmp_path / "a.tif", image, rows=200)
    cropped = read_frame(open_file(tmp_path / "a.tif", host), 0, tmp_path / "a.tif")
    assert np.array_equal(cropped.image_HW, image[:200])
    assert "44 rows at the bottom, as the file says" in cropped.metadata["notes"][0]


def test_a_file_that_says_it_is_all_micrograph_is_left_whole(pictures, tmp_path: Path, host: Host) -> None:
    image = with_bar(pictures[1], ROWS)
    write_fei(tmp_path / "a.tif", image, rows=len(image))
    assert read_frame(open_file(tmp_path / "a.tif", host), 0, tmp_path / "a.tif").image_HW.shape == image.shape


def test_the_switch_keeps_bars_and_makes_it_another_input_for_stored_results(
    pictures, tmp_path: Path, host: Host, monkeypatch: Any
) -> None:
    path = tmp_path / "sem.tif"
    tifffile.imwrite(path, with_bar(pictures[1], ROWS))
    before = file_sha256(path)
    monkeypatch.setenv(SWITCH, "keep")
    assert len(read_frame(open_file(path, host), 0, path).image_HW) == len(pictures[1]) + ROWS
    assert file_sha256(path) != before
    monkeypatch.setenv(SWITCH, "maybe")
    with pytest.raises(SpecError, match=r'EMGEN_DATA_BARS is "maybe"'):
        read_frame(open_file(path, host), 0, path)


@pytest.mark.parametrize("rows", [400, 400 + ROWS])
def test_a_mask_pairs_with_its_micrograph_whether_it_covers_the_bar_or_not(rows, pictures, tmp_path, host) -> None:
    image, mask = tmp_path / "sem.tif", tmp_path / "sem_mask.png"
    tifffile.imwrite(image, with_bar(pictures[1], ROWS))
    drawn = np.zeros((rows, 600), np.uint8)
    drawn[100:120, 50:70] = 255
    Image.fromarray(drawn).save(mask)
    image_HW, label_HW = read_pair(Pair(image, mask), host, "haadf-stem")
    assert image_HW.shape == label_HW.shape == (400, 600)
    assert label_HW[110, 60] == 1
