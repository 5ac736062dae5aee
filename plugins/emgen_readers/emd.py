"""EMD files: Velox's, by h5py, and Berkeley's, by ncempy. Frames are read from the HDF5 data set when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from emgen.data.frames import Frames, one_shape, series_length
from emgen.data.units import PixelSize, in_seconds, pixel_size, refuse_no_lengths
from emgen.errors import BadImageError, DataError
from emgen_readers.ncempy_io import ncempy_io

VELOX = "Data/Image"

Times = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Series:
    """One data set: where it lies, its axes y, x and that of the frames (``None``: one image), and what is known."""

    name: str
    shape_HW: tuple[int, int]
    count: int
    axes_YX: tuple[int, int]
    size: PixelSize
    facts: Mapping[str, Any] = field(default_factory=dict)
    times: Times = lambda index: {}


class EmdReader:
    """Opens .emd of either kind. Several images (detectors) in one file are as many micrographs."""

    def open(self, path: Path) -> Frames:
        """Reads what the file says of its data sets.

        Raises ``BadImageError`` where none is an image or a series of images; the text says what each is.
        """
        with h5py.File(path, "r") as file:
            found, left_out = _velox(file, path) if VELOX in file else _berkeley(path)
        if not found:
            raise left_out[0] if left_out else BadImageError(f"{path}: the EMD file holds no image. Leave it out.")
        one_shape([one.shape_HW for one in found], path, "images")
        places = [(one, i) for one in found for i in range(one.count)]
        notes = (f"{len(left_out)} other data sets of the file are no images",) if left_out else ()
        several = len(found) > 1

        def facts(index: int) -> dict[str, Any]:
            one, frame = places[index]
            return {**one.facts, **one.times(frame), "notes": notes} | ({"series": one.name} if several else {})

        return Frames(
            path,
            len(places),
            lambda index: _read(path, *places[index]),
            size=lambda index: places[index][0].size,
            facts_of=facts,
        )


def _read(path: Path, series: Series, frame: int) -> NDArray[Any]:
    with h5py.File(path, "r") as file:
        data = file[series.name]
        where: list[Any] = [
            slice(None) if n in series.axes_YX else min(frame, size - 1) for n, size in enumerate(data.shape)
        ]
        picture = np.asarray(data[tuple(where)])
    picture = picture if series.axes_YX[0] < series.axes_YX[1] else picture.T
    return np.ascontiguousarray(picture, picture.dtype.newbyteorder("="))


def _velox(file: h5py.File, path: Path) -> tuple[list[Series], list[DataError]]:
    found: list[Series] = []
    refused: list[DataError] = []
    for name, group in file[VELOX].items():
        try:
            found.append(_velox_image(f"{VELOX}/{name}", group, path))
        except BadImageError as error:
            refused.append(error)
    return found, refused


def _velox_image(name: str, group: Any, path: Path) -> Series:
    data = group.get("Data")
    if data is None or data.ndim != 3 or data.dtype.kind not in "iuf":
        raise BadImageError(f"{path}: {name} is no image (a spectrum or a transform). Leave it out.")
    told = _json(group, 0)
    result = told.get("BinaryResult", {})
    side = result.get("PixelSize", {})
    sides = [(float(side[key]), str(result.get(f"PixelUnit{axis}", ""))) for key, axis in _SIDES if key in side]
    size = pixel_size(sides, path, f"BinaryResult.PixelSize of {name}") if sides else PixelSize()
    height, width, count = data.shape
    step = float(told.get("Scan", {}).get("FrameTime") or 0)
    return Series(
        f"{name}/Data",
        (height, width),
        count,
        (0, 1),
        size,
        _velox_facts(told),
        lambda index: {"time_s": index * step} if step > 0 and count > 1 else {},
    )


_SIDES = (("width", "X"), ("height", "Y"))


def _json(group: Any, frame: int) -> dict[str, Any]:
    """What Velox wrote of a frame: JSON in a column of bytes, filled up with zeros."""
    if "Metadata" not in group:
        return {}
    text = group["Metadata"][:, frame].tobytes().partition(b"\0")[0]
    told: dict[str, Any] = json.loads(text.decode("utf-8", "replace") or "{}")
    return told


def _velox_facts(told: Mapping[str, Any]) -> dict[str, Any]:
    instrument, optics = told.get("Instrument", {}), told.get("Optics", {})
    found = {
        "microscope": instrument.get("InstrumentModel") or instrument.get("InstrumentClass"),
        "detector": told.get("BinaryResult", {}).get("Detector"),
    }
    facts: dict[str, Any] = {name: str(value) for name, value in found.items() if value}
    for name, key, factor in (
        ("voltage_kv", "AccelerationVoltage", 1e-3),
        ("magnification", "NominalMagnification", 1.0),
    ):
        if value := float(optics.get(key) or 0) * factor:
            facts[name] = value
    return facts


def _berkeley(path: Path) -> tuple[list[Series], list[DataError]]:
    emd = ncempy_io("emd")
    found: list[Series] = []
    refused: list[DataError] = []
    try:
        with emd.fileEMD(path) as file:
            facts = _plain(file.getMetadata(0))
            for group in file.list_emds:
                try:
                    found.append(_berkeley_series(group, file.get_emddims(group), facts, path))
                except BadImageError as error:
                    refused.append(error)
    except emd.NoEmdDataSets as error:
        raise BadImageError(f"{path}: the HDF5 file has no EMD data set of Velox or Berkeley. Leave it out.") from error
    return found, refused


def _berkeley_series(group: Any, dims: Any, facts: Mapping[str, Any], path: Path) -> Series:
    data, name = group["data"], f"{group.name}/data"
    labels, units = [str(dim[1]) for dim in dims], [str(dim[2]).strip("[]").replace("_", "") for dim in dims]
    if data.ndim < 2:
        raise BadImageError(f"{path}: {name} has one axis ({labels[0]}): a profile or spectrum, not a micrograph.")
    y, x = _picture_axes(units)
    others = [n for n in range(data.ndim) if n not in (y, x)]
    refuse_no_lengths([(f"{label} of {name}", unit) for label, unit in zip(labels, units, strict=True)], (y, x), path)
    count = series_length([data.shape[n] for n in others], [labels[n] for n in others], path)
    size = pixel_size([(_step(dims[n][0]), units[n]) for n in (x, y)], path, f"dim{x + 1}, dim{y + 1} of {name}")
    long = next((n for n in others if data.shape[n] > 1), None)
    step = in_seconds(_step(dims[long][0]), units[long]) if long is not None else None
    times: Times = lambda index: {"time_s": index * step} if step else {}
    return Series(name, (data.shape[y], data.shape[x]), count, (y, x), size, facts, times)


def _picture_axes(units: list[str]) -> tuple[int, int]:
    """The last two, or the two that alone are lengths where the frames come last."""
    lengths = [n for n, unit in enumerate(units) if in_seconds(1, unit) is None]
    first, second = lengths if len(lengths) == 2 else (len(units) - 2, len(units) - 1)
    return first, second


def _step(values: NDArray[Any]) -> float:
    return abs(float(values[-1]) - float(values[0])) / (len(values) - 1) if len(values) > 1 else float("nan")


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Texts and numbers of those that emgen names alike in every format."""
    names = {"microscope": ("microscope name", "name"), "detector": ("detector",)}
    found = {name: next((str(metadata[k]) for k in keys if k in metadata), "") for name, keys in names.items()}
    return {name: value for name, value in found.items() if value}
