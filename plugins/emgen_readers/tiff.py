"""TIFF in its microscopy dialects, by tifffile. Pages are read when they are asked for."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from emgen.data import Micrograph, frame_name
from emgen.data.checks import to_grey
from emgen.errors import UnreadableFileError
from emgen_readers.pixel_size import pixel_size_nm


class TiffReader:
    """Opens .tif and .tiff; every page that is a picture of its own counts as a micrograph."""

    def open(self, path: Path) -> TiffStack:
        """Reads the headers only. Raises ``UnreadableFileError`` where the chain of pages ends early."""
        with tifffile.TiffFile(path) as file:
            _refuse_truncated(file, path)
            frames = [
                (number, frame)
                for number, series in enumerate(file.series)
                if not series.keyframe.is_reduced  # a thumbnail of another page
                for frame in range(_frame_count(series))
            ]
            return TiffStack(path, frames, pixel_size_nm(file))


class TiffStack(Sequence[Micrograph]):
    """The pictures of one file; ``stack[i]`` reads the i-th."""

    def __init__(self, path: Path, frames: Sequence[tuple[int, int]], pixel_size: float | None) -> None:
        self._path, self._frames, self._pixel_size = path, frames, pixel_size

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number, frame = self._frames[index]
        with tifffile.TiffFile(self._path) as file:
            picture = _read_frame(file.series[number], frame)
        image_HW, notes = to_grey(picture, self._path)
        name = frame_name(self._path, range(len(self))[index], len(self))
        return Micrograph(image_HW, self._pixel_size, name, self._path, {"notes": notes})


def _picture_axes(series: Any) -> int:
    """How many of the last axes make one picture: (Y, X), or with samples (Y, X, S) or (S, Y, X)."""
    return 3 if "S" in series.axes else 2


def _frame_count(series: Any) -> int:
    return int(np.prod(series.shape[: len(series.shape) - _picture_axes(series)], dtype=int))


def _read_frame(series: Any, frame: int) -> NDArray[Any]:
    """(H, W) or (H, W, S). One page where pages are pictures, else (a big ImageJ file has one page) all of them."""
    axes = _picture_axes(series)
    shape = series.shape[len(series.shape) - axes :]
    if len(series.pages) == _frame_count(series):
        picture = series.asarray(key=frame)
    else:
        picture = series.asarray().reshape(-1, *shape)[frame]
    if "S" in series.axes and not series.axes.endswith("S"):
        picture = np.moveaxis(picture.reshape(shape), 0, -1)
    return np.asarray(picture)


def _refuse_truncated(file: tifffile.TiffFile, path: Path) -> None:
    """tifffile silently drops the pages behind a broken link; a page that is linked but not there means a cut file."""
    layout, handle = file.tiff, file.filehandle
    last = file.pages[len(file.pages) - 1].offset
    try:
        handle.seek(last)
        (tags,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
        handle.seek(last + layout.tagnosize + tags * layout.tagsize)
        (following,) = struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))
    except struct.error:
        following = -1
    promised = (file.imagej_metadata or {}).get("images", 1) if file.is_imagej else 1
    if following or promised > sum(_frame_count(series) for series in file.series):
        raise UnreadableFileError(
            f"{path}: the TIFF is truncated: it announces more pages than the {len(file.pages)} that are in the file. "
            "Copy it again, or leave it out."
        )
