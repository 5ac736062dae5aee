"""ImageJ ROI sets: one region a particle, for the ROI manager."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emgen.files import replacing, result_path
from emgen.writing.outlines import Loop, outlines
from emgen.writing.writer import Labelled, StackOf

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of the entries: the same particles give the same bytes."""
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
"""Segments of a composite region, as of ``java.awt.geom.PathIterator``."""


class RoiWriter:
    """``<name>_rois.zip``: traced regions named by their label, composite ones where there are holes.

    The outline runs along the edges of pixels, so that ImageJ fills just the particle's pixels again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def paths(self, name: str, stack: StackOf | None = None) -> Sequence[Path]:
        return [result_path(self._folder, name, "_rois.zip")]

    def add(self, labelled: Labelled) -> Sequence[Path]:
        (path,) = self.paths(labelled.name)
        with replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for label, loops in outlines(labelled.label_HW):
                name = f"{label:05d}"
                entry = zipfile.ZipInfo(f"{name}.roi", _LONG_AGO)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, _roi(name, loops).tobytes())
        return [path]

    def finish(self) -> Sequence[Path]:
        return []


def _roi(name: str, loops: Sequence[Loop]) -> Any:
    from roifile import ROI_TYPE, ImagejRoi

    if len(loops) > 1:
        return _composite(name, loops)
    roi = ImagejRoi.frompoints(loops[0][:, ::-1], name=name)
    roi.roitype = ROI_TYPE.TRACED
    return roi


def _composite(name: str, loops: Sequence[Loop]) -> Any:
    """Holes and parts; ImageJ fills them by the even-odd rule."""
    from roifile import ROI_TYPE, ImagejRoi

    path: list[float] = []
    for loop in loops:
        for kind, (y, x) in zip([_MOVE, *[_LINE] * (len(loop) - 1)], loop.tolist(), strict=True):
            path += [kind, float(x), float(y)]
        path.append(_CLOSE)
    (top, left), (bottom, right) = (edge(np.concatenate(loops), axis=0).tolist() for edge in (np.min, np.max))
    return ImagejRoi(
        roitype=ROI_TYPE.RECT,
        name=name,
        top=top,
        left=left,
        bottom=bottom,
        right=right,
        multi_coordinates=np.array(path, np.float32),
        shape_roi_size=len(path),
    )
