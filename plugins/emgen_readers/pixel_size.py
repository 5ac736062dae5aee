"""The pixel size that a TIFF states, in nanometres."""

from __future__ import annotations

import re
from typing import Any

NM_PER_UNIT = {
    "m": 1e9,
    "meter": 1e9,
    "cm": 1e7,
    "centimeter": 1e7,
    "mm": 1e6,
    "micron": 1e3,
    "micrometer": 1e3,
    "µm": 1e3,
    "μm": 1e3,  # U+03BC, where the line above has U+00B5
    "um": 1e3,
    "nm": 1.0,
    "nanometer": 1.0,
    "å": 0.1,
    "angstrom": 0.1,
    "pm": 1e-3,
}
INCH_NM, CENTIMETRE_NM = 25.4e6, 1e7
LARGEST_NM = 1000.0
"""A resolution tag that gives larger pixels is meant for a printer (72 dpi: 353 µm), not measured."""


def pixel_size_nm(file: Any) -> float | None:
    """Of an open ``tifffile.TiffFile``: OME, ImageJ, FEI metadata, then the resolution tags."""
    for source in (_ome, _imagej, _fei, _resolution_tags):
        size: float | None = source(file)
        if size is not None and 0 < size < float("inf"):
            return size
    return None


def _to_nm(value: float, unit: str) -> float | None:
    text = unit.encode().decode("unicode_escape") if "\\u" in unit else unit  # ImageJ escapes the micro sign
    factor = NM_PER_UNIT.get(text.strip().lower())
    return None if factor is None else value * factor


def _ome(file: Any) -> float | None:
    if not file.is_ome:
        return None
    size = re.search(r'PhysicalSizeX="([^"]+)"', file.ome_metadata)
    unit = re.search(r'PhysicalSizeXUnit="([^"]+)"', file.ome_metadata)
    return _to_nm(float(size[1]), unit[1] if unit else "µm") if size else None


def _imagej(file: Any) -> float | None:
    if not file.is_imagej:
        return None
    per_unit = _x_resolution(file)
    return _to_nm(1 / per_unit, str((file.imagej_metadata or {}).get("unit", ""))) if per_unit else None


def _fei(file: Any) -> float | None:
    """FEI and Thermo Fisher TIFFs carry a text block with the pixel width in metres."""
    if not file.is_fei:
        return None
    blocks = file.fei_metadata or {}
    widths = (block.get("PixelWidth") for block in blocks.values() if isinstance(block, dict))
    return next((float(width) * 1e9 for width in widths if width), None)


def _resolution_tags(file: Any) -> float | None:
    if file.is_imagej:  # its resolution is in its own unit, whatever the tag says
        return None
    per_unit, unit = _x_resolution(file), file.pages[0].tags.get("ResolutionUnit")
    nm_per_unit = {2: INCH_NM, 3: CENTIMETRE_NM}.get(int(unit.value) if unit else 0)
    if not per_unit or nm_per_unit is None:
        return None
    size = nm_per_unit / per_unit
    return size if size <= LARGEST_NM else None


def _x_resolution(file: Any) -> float | None:
    tag = file.pages[0].tags.get("XResolution")
    if tag is None or not tag.value[0] or not tag.value[1]:
        return None
    return float(tag.value[0]) / float(tag.value[1])
