"""The formats that emgen opens, on small real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from emgen.errors import BadImageError, UnreadableFileError
from emgen_readers.picture import PictureReader
from emgen_readers.tiff import TiffReader


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65535, (5, 30, 50)).astype(np.uint16)


def write_pages(path: Path, frames: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        for frame in frames:
            file.write(frame, metadata=None, compression="zlib")


WRITERS = {
    "shaped": lambda path, x: tifffile.imwrite(path, x),
    "compressed": lambda path, x: tifffile.imwrite(path, x, compression="zlib"),
    "tiled": lambda path, x: tifffile.imwrite(path, x, tile=(16, 16)),
    "pages": write_pages,
    "imagej": lambda path, x: tifffile.imwrite(path, x, imagej=True),
    "imagej in one page": lambda path, x: tifffile.imwrite(path, x, imagej=True, truncate=True),
    "ome": lambda path, x: tifffile.imwrite(path, x, ome=True),
    "bigtiff": lambda path, x: tifffile.imwrite(path, x, bigtiff=True),
    "big-endian": lambda path, x: tifffile.imwrite(path, x, byteorder=">"),
}


@pytest.mark.parametrize("dialect", WRITERS)
def test_every_page_of_a_tiff_is_a_micrograph_in_its_own_depth(dialect: str, tmp_path: Path, frames) -> None:
    path = tmp_path / "a.tif"
    WRITERS[dialect](path, frames)
    stack = TiffReader().open(path)
    assert len(stack) == 5
    assert all(np.array_equal(m.image_HW, frame) for m, frame in zip(stack, frames, strict=True))
    assert stack[2].image_HW.dtype.kind + str(stack[2].image_HW.dtype.itemsize) == "u2"
    assert [m.name for m in stack[1:3]] == ["a_0001", "a_0002"]
    assert stack[-1].name == "a_0004"


def test_a_single_page_keeps_the_files_name(tmp_path: Path, frames) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames[0])
    assert [m.name for m in TiffReader().open(tmp_path / "a.tif")] == ["a"]


def test_thumbnails_are_left_out_and_pages_of_different_size_refused(tmp_path: Path, frames) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(frames[0], metadata=None)
        file.write(frames[1], metadata=None)
        file.write(frames[2, ::4, ::4], subfiletype=1, metadata=None)
    assert [m.image_HW.shape for m in TiffReader().open(tmp_path / "a.tif")] == [(30, 50), (30, 50)]
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(frames[0], metadata=None)
        file.write(frames[1, :20], metadata=None)
    with pytest.raises(BadImageError, match=r"b\.tif: its pages differ in size: 30 x 50, 20 x 50"):
        TiffReader().open(tmp_path / "b.tif")


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_grey_picture_saved_as_rgb_tiff_becomes_grey(planar: str, tmp_path: Path, frames) -> None:
    axis = -1 if planar == "contig" else 0
    rgb = np.stack([frames[0]] * 3, axis)
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb", planarconfig=planar)
    (micrograph,) = TiffReader().open(tmp_path / "a.tif")
    assert np.array_equal(micrograph.image_HW, frames[0])
    assert micrograph.metadata["notes"] == ("equal colour channels reduced to grey",)


FEI = b"[Scan]\r\nPixelWidth=3.2e-10\r\nPixelHeight=3.2e-10\r\n\x00"


@pytest.mark.parametrize(
    ("settings", "nanometres"),
    [
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "nm"}}, 0.25),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.002, "PhysicalSizeXUnit": "µm"}}, 2.0),
        ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "nm"}}, 0.25),
        ({"imagej": True, "resolution": (500, 500), "metadata": {"unit": "micron"}}, 2.0),
        ({"imagej": True, "resolution": (500, 500), "metadata": {"unit": "\\u00B5m"}}, 2.0),
        ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "pixel"}}, None),
        ({"imagej": True, "resolution": (4, 4)}, None),
        ({"resolution": (2e7, 2e7), "resolutionunit": "CENTIMETER"}, 0.5),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (300, 300), "resolutionunit": "CENTIMETER"}, None),
        ({"extratags": [(34682, "s", len(FEI), FEI, True)]}, 0.32),
        ({}, None),
    ],
)
def test_the_pixel_size_is_taken_where_a_length_is_given(settings, nanometres, tmp_path: Path, frames) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames[0], **settings)
    assert TiffReader().open(tmp_path / "a.tif")[0].pixel_size_nm == pytest.approx(nanometres)


@pytest.mark.parametrize("dialect", [name for name in WRITERS if name != "ome"])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.7])
def test_a_tiff_that_was_cut_off_is_never_read_in_part(dialect: str, share: float, tmp_path: Path, frames) -> None:
    WRITERS[dialect](tmp_path / "whole.tif", frames)
    whole = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(Exception, match=r"."):
        list(TiffReader().open(tmp_path / "cut.tif"))


def test_the_error_of_a_cut_off_tiff_says_so(tmp_path: Path, frames) -> None:
    write_pages(tmp_path / "a.tif", frames)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableFileError, match="truncated"):
        TiffReader().open(tmp_path / "a.tif")


MODES = {".png": ["L", "LA", "RGB", "RGBA", "P", "1"], ".jpg": ["L", "RGB", "CMYK"], ".bmp": ["L", "RGB", "1"]}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix in MODES for mode in MODES[suffix]])
def test_grey_pictures_open_in_whatever_mode_they_were_saved(suffix: str, mode: str, tmp_path: Path) -> None:
    grey = Image.fromarray((np.arange(600).reshape(20, 30) % 200).astype(np.uint8))
    source = grey.convert("RGB") if mode == "CMYK" else grey
    source.convert(mode).save(tmp_path / f"a{suffix}")
    (micrograph,) = PictureReader().open(tmp_path / f"a{suffix}")
    assert micrograph.image_HW.shape == (20, 30)
    assert micrograph.pixel_size_nm is None


def test_sixteen_bits_of_a_png_are_kept(tmp_path: Path, frames) -> None:
    Image.fromarray(frames[0]).save(tmp_path / "a.png")
    image = PictureReader().open(tmp_path / "a.png")[0].image_HW
    assert image.dtype == np.uint16
    assert np.array_equal(image, frames[0])


def test_a_coloured_picture_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3)).astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="in colour"):
        PictureReader().open(tmp_path / "a.png")[0]


def test_a_picture_that_was_cut_off_is_not_read(tmp_path: Path, frames) -> None:
    for suffix in (".png", ".jpg"):
        path = tmp_path / f"a{suffix}"
        Image.fromarray(frames[0].astype(np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(OSError, match=r"truncated|broken"):
            PictureReader().open(path)[0]
