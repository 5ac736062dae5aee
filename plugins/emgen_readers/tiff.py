"""TIFF in its microscopy dialects, by tifffile. Pages are read when they are asked for."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from emgen.data.frames import Frames, memory_mapped, one_shape, series_length
from emgen.errors import UnreadableFileError
from emgen_readers.pixel_size import pixel_size_of
from emgen_readers.tiff_facts import facts_of, times_of

Read = Callable[[int], NDArray[Any]]
WHITE_IS_ZERO = "the file shows 0 as white; values are taken as they are stored"
"""Inverting would be right for a micrograph, and wrong for a mask that ImageJ wrote with an inverting table."""


class TiffReader:
    """Opens .tif and .tiff; every page that is a picture of its own counts as a micrograph."""

    def open(self, path: Path) -> Frames:
        """Reads the headers only.

        Raises ``UnreadableFileError`` where the chain of pages or the data end early, and ``BadImageError`` for pages
        of different size and for 4-D data.
        """
        with tifffile.TiffFile(path) as file:
            _refuse_truncated(file, path)
            series = [one for one in file.series if not one.keyframe.is_reduced]  # else a thumbnail of another page
            one_shape([_picture_shape(one) for one in series], path, "pages")
            reads = [_reader(file, one, path) for one in series]
            counts = [_frame_count(one, path) for one in series]
            ends = np.cumsum(counts)

            def read(index: int) -> NDArray[Any]:
                number = int(np.searchsorted(ends, index, side="right"))
                return reads[number](index - int(ends[number]) + counts[number])

            size, facts = pixel_size_of(file, path), facts_of(file)
            if any(one.keyframe.photometric == tifffile.PHOTOMETRIC.MINISWHITE for one in series):
                facts["notes"] = (WHITE_IS_ZERO,)
            times = times_of(file, series[0].axes) if len(series) == 1 else (lambda index: {})
            return Frames(path, sum(counts), read, size=size, facts=facts, facts_of=times)


def _picture_axes(series: Any) -> int:
    """How many of the last axes make one picture: (Y, X), or with samples (Y, X, S) or (S, Y, X)."""
    return 3 if "S" in series.axes else 2


def _picture_shape(series: Any) -> tuple[int, ...]:
    return tuple(series.shape[len(series.shape) - _picture_axes(series) :])


def _frame_count(series: Any, path: Path) -> int:
    leading = len(series.shape) - _picture_axes(series)
    return series_length(series.shape[:leading], list(series.axes[:leading]), path)


def _reader(file: tifffile.TiffFile, series: Any, path: Path) -> Read:
    """Gives (H, W) or (H, W, S): mapped where the data lie in one piece, else page by page."""
    shape, offset = _picture_shape(series), series.dataoffset
    if offset is not None:
        if offset + series.nbytes > path.stat().st_size:
            raise UnreadableFileError(f"{path}: the TIFF is truncated: its images end behind the end of the file.")
        mapped = memory_mapped(path, series.dtype.newbyteorder(file.byteorder), offset, shape)
        return lambda index: _samples_last(mapped(index), series)
    by_page = len(series.pages) == _frame_count(series, path)

    def read(index: int) -> NDArray[Any]:
        file.filehandle.open()
        try:
            picture = series.asarray(key=index) if by_page else series.asarray().reshape(-1, *shape)[index]
        finally:
            file.filehandle.close()
        return _samples_last(np.asarray(picture).reshape(shape), series)

    return read


def _samples_last(picture: NDArray[Any], series: Any) -> NDArray[Any]:
    return np.moveaxis(picture, 0, -1) if "S" in series.axes and not series.axes.endswith("S") else picture


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
    if following or promised > _pictures(file.series):
        raise UnreadableFileError(
            f"{path}: the TIFF is truncated: it announces more pages than the {len(file.pages)} that are in the file. "
            "Copy it again, or leave it out."
        )


def _pictures(series: Sequence[Any]) -> int:
    return sum(int(np.prod(one.shape[: len(one.shape) - _picture_axes(one)], dtype=int)) for one in series)
