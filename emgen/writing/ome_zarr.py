"""OME-Zarr: the micrograph as a small pyramid with its calibration, the instances as its label image."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen import __version__
from emgen.errors import OutputError
from emgen.files import result_path
from emgen.writing.writer import Labelled, StackOf

VERSION = "0.5"
"""Of OME-NGFF, which stands on Zarr v3: https://ngff.openmicroscopy.org/0.5/."""
LABELS = "particles"
SMALLEST, MOST_LEVELS = 256, 6
"""Px: an image is halved until its longer side is no larger; levels at most."""
CHUNK = 1024


class OmeZarrWriter:
    """``<name>.ome.zarr``: a group with the image, and ``labels/particles`` with the instances, each as a pyramid.

    Axes y and x are in nanometres, without a unit where the pixel size is unknown. Without an image the instances are
    the group's own picture, marked as labels.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def paths(self, name: str, stack: StackOf | None = None) -> Sequence[Path]:
        return [result_path(self._folder, name, ".ome.zarr")]

    def add(self, labelled: Labelled) -> Sequence[Path]:
        (path,) = self.paths(labelled.name)
        partial = path.with_name(path.name + ".partial")
        try:
            shutil.rmtree(partial, ignore_errors=True)
            _write(partial, labelled)
            if path.exists():
                shutil.rmtree(path)
            os.replace(partial, path)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise OutputError(f"{path}: cannot be written ({error}).") from error
        return [path]

    def finish(self) -> Sequence[Path]:
        return []


def _write(folder: Path, labelled: Labelled) -> None:
    label_levels = _halved(labelled.label_HW, _nearest)
    name, size, about = labelled.name, labelled.pixel_size_nm, {"version": VERSION}
    if labelled.image_HW is None:
        _write_pyramid(folder, label_levels, name, size, {"image-label": about})
        return
    _write_pyramid(folder, _halved(_native(labelled.image_HW), _mean), name, size, {})
    _write_group(folder / "labels", {"labels": [LABELS]})
    inside = {"image-label": {**about, "source": {"image": "../../"}}}
    _write_pyramid(folder / "labels" / LABELS, label_levels, LABELS, size, inside)


def _write_pyramid(
    folder: Path, levels: Sequence[NDArray[Any]], name: str, pixel_size_nm: float | None, also: Mapping[str, Any]
) -> None:
    import zarr

    _write_group(folder, {"multiscales": [_multiscale(name, len(levels), pixel_size_nm)], **also})
    for number, level_HW in enumerate(levels):
        chunks = tuple(min(CHUNK, side) for side in level_HW.shape)
        array = zarr.create_array(
            folder / str(number),
            shape=level_HW.shape,
            chunks=chunks,
            dtype=level_HW.dtype,
            dimension_names=("y", "x"),
        )
        array[:] = level_HW


def _write_group(folder: Path, attributes: Mapping[str, Any]) -> None:
    import zarr

    ome = {"version": VERSION, **attributes}
    zarr.create_group(folder, attributes={"ome": ome, "_creator": {"name": "emgen", "version": __version__}})


def _multiscale(name: str, levels: int, pixel_size_nm: float | None) -> dict[str, Any]:
    """A pixel's place is its middle's, so every halving moves the first one by half a pixel of the level before."""
    size = pixel_size_nm or 1.0
    unit = {"unit": "nanometer"} if pixel_size_nm else {}
    return {
        "name": name,
        "axes": [{"name": axis, "type": "space", **unit} for axis in "yx"],
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [size * 2**level] * 2},
                    {"type": "translation", "translation": [size * (2**level - 1) / 2] * 2},
                ],
            }
            for level in range(levels)
        ],
    }


def _halved(image_HW: NDArray[Any], halve: Any) -> list[NDArray[Any]]:
    levels = [image_HW]
    while max(levels[-1].shape) > SMALLEST and len(levels) < MOST_LEVELS:
        levels.append(halve(levels[-1]))
    return levels


def _nearest(label_HW: NDArray[Any]) -> NDArray[Any]:
    return label_HW[::2, ::2]


def _mean(image_HW: NDArray[Any]) -> NDArray[Any]:
    """Of each two by two pixels; an odd last row or column counts twice."""
    even = np.pad(image_HW, [(0, side % 2) for side in image_HW.shape], mode="edge").astype(np.float64)
    mean = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3))
    halved: NDArray[Any] = (mean if image_HW.dtype.kind == "f" else np.round(mean)).astype(image_HW.dtype)
    return halved


def _native(image_HW: NDArray[Any]) -> NDArray[Any]:
    """In this machine's byte order; yes and no as 0 and 1."""
    kind = np.uint8 if image_HW.dtype == bool else image_HW.dtype.newbyteorder("=")
    return image_HW.astype(kind)
