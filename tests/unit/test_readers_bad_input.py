"""Files that are damaged, mislabelled or no micrographs: each a typed error that names file and field."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from microscope_files import (
    dm_image,
    noise,
    write_berkeley,
    write_dm,
    write_mrc,
    write_ngff,
    write_ser,
    write_velox,
    write_zarr,
)
from PIL import Image

import emgen_modalities.plugin
import emgen_readers.plugin
from emgen.data import MicrographSet
from emgen.data.opening import open_file
from emgen.errors import BadImageError, DataError, UnreadableFileError
from emgen.host import Host

SHAPE = (30, 50)


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])


def read(path: Path, host: Host, **settings: Any) -> Any:
    return MicrographSet([path], host, "haadf-stem", **settings)[0]


def write(path: Path) -> None:
    """A good file of the format that its suffix names."""
    image = noise(64, 64, dtype="i2")
    {
        ".tif": lambda: tifffile.imwrite(path, image),
        ".png": lambda: Image.fromarray(image.astype(np.uint8)).save(path),
        ".jpg": lambda: Image.fromarray(image.astype(np.uint8)).save(path),
        ".mrc": lambda: write_mrc(path, image),
        ".dm3": lambda: write_dm(path, dm_image(image)),
        ".dm4": lambda: write_dm(path, dm_image(image)),
        ".ser": lambda: write_ser(path, [image]),
        ".emd": lambda: write_velox(path, image[None]),
        ".zarr": lambda: write_zarr(path, image),
        ".ozx": lambda: write_zarr(path, image),
    }[path.suffix]()


FORMATS = (".tif", ".png", ".jpg", ".mrc", ".dm3", ".dm4", ".ser", ".emd", ".ozx")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.03, 0.3, 0.6, 0.9])
def test_a_file_that_was_cut_off_is_unreadable_by_name(suffix: str, share: float, tmp_path: Path, host: Host) -> None:
    path = tmp_path / f"cut{suffix}"
    write(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UnreadableFileError, match=f"cut{suffix}"):
        read(path, host)


def test_a_zarr_folder_with_a_cut_chunk_or_without_metadata_is_unreadable(tmp_path: Path, host: Host) -> None:
    for spoil in (lambda p: (p / "c/0/0").write_bytes(b"\0" * 9), lambda p: (p / "zarr.json").unlink()):
        write(tmp_path / "a.zarr")
        spoil(tmp_path / "a.zarr")
        with pytest.raises(UnreadableFileError, match=r"a\.zarr"):
            read(tmp_path / "a.zarr", host)
        shutil.rmtree(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("real", "named", "what"),
    [
        (".png", ".tif", "a PNG picture: rename it to end in .bmp or .jpeg or .jpg or .png"),
        (".dm4", ".mrc", "a DM4 file of DigitalMicrograph: rename it to end in .dm3 or .dm4"),
        (".dm3", ".tif", "a DM3 file"),
        (".mrc", ".dm4", "an MRC file"),
        (".tif", ".emd", "a TIFF"),
        (".tif", ".png", "a TIFF"),
        (".emd", ".ser", "an HDF5 file, such as EMD"),
        (".ser", ".dm3", "a SER file of TIA"),
        (".jpg", ".mrc", "a JPEG picture"),
        (".png", ".zarr", "a PNG picture"),
    ],
)
def test_a_mislabelled_file_is_told_what_it_is(real: str, named: str, what: str, tmp_path: Path, host: Host) -> None:
    write(tmp_path / f"good{real}")
    (tmp_path / f"good{real}").rename(tmp_path / f"wrong{named}")
    with pytest.raises(UnreadableFileError, match=f"wrong{named}.*first bytes are those of {what}"):
        read(tmp_path / f"wrong{named}", host)


def test_a_text_file_with_a_microscopes_suffix_is_unreadable(tmp_path: Path, host: Host) -> None:
    for suffix in FORMATS:
        (tmp_path / f"a{suffix}").write_text("<html>404 not found</html>\n" * 60)
        with pytest.raises(UnreadableFileError, match=f"a{suffix}"):
            read(tmp_path / f"a{suffix}", host)


NO_MICROGRAPHS: list[tuple[str, Callable[[Path], Any], str]] = [
    ("a.dm4", lambda p: write_dm(p, dm_image(noise(500, dtype="f4"), [0.5], ["eV"])), "axis x is in eV.*a spectrum"),
    (
        "a.dm4",
        lambda p: write_dm(p, dm_image(noise(1, 500, dtype="f4"))),
        "Dimensions is 500 x 1: a spectrum or profile",
    ),
    (
        "a.dm3",
        lambda p: write_dm(p, dm_image(noise(*SHAPE), [0.1, 0.1], ["1/nm", "1/nm"])),
        "1/nm.*a diffraction pattern",
    ),
    (
        "a.dm3",
        lambda p: write_dm(p, dm_image(noise(*SHAPE), [0.1, 0.1], ["mrad", "mrad"])),
        "mrad.*a diffraction pattern",
    ),
    (
        "a.dm3",
        lambda p: write_dm(p, dm_image(noise(*SHAPE), [0.1, 1], ["nm", "s"])),
        "axis y is in s: .*record over time",
    ),
    ("a.dm4", lambda p: write_dm(p, dm_image(noise(9, *SHAPE), [1, 1, 2], ["nm", "nm", "eV"])), "axis z is in eV"),
    ("a.dm4", lambda p: write_dm(p, dm_image(noise(4, 5, 8, 8))), r"4 axes: 4 \(t\) x 5 \(z\) x height x width"),
    ("a.dm4", lambda p: write_dm(p, dm_image(noise(*SHAPE, dtype="u4"), kind=23), thumbnail=False), "in colour"),
    ("a.dm4", lambda p: write_dm(p, thumbnail=False), "holds no image, only tags"),
    (
        "a.dm4",
        lambda p: write_dm(p, dm_image(noise(9, 9)), dm_image(noise(9, 8))),
        "images differ in size: 9 x 9, 9 x 8",
    ),
    ("a.dm4", lambda p: write_dm(p, dm_image(noise(*SHAPE).astype("c8"))), "no intensities"),
    ("a.ser", lambda p: write_ser(p, [noise(50)], spectra=True), "DataTypeID says spectra"),
    ("a.ser", lambda p: write_ser(p, [noise(*SHAPE)], 4e7), "CalibrationDelta is 4e.07, which can only be 1/m"),
    (
        "a.emd",
        lambda p: write_velox(p, noise(1, *SHAPE), unit="1/m"),
        "PixelSize of Data/Image/.* 1/m, which is no length",
    ),
    ("a.emd", lambda p: write_velox(p, noise(1, 9, 9), noise(1, 9, 8)), "images differ in size"),
    ("a.emd", lambda p: write_berkeley(p, noise(4, 5, 8, 8), (1,) * 4, ("nm", "nm", "1/nm", "1/nm")), "in 1/nm"),
    ("a.emd", lambda p: write_berkeley(p, noise(4, 5, 8, 8), (1,) * 4, ("s", "", "nm", "nm")), "4 axes: 4 .dim1. x 5"),
    ("a.emd", lambda p: write_berkeley(p, noise(40), (1,), ("eV",)), "one axis"),
    ("a.zarr", lambda p: write_ngff(p, noise(4, 5, 8, 8), [(a, None) for a in "tcyx"], [1] * 4), r"4 \(t\) x 5 \(c\)"),
    ("a.zarr", lambda p: write_ngff(p, noise(*SHAPE), [("y", "second"), ("x", "nanometer")], [1, 1]), "y is in second"),
    (
        "a.zarr",
        lambda p: write_ngff(p, noise(*SHAPE), [("y", None), ("x", None)], [1, 1], name="../b"),
        "out of the store",
    ),
    ("a.zarr", lambda p: write_zarr(p, noise(40)), "has 1 axes; a micrograph has two"),
    ("a.tif", lambda p: tifffile.imwrite(p, noise(4, 5, *SHAPE)), r"4 axes: 4 \(\w\) x 5"),
    (
        "a.tif",
        lambda p: tifffile.imwrite(p, noise(*SHAPE), imagej=True, resolution=(2, 2), metadata={"unit": "1/nm"}),
        "1/nm",
    ),
    ("a.mrc", lambda p: write_mrc(p, noise(2, 3, *SHAPE, dtype="i2")), r"2 \(volume\) x 3 \(section\)"),
]


@pytest.mark.parametrize(("name", "make", "says"), NO_MICROGRAPHS)
def test_what_is_no_micrograph_is_refused_by_file_and_field(
    name: str, make: Callable[[Path], Any], says: str, tmp_path: Path, host: Host
) -> None:
    make(tmp_path / name)
    with pytest.raises(BadImageError, match=says) as error:
        read(tmp_path / name, host)
    assert str(tmp_path / name) in str(error.value)


def test_elements_of_a_series_that_differ_in_size_are_refused(tmp_path: Path, host: Host) -> None:
    write_ser(tmp_path / "a_1.ser", [noise(*SHAPE), noise(20, 50)])
    with pytest.raises(BadImageError, match=r"a_1\.ser: its elements differ in size: 30 x 50, 20 x 50"):
        open_file(tmp_path / "a_1.ser", host)


WRONG_SIZES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("a.dm4", lambda p: write_dm(p, dm_image(noise(*SHAPE), [0, 0], ["nm", "nm"])), "Dimension is 0 nm: .*above zero"),
    ("a.dm4", lambda p: write_dm(p, dm_image(noise(*SHAPE), [-1, -1], ["nm", "nm"])), "is -1 nm"),
    (
        "a.dm4",
        lambda p: write_dm(p, dm_image(noise(*SHAPE), [1, 1.1], ["nm", "nm"])),
        "1 nm x 1.1 nm: the sides .* differ",
    ),
    ("a.dm4", lambda p: write_dm(p, dm_image(noise(*SHAPE), [1, 1], ["furlong"] * 2)), "not one that emgen knows"),
    ("a.mrc", lambda p: write_mrc(p, noise(*SHAPE, dtype="i2"), (2.0, 3.0, 1.0)), "the cell.* differ"),
    ("a.mrc", lambda p: write_mrc(p, noise(*SHAPE, dtype="i2"), -2.0), "-2 Å"),
    ("a.ser", lambda p: write_ser(p, [noise(*SHAPE)], 0.0), "CalibrationDelta is 0 m"),
    ("a.emd", lambda p: write_velox(p, noise(1, *SHAPE), side_m=(1e-10, 2e-10)), "BinaryResult.PixelSize"),
    (
        "a.zarr",
        lambda p: write_ngff(p, noise(*SHAPE), [("y", "nanometer"), ("x", "nanometer")], [0, 0]),
        "the scale of axes",
    ),
    (
        "a.tif",
        lambda p: tifffile.imwrite(p, noise(*SHAPE), ome=True, metadata={"PhysicalSizeX": 0.0, "PhysicalSizeY": 0.0}),
        "PhysicalSizeX/Y .OME. is 0",
    ),
    (
        "a.tif",
        lambda p: tifffile.imwrite(p, noise(*SHAPE), imagej=True, resolution=(2, 3), metadata={"unit": "nm"}),
        "ImageJ",
    ),
]


@pytest.mark.parametrize(("name", "make", "says"), WRONG_SIZES)
def test_a_pixel_size_that_cannot_be_right_is_an_error_unless_the_right_one_is_given(
    name: str, make: Callable[[Path], Any], says: str, tmp_path: Path, host: Host
) -> None:
    make(tmp_path / name)
    with pytest.raises(BadImageError, match=says) as error:
        read(tmp_path / name, host)
    assert str(tmp_path / name) in str(error.value)
    assert "--pixel-size" in str(error.value)
    assert read(tmp_path / name, host, pixel_size_nm=0.7).pixel_size_nm == 0.7


def test_sides_that_differ_by_less_than_a_per_cent_are_averaged(tmp_path: Path, host: Host) -> None:
    write_dm(tmp_path / "a.dm4", dm_image(noise(*SHAPE), [1, 1.008], ["nm", "nm"]))
    assert read(tmp_path / "a.dm4", host).pixel_size_nm == pytest.approx(1.004)


def test_a_bad_file_among_good_ones_leaves_the_good_ones_readable(tmp_path: Path, host: Host) -> None:
    write(tmp_path / "good.tif")
    write(tmp_path / "bad.dm4")
    (tmp_path / "bad.dm4").write_bytes(b"\0\0\0\4" + b"\0" * 40)
    with pytest.raises(DataError, match=r"bad\.dm4"):
        open_file(tmp_path / "bad.dm4", host)
    assert read(tmp_path / "good.tif", host).image_HW.shape == (64, 64)
