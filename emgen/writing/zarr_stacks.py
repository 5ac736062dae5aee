"""The labels of all frames of a file in one Zarr array, a frame a chunk, in a folder or on object storage.

Any process may write any frame, at any time and again: a chunk is replaced whole, and whoever comes first makes the
array. Frames that were not written read as background.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from emgen import __version__
from emgen.errors import BadImageError, OutputError, PreflightError
from emgen.files import result_path
from emgen.stages import LabelArray
from emgen.writing.writer import Labelled, StackOf

ENDING = "_labels.zarr"
VERSION = "0.5"
"""Of OME-NGFF, as of ``emgen.writing.ome_zarr``."""
LEVEL = "0"


class ZarrStacksWriter:
    """``<file>_labels.zarr``: OME-Zarr of axes t, y, x, int32, 0 background; the rows of a smaller frame end in zeros.

    ``place``: folder or URL (``s3://bucket/run``) that fsspec opens; by default ``folder``.
    """

    def __init__(self, folder: Path, place: str | None = None) -> None:
        self._folder, self._place = folder, place
        self._array: tuple[StackOf, Any] | None = None

    def paths(self, name: str, stack: StackOf | None = None) -> Sequence[Path]:
        return [result_path(self._folder, (stack or StackOf(name)).name, ENDING)]

    def add(self, labelled: Labelled) -> Sequence[Path]:
        """Raises ``OutputError``: the store cannot be written. ``BadImageError``: a frame larger than its stack."""
        stack, (height, width) = labelled.stack or StackOf(labelled.name), labelled.label_HW.shape
        shape_HW = stack.shape_HW or (height, width)
        if height > shape_HW[0] or width > shape_HW[1]:
            raise BadImageError(
                f"{labelled.name}: {height} x {width} px, the frames of its stack are {shape_HW[0]} x {shape_HW[1]}. "
                "Where a data bar was found in some frames only, set EMGEN_DATA_BARS=keep; or leave out `zarr`."
            )
        (path,) = self.paths(labelled.name, stack)
        where = str(path) if self._place is None else stack_place(stack.name, self._place)
        try:
            array = self._opened(where, stack, shape_HW, labelled.pixel_size_nm)
            array[labelled.frame if stack.frames > 1 else 0] = _padded(labelled.label_HW, shape_HW)
        except OSError as error:
            raise OutputError(f"{where}: cannot be written ({error}).") from error
        return [path] if self._place is None else []

    def finish(self) -> Sequence[Path]:
        return []

    def _opened(self, where: str, stack: StackOf, shape_HW: tuple[int, int], size: float | None) -> Any:
        if self._array is None or self._array[0] != stack:
            self._array = stack, _open_or_make(where, (stack.frames, *shape_HW), stack.name, size)
        return self._array[1]


def stack_place(name: str, place: str | None = None) -> str:
    """How a summary names the stack of a file: in the folder of the results, or at a place of its own."""
    return f"{name}{ENDING}" if place is None else f"{place.rstrip('/')}/{name}{ENDING}"


def absolute_place(place: str) -> str:
    """The same from wherever a worker stands. A ``file://`` URL is the folder that it names."""
    return place if _is_url(place) else str(Path(place.removeprefix("file://")).absolute())


def remove_stacks(place: str | Path, names: Iterable[str]) -> None:
    """Those of an earlier call, so that no frame of it shows where one fails now. Raises ``OutputError``."""
    for name in names:
        where = stack_place(name, str(place))
        try:
            if _is_url(where):
                _file_system(where).rm(where, recursive=True)
            else:
                shutil.rmtree(where.removeprefix("file://"))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise OutputError(f"{where}: cannot be replaced ({error}). Choose another place.") from error


def _open_or_make(where: str, shape_NHW: tuple[int, int, int], name: str, size: float | None) -> Any:
    import zarr
    from zarr.errors import ContainsArrayError, ContainsGroupError

    store = _store(where)
    with suppress(ContainsGroupError):
        zarr.create_group(store, attributes=_attributes(name, size))
    with suppress(ContainsArrayError):
        zarr.create_array(
            store,
            name=LEVEL,
            shape=shape_NHW,
            chunks=(1, *shape_NHW[1:]),
            dtype="int32",
            dimension_names=("t", "y", "x"),
        )
    array = zarr.open_array(store, path=LEVEL, mode="r+")
    if array.shape != shape_NHW:
        raise OutputError(f"{where}: stands already, with the shape {array.shape}. Remove it or choose another place.")
    return array


def _attributes(name: str, pixel_size_nm: float | None) -> dict[str, Any]:
    size, unit = pixel_size_nm or 1.0, {"unit": "nanometer"} if pixel_size_nm else {}
    scale = [{"type": "scale", "scale": [1.0, size, size]}]
    scales = {
        "name": name,
        "axes": [{"name": "t", "type": "time"}, *({"name": axis, "type": "space", **unit} for axis in "yx")],
        "datasets": [{"path": LEVEL, "coordinateTransformations": scale}],
    }
    ome = {"version": VERSION, "multiscales": [scales], "image-label": {"version": VERSION}}
    return {"ome": ome, "_creator": {"name": "emgen", "version": __version__}}


def _padded(label_HW: LabelArray, shape_HW: tuple[int, int]) -> LabelArray:
    missing = [(0, whole - side) for whole, side in zip(shape_HW, label_HW.shape, strict=True)]
    return np.pad(label_HW, missing) if any(after for _, after in missing) else label_HW


def _is_url(place: str) -> bool:
    return "://" in place and not place.startswith("file://")


def _store(where: str) -> Any:
    from zarr.storage import FsspecStore

    if not _is_url(where):
        return where.removeprefix("file://")
    _file_system(where)  # says what is missing
    return FsspecStore.from_url(where)


def _file_system(where: str) -> Any:
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(where)[0]
    except (ImportError, ValueError) as error:
        raise PreflightError(
            f"{where}: cannot be opened ({error}). URLs need the package fsspec and that of their kind, e.g. "
            "`pip install s3fs` for s3://."
        ) from error
