"""Checks of readers."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from emgen.registration import Kind, ReaderPlugin
from emgen.testing.conformance import inputs
from emgen.testing.conformance.base import Conformance
from emgen.testing.conformance.inputs import require, require_equal

STORED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((".jpg", ".jpeg", ".bmp"), ("uint8",)),
    ".png": ("uint8", "uint16"),
    **dict.fromkeys((".mrc", ".mrcs", ".st", ".rec", ".map", ".ali"), ("int8", "int16", "uint16", "float32")),
}
"""Depths of formats that do not hold all of ``ReaderConformance.dtypes``."""
LAZY_SHARE = 0.34
"""Of the bytes of a series, the most that opening it and reading one frame may allocate."""


class ReaderConformance(Conformance):
    """``open``: the micrographs of a file, lossless, one at a time.

    For a format that the kit cannot write (it writes TIFF, PNG, BMP, JPEG, npy, MRC and Zarr) give ``write``, and
    ``write_series`` if the format holds several micrographs.

    Attributes
    ----------
    dtypes: the depths that the format stores and the reader has to keep.
    """

    kind: ClassVar[Kind] = "reader"
    lossy: ClassVar[tuple[str, ...]] = (".jpg", ".jpeg")
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16", "int32", "float32")
    count: ClassVar[int] = 40
    series_HW: ClassVar[tuple[int, int]] = (96, 128)

    def write(self, path: Path, image_HW: NDArray[Any]) -> None:
        """Write an image in the reader's format. Raises ``SkipTest`` for a format that the kit does not know."""
        if path.suffix in (".png", ".bmp", *self.lossy):
            from PIL import Image

            Image.fromarray(image_HW).save(path)
        else:
            _write(path, image_HW)

    def write_series(self, path: Path, image_NHW: NDArray[Any]) -> None:
        """Write several images into one file. Raises ``SkipTest`` where the format holds one, or is not known."""
        _write(path, image_NHW)

    def suffixes(self) -> tuple[str, ...]:
        plugin = self.registered().plugin
        assert isinstance(plugin, ReaderPlugin)
        return plugin.suffixes

    def open(self, path: Path) -> Any:
        return self.registered().create().open(path)

    def picture(self) -> NDArray[np.uint8]:
        picture_HW: NDArray[np.uint8] = (255 * inputs.images(inputs.labels(1, (40, 56)))[0]).astype(np.uint8)
        return picture_HW

    def pictures(self) -> NDArray[np.uint16]:
        """A series: (count, H, W), each frame another one."""
        rng = np.random.default_rng(0)
        return rng.integers(0, 30000, (self.count, *self.series_HW)).astype(np.uint16)

    def test_its_settings_if_any_have_defaults_and_forbid_extras(self) -> None:
        plugin = self.registered().plugin
        assert isinstance(plugin, ReaderPlugin)
        if plugin.config is None:
            return  # it has none
        try:
            plugin.config()
        except ValidationError as error:
            raise AssertionError(f"a reader is also made without a word on its settings: {error}") from error
        unknown: dict[str, Any] = {"a_field_that_no_plugin_has": 1}
        try:
            plugin.config(**unknown)
        except ValidationError:
            return
        raise AssertionError(f'{plugin.config.__name__} must keep extra="forbid": a misspelt setting went unnoticed')

    def test_it_reads_what_was_written(self, tmp_path: Path) -> None:
        for suffix in self.suffixes():
            path = tmp_path / f"some micrograph{suffix}"
            dtype = STORED.get(suffix, self.dtypes)[0]
            picture_HW = (self.picture() // 2).astype(dtype)
            self.write(path, picture_HW)
            before = content(tmp_path)
            found = self.open(path)
            require(len(found) == 1, f"{suffix}: one image was written, {len(found)} were read")
            self._check(found[0], picture_HW, suffix)
            require(content(tmp_path) == before, f"{suffix}: reading changed the file, or left something beside it")

    def _check(self, micrograph: Any, wanted: NDArray[Any], suffix: str) -> None:
        image = np.asarray(micrograph.image_HW)
        require(image.shape == wanted.shape, f"{suffix}: the shape is {image.shape}, it must be {wanted.shape}")
        if suffix not in self.lossy:
            require_equal(image, wanted, f"{suffix}: pixels written and read")
        require("some micrograph" in micrograph.name, f"{suffix}: the name {micrograph.name!r} lacks the file's stem")
        size = micrograph.pixel_size_nm
        good = size is None or (isinstance(size, float) and size > 0)
        require(good, f"{suffix}: pixel_size_nm is {size!r}, it must be a positive float or None")

    def test_the_depth_of_the_file_is_kept(self, tmp_path: Path) -> None:
        for suffix in self.suffixes():
            for dtype in STORED.get(suffix, self.dtypes):
                path = tmp_path / f"{dtype}{suffix}"
                picture_HW = (self.picture() // 2).astype(dtype)
                self.write(path, picture_HW)
                found = np.asarray(self.open(path)[0].image_HW)
                require(
                    (found.dtype.kind, found.dtype.itemsize) == (picture_HW.dtype.kind, picture_HW.dtype.itemsize),
                    f"{suffix}: {dtype} was written, {found.dtype} was read",
                )
                if suffix not in self.lossy:
                    require_equal(found, picture_HW, f"{suffix}: {dtype} written and read")

    def test_a_series_is_read_frame_by_frame(self, tmp_path: Path) -> None:
        pictures_NHW = self.pictures()
        for suffix in self.suffixes():
            path = tmp_path / f"series{suffix}"
            self.write_series(path, pictures_NHW)
            self.open(path)[0]  # what is imported and cached on first use does not count
            tracemalloc.start()
            stack = self.open(path)
            frame = np.asarray(stack[1].image_HW)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            most = int(LAZY_SHARE * pictures_NHW.nbytes)
            require_equal(frame, pictures_NHW[1], f"{suffix}: the second frame written and read")
            require(
                peak <= most,
                f"{suffix}: opening a series of {pictures_NHW.nbytes} bytes and reading a frame took {peak} bytes of "
                f"memory, more than {most}; read frames when they are asked for",
            )

    def test_a_series_is_a_sequence(self, tmp_path: Path) -> None:
        pictures_NHW = self.pictures()[:3]
        for suffix in self.suffixes():
            path = tmp_path / f"series{suffix}"
            self.write_series(path, pictures_NHW)
            stack = self.open(path)
            require(len(stack) == 3, f"{suffix}: 3 images were written, {len(stack)} were read")
            require_equal(stack[-1].image_HW, pictures_NHW[-1], f"{suffix}: stack[-1] and the last image")
            require(len(stack[1:]) == 2, f"{suffix}: stack[1:] has {len(stack[1:])} of 2 micrographs")
            names = {micrograph.name for micrograph in stack}
            require(len(names) == 3, f"{suffix}: the names of 3 micrographs are {sorted(names)}; each needs its own")
            try:
                stack[3]
            except IndexError:
                continue
            raise AssertionError(f"{suffix}: stack[3] of 3 micrographs must raise IndexError")

    def test_a_file_of_something_else_is_refused(self, tmp_path: Path) -> None:
        for suffix in self.suffixes():
            path = tmp_path / f"text{suffix}"
            path.write_text("this is not an image\n" * 20)
            require(not self._reads(path), f"{suffix}: a text file was read as an image; raise an exception")
            path.write_bytes(b"")
            require(not self._reads(path), f"{suffix}: an empty file was read as an image; raise an exception")

    def test_a_truncated_file_is_refused(self, tmp_path: Path) -> None:
        for suffix in self.suffixes():
            path = tmp_path / f"truncated{suffix}"
            self.write(path, self.picture().astype(STORED.get(suffix, self.dtypes)[0]))
            for share in (0.75, 0.5, 0.2):
                cut(path, share)
                require(
                    not self._reads(path), f"{suffix}: {share:.0%} of a file was read as an image; raise an exception"
                )

    def _reads(self, path: Path) -> bool:
        """Whether every micrograph of a file can be read. ``emgen.data`` puts whatever is raised into words."""
        try:
            for micrograph in self.open(path):
                np.asarray(micrograph.image_HW)
        except Exception:
            return False
        return True


def _write(path: Path, image: NDArray[Any]) -> None:
    """One image or a series, in a format that holds both."""
    if path.suffix in (".tif", ".tiff"):
        import tifffile

        tifffile.imwrite(path, image, photometric="minisblack")
    elif path.suffix == ".npy":
        np.save(path, image)
    elif path.suffix == ".zarr":
        import zarr

        zarr.create_array(str(path), data=image, chunks=(1,) * (image.ndim - 2) + image.shape[-2:])
    elif path.suffix in (".mrc", ".mrcs", ".st", ".rec", ".map", ".ali"):
        import mrcfile  # type: ignore[import-untyped]

        mrcfile.write(path, image)
    else:
        raise SkipTest(
            f'the kit cannot write "{path.suffix}", or it holds one image; override write(path, image_HW) and '
            "write_series(path, image_NHW) in the test class"
        )


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def cut(path: Path, share: float) -> None:
    """Keep the first part of a file; in a folder, of every file of more than a few bytes."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    for file in files:
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
