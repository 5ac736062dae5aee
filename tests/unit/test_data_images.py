"""Finding micrographs, and what an image must be before anything is computed on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import emgen_modalities.plugin
import emgen_readers.plugin
from emgen.data import MicrographSet, expand_images, set_notes
from emgen.errors import BadImageError, DataError, NoImagesError, OutputError, UnknownPluginError, UnreadableFileError
from emgen.host import Host

SUFFIXES = {".tif", ".png"}


@pytest.fixture
def host() -> Host:
    return Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (40, 60)).astype(np.uint16)


def the_set(host: Host, *paths: Path, **settings: float) -> MicrographSet:
    return MicrographSet(paths, host, "haadf-stem", **settings)


def test_images_are_found_by_file_folder_and_glob_once_each_in_natural_order(tmp_path: Path) -> None:
    for name in ("f10.tif", "f2.tif", "g1.PNG", ".hidden.tif", "notes.txt"):
        (tmp_path / name).touch()
    found = expand_images([".", "f*.tif", "f10.tif"], tmp_path, SUFFIXES)
    assert [path.name for path in found] == ["f2.tif", "f10.tif", "g1.PNG"]


def test_a_double_star_descends_into_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep.tif").touch()
    assert [path.name for path in expand_images(["**/*.tif"], tmp_path, SUFFIXES)] == ["deep.tif"]


def test_a_file_named_with_brackets_is_found_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "scan[1].tif").touch()
    assert [path.name for path in expand_images(["scan[1].tif"], tmp_path, SUFFIXES)] == ["scan[1].tif"]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("missing.tif", "no such file"),
        ("*.tif", "nothing matches"),
        ("empty", "holds no files"),
        ("texts", "found 1 .txt; readers open .png, .tif"),
    ],
)
def test_a_pattern_that_yields_nothing_is_an_error_that_says_why(tmp_path: Path, pattern: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    with pytest.raises(NoImagesError, match=says):
        expand_images([pattern], tmp_path, SUFFIXES)


def test_no_pattern_at_all_is_an_error() -> None:
    with pytest.raises(NoImagesError, match="No images were named"):
        expand_images([], Path(), SUFFIXES)


def test_a_micrograph_comes_normalised_with_its_origin(host: Host, tmp_path: Path, noise: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise)
    micrographs = the_set(host, tmp_path / "a.tif", pixel_size_nm=0.3)
    first = micrographs[0]
    assert first.image_HW.dtype == np.float32
    assert (first.image_HW.min(), first.image_HW.max()) == (0, 1)
    assert (first.name, first.native_dtype, first.pixel_size_nm, first.source) == (
        "a",
        "uint16",
        0.3,
        tmp_path / "a.tif",
    )
    assert micrographs[-1].sha256 == first.sha256


def test_identity_is_content_and_frame_not_the_name(host: Host, tmp_path: Path, noise: np.ndarray) -> None:
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, np.stack([noise, noise]))
    digests = [info.sha256 for info in the_set(host, tmp_path / "a.tif", tmp_path / "b.tif").survey()]
    assert digests[:2] == digests[2:]
    assert digests[0] != digests[1]


def test_a_stack_counts_as_several_micrographs_numbered(host: Host, tmp_path: Path, noise: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "series.tif", np.stack([noise, noise[::-1], noise * 2]), photometric="minisblack")
    micrographs = the_set(host, tmp_path / "series.tif")
    assert micrographs.names == ["series_0000", "series_0001", "series_0002"]
    assert [m.name for m in micrographs[1:]] == ["series_0001", "series_0002"]


def test_mixed_depths_and_sizes_are_accepted_and_noted(host: Host, tmp_path: Path, noise: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise)
    tifffile.imwrite(tmp_path / "b.tif", (noise[:30] // 16).astype(np.uint8))
    Image.fromarray((noise // 16).astype(np.uint8)).convert("RGBA").save(tmp_path / "c.png")
    notes = set_notes(the_set(host, *(tmp_path / name for name in ("a.tif", "b.tif", "c.png"))).survey())
    assert notes[:2] == ["mixed bit depths: uint16, uint8", "mixed sizes: 30x60, 40x60"]
    assert "alpha channel dropped in 1 of 3 micrographs" in notes
    assert "equal colour channels reduced to grey in 1 of 3 micrographs" in notes


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: x * 0 + 7, "every pixel is 7"),
        (lambda x: np.where(x == x.max(), np.nan, x.astype(np.float32)), "NaN or infinite"),
        (lambda x: np.where(x == x.max(), np.inf, x.astype(np.float32)), "NaN or infinite"),
        (lambda x: np.stack([x, x, x[::-1]], -1).astype(np.uint8), "in colour"),
        (lambda x: np.stack([x, x, x[::-1]]), "save a stack as pages"),
        (lambda x: x.astype(np.complex64), "no intensities"),
    ],
)
def test_an_unusable_image_is_refused_by_name_and_cause(
    host: Host, tmp_path: Path, noise: np.ndarray, spoil, says: str
) -> None:
    tifffile.imwrite(tmp_path / "bad.tif", spoil(noise))
    with pytest.raises(BadImageError, match=says) as error:
        the_set(host, tmp_path / "bad.tif")[0]
    assert str(tmp_path / "bad.tif") in str(error.value)


def test_a_survey_names_every_unusable_micrograph_at_once(host: Host, tmp_path: Path, noise: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "good.tif", noise)
    tifffile.imwrite(tmp_path / "flat.tif", noise * 0)
    tifffile.imwrite(tmp_path / "nan.tif", np.full((8, 8), np.nan, np.float32))
    with pytest.raises(DataError, match="2 of 3 micrographs") as error:
        the_set(host, *(tmp_path / n for n in ("good.tif", "flat.tif", "nan.tif"))).survey()
    assert "flat.tif" in str(error.value)
    assert "nan.tif" in str(error.value)


def test_an_unknown_format_lists_what_can_be_opened(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"x")
    with pytest.raises(UnreadableFileError, match=r"no installed reader opens \"\.xyz\".*\.tif"):
        the_set(host, tmp_path / "a.xyz")


def test_an_empty_file_is_unreadable_not_a_crash(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    (tmp_path / "b.png").touch()
    for name in ("a.tif", "b.png"):
        with pytest.raises(UnreadableFileError, match=name):
            the_set(host, tmp_path / name)


def test_two_micrographs_of_one_name_are_refused_before_anything_is_read(
    host: Host, tmp_path: Path, noise: np.ndarray
) -> None:
    Image.fromarray(noise.astype(np.uint8)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", noise)
    with pytest.raises(OutputError, match='named "a"'):
        the_set(host, tmp_path / "a.png", tmp_path / "a.tif")


def test_too_few_micrographs_for_a_purpose(host: Host, tmp_path: Path, noise: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise)
    with pytest.raises(NoImagesError, match=r"split\.subset1 needs at least 3 .* are 1"):
        the_set(host, tmp_path / "a.tif").require(3, "split.subset1")


def test_an_unknown_modality_is_named(host: Host) -> None:
    with pytest.raises(UnknownPluginError, match="haadf-stem"):
        MicrographSet([], host, "haadf")
