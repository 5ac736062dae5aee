"""A file's micrographs, read one at a time: what most readers return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.checks import to_grey
from emgen.data.micrograph import Micrograph, frame_name
from emgen.data.units import PixelSize
from emgen.errors import BadImageError

_UNSTATED = PixelSize()


class Frames(Sequence[Micrograph]):
    """The micrographs of one file; ``frames[i]`` reads the i-th, a slice several.

    Parameters
    ----------
    read: gives the i-th picture, (H, W) or (H, W, C) in the file's own dtype. Opens and closes the file itself, so that
        a folder of ten thousand files needs no ten thousand handles.
    size: of a pixel, of all frames or of the i-th.
    facts: metadata of all frames. facts_of: metadata of the i-th, e.g. ``{"time_s": 0.4}``.
    """

    def __init__(
        self,
        path: Path,
        count: int,
        read: Callable[[int], NDArray[Any]],
        *,
        size: PixelSize | Callable[[int], PixelSize] = _UNSTATED,
        facts: Mapping[str, Any] | None = None,
        facts_of: Callable[[int], Mapping[str, Any]] = lambda index: {},
    ) -> None:
        self._path, self._count, self._read, self._facts_of = path, count, read, facts_of
        self._size, self._facts = size, dict(facts or {})

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        number = range(self._count)[index]
        image_HW, changed = to_grey(self._read(number), self._path)
        size = self._size(number) if callable(self._size) else self._size
        facts = {**size.facts, **self._facts, **self._facts_of(number)}
        facts["notes"] = (*facts.get("notes", ()), *changed)
        name = frame_name(self._path, number, self._count)
        return Micrograph(np.asarray(image_HW), size.nm, name, self._path, facts)


def one_shape(shapes: Sequence[tuple[int, ...]], path: Path, what: str) -> None:
    """Raise ``BadImageError`` if the frames of a file differ in size. ``what`` they are called, e.g. ``pages``."""
    kinds = list(dict.fromkeys(shapes))
    if len(kinds) > 1:
        sizes = ", ".join(" x ".join(map(str, kind)) for kind in kinds[:4]) + (", …" if len(kinds) > 4 else "")
        raise BadImageError(
            f"{path}: its {what} differ in size: {sizes}. A stack has one size; save them as files of their own."
        )


def memory_mapped(
    path: Path, dtype: np.dtype[Any] | str, offset: int, shape: tuple[int, ...]
) -> Callable[[int], NDArray[Any]]:
    """Reads the i-th of the (H, W, ...) pictures that lie one behind the other from ``offset`` on; none is kept mapped.

    The picture comes in the byte order of this machine.
    """
    kind = np.dtype(dtype)
    step = int(np.prod(shape, dtype=np.int64)) * kind.itemsize

    def read(index: int) -> NDArray[Any]:
        mapped = np.memmap(path, kind, "r", offset + index * step, shape)
        return np.array(mapped, kind.newbyteorder("="))

    return read


def series_length(lengths: Sequence[int], names: Sequence[str], path: Path) -> int:
    """How many micrographs a file holds, from the axes before height and width.

    Raises ``BadImageError`` where more than one of them is longer than 1: 4-D data, of which nobody but its owner knows
    which axis is the series.
    """
    if sum(length > 1 for length in lengths) > 1:
        told = " x ".join(f"{length} ({name})" for length, name in zip(lengths, names, strict=True))
        raise BadImageError(
            f"{path}: the data have {2 + len(lengths)} axes: {told} x height x width. A micrograph has two, a series "
            "three. Save one image, or one series of images, as a file of its own (4D-STEM: a virtual image of it)."
        )
    return int(np.prod(lengths, dtype=np.int64)) if len(lengths) else 1
