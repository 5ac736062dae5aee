"""SER series of TIA (FEI), by ncempy; one element of a series is one micrograph."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from xml.etree.ElementTree import ParseError

import numpy as np
from numpy.typing import NDArray

from emgen.data.frames import Frames, one_shape
from emgen.data.units import PixelSize, pixel_size
from emgen.errors import BadImageError, UnreadableFileError
from emgen_readers.ncempy_io import ncempy_io

SPECTRA = 0x4120
ELEMENT_HEAD = 50
"""Bytes of an element before its pixels: two calibrations, the type, the shape."""
LARGEST_M, SMALLEST_RECIPROCAL = 1e-3, 1e3
"""The file has a number without unit: metres of an image (far below 1), 1/m of a diffraction pattern (far above)."""


class SerReader:
    """Opens .ser; voltage and the like come from the .emi file beside it, if it is there."""

    def open(self, path: Path) -> Frames:
        """Reads the header and the first element.

        Raises ``UnreadableFileError`` where the file ends early, and ``BadImageError`` for spectra and diffraction
        patterns.
        """
        with path.open("rb") as opened:
            file = _series(opened)
            if int(file.head["DataTypeID"]) == SPECTRA:
                raise BadImageError(f"{path}: DataTypeID says spectra, not images. Leave it out, or export the image.")
            count = int(file.head["ValidNumberElements"])
            if not count:
                raise UnreadableFileError(f"{path}: the series has no element that was recorded. Leave it out.")
            offsets = [int(offset) for offset in file.head["DataOffsetArray"]]
            one_shape(_shapes(opened, offsets), path, "elements")
            first, meta = file.getDataset(0)
            if max(offsets) + ELEMENT_HEAD + first.nbytes > path.stat().st_size:
                raise UnreadableFileError(f"{path}: the file is truncated: {count} elements are announced.")
            start_s, facts = int(file._getTag(0)["Time"]), _facts(file)

        def time_of(index: int) -> Mapping[str, Any]:
            with path.open("rb") as opened:
                seconds = int(_series(opened)._getTag(index)["Time"]) - start_s
            return {"time_s": float(seconds)} if count > 1 and start_s and seconds >= 0 else {}

        return Frames(
            path,
            count,
            lambda index: _element(path, index),
            size=_pixel_size(meta, path),
            facts=facts,
            facts_of=time_of,
        )


def _shapes(opened: BinaryIO, offsets: Sequence[int]) -> list[tuple[int, ...]]:
    """(H, W) of every element; they stand at the end of its head."""
    shapes = []
    for offset in offsets:
        opened.seek(offset + ELEMENT_HEAD - 8)
        shapes.append(struct.unpack("<2i", opened.read(8))[::-1])
    return shapes


def _element(path: Path, index: int) -> NDArray[Any]:
    with path.open("rb") as opened:
        picture, _ = _series(opened).getDataset(index)
        return np.ascontiguousarray(picture, picture.dtype.newbyteorder("="))


def _series(opened: Any) -> Any:
    """ncempy's reader, for 8-bit files too (it spells their type ' <u1'), and whatever the .emi file looks like."""
    base = ncempy_io("ser").fileSER

    class Series(base):  # type: ignore[misc, valid-type]
        _dictDataType: ClassVar[dict[int, str]] = {**base._dictDataType, 1: "u1"}

        def _read_emi(self) -> None:
            try:
                super()._read_emi()
            except (AttributeError, OSError, ParseError, TypeError, ValueError):
                self._emi = None

    return Series(opened)


def _pixel_size(meta: Mapping[str, Any], path: Path) -> PixelSize:
    deltas = [float(axis["CalibrationDelta"]) for axis in meta["Calibration"]]
    if min(deltas) >= SMALLEST_RECIPROCAL:
        raise BadImageError(
            f"{path}: CalibrationDelta is {deltas[0]:.4g}, which can only be 1/m: the file holds a diffraction "
            "pattern, not a micrograph. Leave it out."
        )
    if min(deltas) > LARGEST_M:
        return PixelSize(None, f"{deltas[0]:.6g}", f"CalibrationDelta is {deltas[0]:.4g}: not calibrated")
    return pixel_size([(delta, "m") for delta in deltas], path, "CalibrationDelta")


def _facts(file: Any) -> dict[str, Any]:
    emi, total = file._emi or {}, int(file.head["TotalNumberElements"])
    valid = int(file.head["ValidNumberElements"])
    found = {
        "microscope": emi.get("Microscope") or emi.get("Manufacturer"),
        "acquired": emi.get("AcquireDate"),
        "detector": emi.get("CameraNamePath") or emi.get("DetectorName"),
    }
    facts: dict[str, Any] = {name: str(value) for name, value in found.items() if value}
    if isinstance(volts := emi.get("AcceleratingVoltage"), int | float) and volts > 0:
        facts["voltage_kv"] = float(volts) / 1000
    return facts | ({"notes": (f"{valid} of {total} elements were recorded",)} if valid < total else {})
