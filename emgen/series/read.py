"""One frame of a series at a time: its instances, its micrograph, its pixel size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.opening import open_file, read_frame
from emgen.errors import BadImageError, DataError, UnreadableFileError
from emgen.particles.instances import Meaning, instances_of, meaning_of
from emgen.series.sources import Place, SeriesFrame
from emgen.stages import LabelArray

if TYPE_CHECKING:
    from emgen.host import Host


@dataclass(frozen=True, slots=True)
class ReadFrame:
    """``image_HW`` in its file's own values, None where there is no micrograph; ``pixel_size_nm`` None if unknown."""

    label_HW: LabelArray
    image_HW: NDArray[Any] | None
    pixel_size_nm: float | None


class FrameReader:
    """Reads frames in order. One label file and one image file are kept open, nothing else is kept.

    ``pixel_size_nm``: of all frames; goes over what files and summary say. ``meaning``: of the label files; None: told
    from each.
    """

    def __init__(self, host: Host, pixel_size_nm: float | None = None, meaning: Meaning | None = None) -> None:
        self._host, self._pixel_size_nm, self._meaning = host, pixel_size_nm, meaning
        self._open: dict[str, tuple[Path, Sequence[Any]]] = {}
        self._first: tuple[Path, tuple[int, ...]] | None = None

    def read(self, frame: SeriesFrame) -> ReadFrame:
        """Raises ``BadImageError`` for a frame of another size than the first, or than its micrograph."""
        path = frame.labels.path
        picture = self._picture(frame.labels)
        values_HW = np.asarray(picture.image_HW)
        if values_HW.ndim != 2:
            raise BadImageError(f"{path}: an image of shape {values_HW.shape} is no label image (height, width).")
        label_HW = instances_of(values_HW, self._meaning or meaning_of(values_HW, path), path)
        self._first = self._first or (path, label_HW.shape)
        if label_HW.shape != self._first[1]:
            raise BadImageError(_sizes(path, label_HW.shape, *self._first) + " The frames of a series have one size.")
        image_HW, size = self._micrograph(frame, label_HW)
        sizes = (self._pixel_size_nm, frame.pixel_size_nm, picture.pixel_size_nm, size)
        return ReadFrame(label_HW, image_HW, next((one for one in sizes if one is not None), None))

    def _micrograph(self, frame: SeriesFrame, label_HW: LabelArray) -> tuple[NDArray[Any] | None, float | None]:
        if frame.image is None:
            return None, None
        micrograph = read_frame(self._stack(frame.image.path, "image"), frame.image.frame, frame.image.path)
        if micrograph.image_HW.shape != label_HW.shape:
            sizes = _sizes(frame.labels.path, label_HW.shape, frame.image.path, micrograph.image_HW.shape)
            raise BadImageError(f"{sizes} Labels have the size of their micrograph.")
        return np.asarray(micrograph.image_HW), micrograph.pixel_size_nm

    def _picture(self, place: Place) -> Any:
        """May be constant: a frame without particles."""
        try:
            return self._stack(place.path, "labels")[place.frame]
        except DataError:
            raise
        except Exception as error:  # whatever a reader meets in a damaged file
            raise UnreadableFileError(
                f"{place.path}: frame {place.frame} cannot be read ({type(error).__name__}: {error}). Copy it again."
            ) from error

    def _stack(self, path: Path, role: str) -> Sequence[Any]:
        if role not in self._open or self._open[role][0] != path:
            self._open[role] = (path, open_file(path, self._host))
        return self._open[role][1]


def _sizes(path: Path, shape: tuple[int, ...], other: Path, other_shape: tuple[int, ...]) -> str:
    return f"{path} is {shape[1]} x {shape[0]} px, {other} is {other_shape[1]} x {other_shape[0]} px."
