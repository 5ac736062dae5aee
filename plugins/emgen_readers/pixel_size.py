"""The pixel size that a TIFF states, in the dialects of microscopes and of ImageJ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emgen.data.units import PixelSize, pixel_size

CENTIMETRE, INCH = 3, 2
LARGEST_NM = 1000.0
"""A resolution tag that gives larger pixels is meant for a printer (72 dpi: 353 µm), not measured."""
GATAN_UNITS, GATAN_SCALES = (65003, 65004), (65009, 65010)
"""Private tags of TIFFs that DigitalMicrograph exports, for x and y."""
FEI_SECTIONS = ("Scan", "EScan", "IScan", "Image")

Sides = Sequence[tuple[float, str]]


def pixel_size_of(file: Any, path: Path) -> PixelSize:
    """Of an open ``tifffile.TiffFile``: OME, ImageJ, FEI, Zeiss, Gatan metadata, then the resolution tags."""
    for field, sides in (
        ("PhysicalSizeX/Y (OME)", _ome(file)),
        ("the resolution (ImageJ)", _imagej(file)),
        ("PixelWidth/Height (FEI)", _fei(file)),
        ("Image Pixel Size (Zeiss)", _zeiss(file)),
        ("the scale (DigitalMicrograph)", _gatan(file)),
    ):
        if sides:
            return pixel_size(sides, path, field)
    return _resolution_tags(file, path)


def _ome(file: Any) -> Sides:
    if not file.is_ome:
        return ()
    sides = []
    for axis in "XY":
        size = re.search(rf'PhysicalSize{axis}="([^"]+)"', file.ome_metadata)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', file.ome_metadata)
        sides += [(float(size[1]), unit[1] if unit else "µm")] if size else []
    return sides


def _imagej(file: Any) -> Sides:
    """Its resolution is in its own unit, whatever the tag says."""
    unit = str((file.imagej_metadata or {}).get("unit", "")) if file.is_imagej else ""
    per_unit = _per_unit(file) if file.is_imagej else ()
    return [(1 / value, unit) for value in per_unit]


def _fei(file: Any) -> Sides:
    """FEI and Thermo Fisher TIFFs carry a text block with the pixel in metres."""
    blocks = (file.fei_metadata or {}) if file.is_fei else {}
    for section in (*FEI_SECTIONS, *blocks):
        block = blocks.get(section)
        if isinstance(block, dict) and "PixelWidth" in block:
            width = block["PixelWidth"]
            return [(float(width), "m"), (float(block.get("PixelHeight", width)), "m")]
    return ()


def _zeiss(file: Any) -> Sides:
    entry = (file.sem_metadata or {}).get("ap_image_pixel_size") if file.is_sem else None
    return [(float(entry[1]), str(entry[2]))] if entry and len(entry) > 2 else ()


def _gatan(file: Any) -> Sides:
    values = [file.pages[0].tags.valueof(code) for code in (*GATAN_SCALES, *GATAN_UNITS)]
    if None in values:
        return ()
    return [(float(scale), str(unit)) for scale, unit in zip(values[:2], values[2:], strict=True)]


def _resolution_tags(file: Any, path: Path) -> PixelSize:
    per_unit, unit = _per_unit(file), file.pages[0].tags.valueof("ResolutionUnit")
    if file.is_imagej or not per_unit or unit not in (INCH, CENTIMETRE):
        return PixelSize()
    size = pixel_size(
        [(1 / value, "inch" if unit == INCH else "cm") for value in per_unit], path, "the resolution (tags)"
    )
    if size.nm is not None and size.nm > LARGEST_NM:
        return PixelSize(None, size.stated, f"its resolution is one for printing ({size.stated})")
    return size


def _per_unit(file: Any) -> tuple[float, ...]:
    """Pixels per unit along x and y; nothing where a tag is missing or 0."""
    tags = [file.pages[0].tags.valueof(name) for name in ("XResolution", "YResolution")]
    found = tuple(value[0] / value[1] for value in tags if value and value[0] and value[1])
    return found if len(found) == 2 else ()
