"""A micrograph as a file holds it, and as the stages get it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from emgen.stages import FloatArray


@dataclass(frozen=True, slots=True)
class Micrograph:
    """One greyscale image as its file holds it; what a reader returns.

    Attributes
    ----------
    image_HW: (H, W) in the file's own dtype.
    pixel_size_nm: side of a pixel in nanometres, ``None`` where the file gives none.
    name: unique within a set; names the output files.
    source: the file.
    metadata: whatever else the file says. ``notes`` (a tuple of text) lists what the reader changed; ``time_s`` is when
        a frame of a series was taken, in seconds; ``voltage_kv``, ``microscope``, ``detector``, ``magnification`` and
        ``acquired`` where the file names them; ``image_rows`` where it says that the rows below are a data bar. Of the
        pixel size: ``pixel_size_stated``, as the file has it, and ``pixel_size_unknown`` or ``pixel_size_problem``, why
        there is none (``emgen.data.units.PixelSize.facts``).
    """

    image_HW: NDArray[Any]
    pixel_size_nm: float | None = None
    name: str = ""
    source: Path | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NormalisedMicrograph:
    """One micrograph as the stages get it.

    Attributes
    ----------
    image_HW: (H, W) float32 in [0, 1], by the modality's ``normalise``.
    pixel_size_nm: side of a pixel in nanometres, ``None`` where nobody gave one.
    sha256: of the file's bytes and the frame's index; the same picture in two files has two of them.
    native_dtype: of the file, e.g. ``uint16``.
    notes: what was changed on the way in, one sentence each.
    metadata: of the ``Micrograph``.
    """

    image_HW: FloatArray
    pixel_size_nm: float | None
    name: str
    source: Path
    sha256: str
    native_dtype: str
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]")


def frame_name(path: Path, index: int, count: int) -> str:
    """Name of a file's ``index``-th micrograph: the stem, numbered where the file holds several.

    It names output files, so no part of it leads to another folder, whatever the file is called. What is written inside
    a file (titles, group names) gets into no name.

    >>> frame_name(Path("a/series.tif"), 3, 20)
    'series_0003'
    >>> frame_name(Path("a/single.tif"), 0, 1)
    'single'
    >>> frame_name(Path("a/..\\\\..\\\\b.tif"), 0, 1)
    '.._.._b'
    """
    stem = _UNSAFE.sub("_", path.stem)
    stem = stem if stem.strip(". ") else f"_{stem}"
    return stem if count == 1 else f"{stem}_{index:04d}"
