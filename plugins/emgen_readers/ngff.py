"""Zarr and OME-Zarr stores (NGFF 0.1 to 0.5, Zarr 2 and 3), folders or zipped, by zarr."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from emgen.data.frames import Frames, series_length
from emgen.data.units import PixelSize, in_seconds, pixel_size, refuse_no_lengths
from emgen.errors import BadImageError, UnreadableFileError

ORDER = ("t", "c", "z", "y", "x")
"""Axes of the versions that name none."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an array: name, unit and step; ``None`` where the store states no step."""

    name: str
    unit: str = ""
    step: float | None = None


class ZarrReader:
    """Opens folders named .zarr, .ome.zarr, and such stores in one zip file (.zarr, .ozx)."""

    def open(self, path: Path) -> Frames:
        """Reads the metadata; an item reads the chunks of its frame.

        Raises ``UnreadableFileError`` for a folder that is no store, ``BadImageError`` for several arrays without NGFF
        metadata, 4-D data, and axes that are no lengths.
        """
        with _store(path) as root:
            name, axes = _image(root, path)
            array = root[name] if name else root
            shape, kind = tuple(array.shape), array.dtype.kind
        if kind not in "biufc":
            raise BadImageError(f"{path}: values of type {array.dtype} are no intensities.")
        if len(shape) < 2 or len(axes) != len(shape):
            raise BadImageError(f"{path}: the array {name or '/'} has {len(shape)} axes; a micrograph has two.")
        y, x = _picture_axes(axes)
        others = [n for n in range(len(shape)) if n not in (y, x)]
        refuse_no_lengths([(axis.name, axis.unit) for axis in axes], (y, x), path)
        count = series_length([shape[n] for n in others], [axes[n].name for n in others], path)

        def read(index: int) -> NDArray[Any]:
            where = tuple(slice(None) if n in (y, x) else min(index, shape[n] - 1) for n in range(len(shape)))
            with _store(path) as root:
                picture = np.asarray((root[name] if name else root)[where])
            return picture if y < x else picture.T

        return Frames(path, count, read, size=_size(axes[x], axes[y], path), facts_of=_times(axes, shape, others))


@contextmanager
def _store(path: Path) -> Any:
    """The root group or array, read only."""
    if path.is_dir():
        yield _opened(str(path), path)
        return
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise UnreadableFileError(f"{path}: neither a Zarr folder nor a zip file of one.")
    store = zarr.storage.ZipStore(path, mode="r")
    try:
        yield _opened(store, path)
    finally:
        store.close()


def _opened(store: Any, path: Path) -> Any:
    try:
        return zarr.open(store, mode="r")
    except FileNotFoundError as error:
        raise UnreadableFileError(
            f"{path}: no Zarr store: zarr.json, .zgroup and .zarray are all missing. Copy it again, or leave it out."
        ) from error


def _image(root: Any, path: Path) -> tuple[str, Sequence[Axis]]:
    """The path in the store of the image at full resolution, and its axes."""
    if isinstance(root, zarr.Array):
        return "", _unnamed(root.ndim)
    scales = _multiscales(root)
    prefix = ""
    if scales is None and "bioformats2raw.layout" in {**root.attrs, **dict(root.attrs.get("ome", {}))}:
        prefix, scales = "0/", _multiscales(root["0"])
    if scales is not None:
        name = prefix + _inside(str(scales["datasets"][0]["path"]), path)
        return name, _axes(scales, root[name].ndim)
    arrays = [name for name, array in root.arrays() if array.ndim >= 2]
    if len(arrays) != 1:
        told = ", ".join(sorted(arrays)) or "none"
        raise BadImageError(
            f"{path}: the store has no NGFF metadata, and not one array but {len(arrays)} ({told}). "
            "Name the array's own folder, renamed to end in .zarr, or write it as OME-Zarr."
        )
    return arrays[0], _unnamed(root[arrays[0]].ndim)


def _multiscales(group: Any) -> Mapping[str, Any] | None:
    attributes = dict(group.attrs)
    found = dict(attributes.get("ome", {})).get("multiscales") or attributes.get("multiscales")
    return found[0] if found else None


def _inside(name: str, path: Path) -> str:
    """A path that stays in the store."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise BadImageError(f'{path}: multiscales.datasets.path is "{name}", which leads out of the store.')
    return name


def _unnamed(count: int) -> list[Axis]:
    names = ORDER[-count:] if count <= len(ORDER) else [f"axis {n}" for n in range(count)]
    return [Axis(name) for name in names]


def _axes(scales: Mapping[str, Any], count: int) -> list[Axis]:
    steps: list[float] | None = None
    for part in (scales, scales["datasets"][0]):
        for change in part.get("coordinateTransformations", ()):
            if change.get("type") == "scale" and len(change.get("scale", ())) == count:
                steps = [float(a) * b for a, b in zip(change["scale"], steps or [1.0] * count, strict=True)]
    named = scales.get("axes") or _unnamed(count)
    described = [_axis(one) for one in named]
    return [Axis(one.name, one.unit, steps[n] if steps else None) for n, one in enumerate(described)]


def _axis(described: Any) -> Axis:
    if isinstance(described, Mapping):
        return Axis(str(described.get("name", "")), str(described.get("unit", "")))
    return described if isinstance(described, Axis) else Axis(str(described))


def _picture_axes(axes: Sequence[Axis]) -> tuple[int, int]:
    names = [axis.name.casefold() for axis in axes]
    return (names.index("y"), names.index("x")) if {"x", "y"} <= set(names) else (len(axes) - 2, len(axes) - 1)


def _size(x: Axis, y: Axis, path: Path) -> PixelSize:
    if x.step is None or y.step is None:
        return PixelSize(why="the store states no scale")
    return pixel_size([(x.step, x.unit), (y.step, y.unit)], path, "the scale of axes x, y")


def _times(axes: Sequence[Axis], shape: tuple[int, ...], others: Sequence[int]) -> Callable[[int], Mapping[str, Any]]:
    long = [axes[n] for n in others if shape[n] > 1]
    step = in_seconds(long[0].step, long[0].unit) if long and long[0].step else None
    return lambda index: {"time_s": index * step} if step else {}
