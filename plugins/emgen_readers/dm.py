"""DM3 and DM4 files of DigitalMicrograph: tags by ncempy, pixels mapped from where they say the data lie."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emgen.data.frames import Frames, memory_mapped, one_shape, series_length
from emgen.data.units import PixelSize, in_seconds, pixel_size, refuse_no_lengths
from emgen.errors import BadImageError, UnreadableFileError
from emgen_readers.ncempy_io import ncempy_io

DTYPES = {1: "<i2", 2: "<f4", 3: "<c8", 6: "u1", 7: "<i4", 9: "i1", 10: "<u2", 11: "<u4", 12: "<f8", 13: "<c16"}
RGB = (8, 23)
"""Data types with a byte a colour; the thumbnail of every file is one."""
AXES = ("x", "y", "z", "t")
HEAD = 24
"""Bytes that every file has before its tags."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a file. ``lengths``, ``scales`` and ``units`` of the axes x, y, ...; ``tags`` below its own."""

    number: int
    tags: Mapping[str, Any]
    lengths: tuple[int, ...]
    scales: tuple[float, ...]
    units: tuple[str, ...]

    @property
    def kind(self) -> int:
        return int(self.tags["ImageData.DataType"])


class DmReader:
    """Opens .dm3 and .dm4: images, and series of images along time or anything else."""

    def open(self, path: Path) -> Frames:
        """Reads the tags.

        Raises ``UnreadableFileError`` where the file ends early, and ``BadImageError`` for a spectrum, a diffraction
        pattern, colour, and 4-D data.
        """
        images = _shown(_images(_tags(path)), path)
        counts = [_check(image, path) for image in images]
        one_shape([_shape_HW(image) for image in images], path, "images")
        reads = [_reader(image, path) for image in images]
        places = [(which, i) for which, count in enumerate(counts) for i in range(count)]
        sizes = [_pixel_size(image, path) for image in images]
        return Frames(
            path,
            len(places),
            lambda index: reads[places[index][0]](places[index][1]),
            size=lambda index: sizes[places[index][0]],
            facts=_facts(images[0].tags),
            facts_of=_times(images[0]) if len(images) == 1 else (lambda index: _title(images[places[index][0]])),
        )


def _tags(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if len(head) < HEAD or head[:4] not in (b"\0\0\0\3", b"\0\0\0\4"):
        raise UnreadableFileError(f"{path}: not a DM3 or DM4 file, which begins with its version.")
    try:
        with _tag_file(path) as file:
            tags: Mapping[str, Any] = dict(file.allTags)
    except (AssertionError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise UnreadableFileError(
            f"{path}: the tags of the DM file end early or are damaged ({error or type(error).__name__}). "
            "Copy it again, or leave it out."
        ) from error
    return tags


def _tag_file(path: Path) -> Any:
    """ncempy's reader, which maps the file; of a damaged one it cannot let go at once, and would complain of that."""
    base = ncempy_io("dm").fileDM

    class Tags(base):  # type: ignore[misc, valid-type]
        def __del__(self) -> None:
            with contextlib.suppress(AttributeError, BufferError):
                super().__del__()

    return Tags(path)


def _images(tags: Mapping[str, Any]) -> list[Image]:
    found: dict[int, dict[str, Any]] = {}
    for name, value in tags.items():
        parts = name.split(".", 3)
        if len(parts) == 4 and parts[1] == "ImageList" and parts[2].isdigit():
            found.setdefault(int(parts[2]), {})[parts[3]] = value
    return [_image(number, own) for number, own in sorted(found.items()) if "ImageData.Data.arrayOffset" in own]


def _image(number: int, tags: Mapping[str, Any]) -> Image:
    count = next(n for n in range(9) if f"ImageData.Dimensions.{n + 1}" not in tags)
    names = [f"ImageData.Calibrations.Dimension.{n + 1}" for n in range(count)]
    return Image(
        number,
        tags,
        tuple(int(tags[f"ImageData.Dimensions.{n + 1}"]) for n in range(count)),
        tuple(float(tags.get(f"{name}.Scale", 1)) for name in names),
        tuple(str(tags.get(f"{name}.Units", "")) for name in names),
    )


def _shown(images: list[Image], path: Path) -> list[Image]:
    """Without the thumbnail. Raises ``BadImageError`` where nothing is left, or only colour."""
    if not images:
        raise BadImageError(f"{path}: the file holds no image, only tags or text. Leave it out.")
    shown = [image for image in images if image.kind not in RGB]
    if not shown:
        raise BadImageError(f"{path}: the image is in colour. Export the greyscale micrograph it was made of.")
    return shown


def _check(image: Image, path: Path) -> int:
    """How many micrographs an image holds."""
    field = f"ImageList.{image.number}.ImageData.Dimensions"
    refuse_no_lengths(list(zip(AXES, image.units, strict=False)), (0, 1), path)
    if len(image.lengths) < 2 or min(image.lengths[:2]) < 2:
        told = " x ".join(map(str, image.lengths))
        raise BadImageError(f"{path}: {field} is {told}: a spectrum or profile, not a micrograph. Leave it out.")
    if image.kind not in DTYPES:
        raise BadImageError(f"{path}: ImageData.DataType is {image.kind}, which is no type of intensities.")
    return series_length(image.lengths[:1:-1], AXES[2 : len(image.lengths)][::-1], path)


def _shape_HW(image: Image) -> tuple[int, int]:
    return image.lengths[1], image.lengths[0]


def _reader(image: Image, path: Path) -> Callable[[int], Any]:
    dtype, offset = np.dtype(DTYPES[image.kind]), int(image.tags["ImageData.Data.arrayOffset"])
    end = offset + int(np.prod(image.lengths, dtype=np.int64)) * dtype.itemsize
    if end > path.stat().st_size:
        raise UnreadableFileError(f"{path}: the file is truncated: its data end {end - path.stat().st_size} bytes on.")
    return memory_mapped(path, dtype, offset, _shape_HW(image))


def _pixel_size(image: Image, path: Path) -> PixelSize:
    field = f"ImageList.{image.number}.ImageData.Calibrations.Dimension"
    return pixel_size(list(zip(image.scales[:2], image.units[:2], strict=True)), path, field)


def _times(image: Image) -> Callable[[int], Mapping[str, Any]]:
    step = in_seconds(image.scales[2], image.units[2]) if len(image.lengths) > 2 else None
    return lambda index: {} if step is None else {"time_s": index * step}


def _title(image: Image) -> dict[str, Any]:
    return {"title": str(image.tags.get("Name", ""))} if image.tags.get("Name") else {}


def _facts(tags: Mapping[str, Any]) -> dict[str, Any]:
    info, bar = "ImageTags.Microscope Info", "ImageTags.DataBar"
    found = {
        "microscope": tags.get(f"{info}.Name") or tags.get(f"{info}.Microscope"),
        "detector": tags.get(f"{bar}.Signal Name") or tags.get(f"{bar}.Device Name"),
        "acquired": " ".join(
            str(tags[f"{bar}.{k}"]) for k in ("Acquisition Date", "Acquisition Time") if f"{bar}.{k}" in tags
        ),
        "mode": tags.get(f"{info}.Illumination Mode") or tags.get(f"{info}.Operation Mode"),
    }
    facts: dict[str, Any] = {name: str(value) for name, value in found.items() if value not in (None, "")}
    for name, key, factor in (("voltage_kv", "Voltage", 1e-3), ("magnification", "Indicated Magnification", 1.0)):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            facts |= {name: value} if (value := float(tags[f"{info}.{key}"]) * factor) > 0 else {}
    return facts
