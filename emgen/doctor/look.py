"""One look at one micrograph: everything that the checks need of it, so that its pixels can go again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.bars import Band, find_bands
from emgen.data.micrograph import Micrograph
from emgen.data.resize import resize_image
from emgen.doctor.blobs import Blobs, find_blobs
from emgen.doctor.exact import fingerprint
from emgen.doctor.levels import Levels, measure_levels
from emgen.doctor.lines import line_noise
from emgen.doctor.marks import Mark, find_marks
from emgen.doctor.near import FINE
from emgen.stages import FloatArray


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of a micrograph; lengths in native pixels.

    Attributes
    ----------
    kind: ``fine``; or why it is of no use: ``unreadable``, ``unusable``, ``not-finite``, ``constant``; ``reason`` says
        it in words.
    thumb_HW: (H, W) float16, longer side 256; bands and marks are blanked in it.
    fingerprint: equal for equal pixels in any of the eight orientations; confirmed by reading again.
    line_noise: how much scan lines differ in brightness, in units of what columns do.
    """

    name: str
    path: str
    kind: str
    reason: str = ""
    shape_HW: tuple[int, int] = (0, 0)
    dtype: str = ""
    pixel_size_nm: float | None = None
    levels: Levels | None = None
    bands: tuple[Band, ...] = ()
    marks: tuple[Mark, ...] = ()
    blobs: Blobs | None = None
    line_noise: float = 1.0
    fingerprint: str = ""
    thumb_HW: NDArray[np.float16] | None = None

    @property
    def fine(self) -> bool:
        return self.kind == "fine"

    def to_dict(self) -> dict[str, Any]:
        """Without the picture."""
        whole: Mapping[str, Any] = {**asdict(self), "thumb_HW": None}
        return {name: value for name, value in whole.items() if name != "thumb_HW"}


def look_at(micrograph: Micrograph, name: str, path: str, pixel_size_nm: float | None = None) -> Look:
    """Never raises for what an image may hold. ``pixel_size_nm`` goes over the file's own."""
    image_HW = micrograph.image_HW
    size = pixel_size_nm if pixel_size_nm is not None else micrograph.pixel_size_nm
    if problem := _problem(image_HW):
        shape = (int(image_HW.shape[0]), int(image_HW.shape[1])) if image_HW.ndim == 2 else (0, 0)
        return Look(name, path, *problem, shape_HW=shape, dtype=str(image_HW.dtype), pixel_size_nm=size)
    values_HW = np.ascontiguousarray(image_HW, dtype=np.float32)
    bands = find_bands(values_HW)
    marks = [mark for mark in find_marks(values_HW) if not _lies_in(mark, bands, values_HW.shape)]
    inner_HW = _without(values_HW, bands)
    return Look(
        name=name,
        path=path,
        kind="fine",
        shape_HW=(int(image_HW.shape[0]), int(image_HW.shape[1])),
        dtype=str(image_HW.dtype),
        pixel_size_nm=size,
        levels=measure_levels(_without(image_HW, bands)),
        bands=tuple(bands),
        marks=tuple(marks),
        blobs=find_blobs(inner_HW),
        line_noise=line_noise(inner_HW),
        fingerprint=fingerprint(image_HW),
        thumb_HW=_thumbnail(values_HW, bands, marks),
    )


def _problem(image_HW: NDArray[Any]) -> tuple[str, str] | None:
    """(kind, reason) of what makes an image useless."""
    if image_HW.ndim != 2 or 0 in image_HW.shape:
        return "unusable", f"its reader returned shape {image_HW.shape}; a micrograph is (height, width)"
    if image_HW.dtype.kind not in "biuf":
        return "unusable", f"values of type {image_HW.dtype} are no intensities"
    if image_HW.dtype.kind == "f":
        bad = int(image_HW.size - np.isfinite(image_HW).sum())
        if bad:
            return "not-finite", f"{bad} of {image_HW.size} pixels are NaN or infinite"
    if image_HW.min() == image_HW.max():
        return "constant", f"every pixel is {image_HW.flat[0]}"
    return None


def _lies_in(mark: Mark, bands: list[Band], shape_HW: tuple[int, ...]) -> bool:
    """The letters and the scale of a data bar are part of it."""
    y, x = (mark.box[0] + mark.box[2]) / 2, (mark.box[1] + mark.box[3]) / 2
    inner = [band.window((shape_HW[0], shape_HW[1])) for band in bands]
    return not all(top <= y < bottom and left <= x < right for top, left, bottom, right in inner)


def _without(image_HW: NDArray[Any], bands: list[Band]) -> NDArray[Any]:
    """What the bands leave of an image; all of it if they would leave next to nothing."""
    height, width = image_HW.shape
    top, left, bottom, right = 0, 0, height, width
    for band in bands:
        cut = band.window((height, width))
        top, left, bottom, right = max(top, cut[0]), max(left, cut[1]), min(bottom, cut[2]), min(right, cut[3])
    return image_HW[top:bottom, left:right] if bottom - top >= 16 and right - left >= 16 else image_HW


def _thumbnail(image_HW: FloatArray, bands: list[Band], marks: list[Mark]) -> NDArray[np.float16]:
    """Small, scaled by its percentiles; a data bar that two micrographs share does not make them alike."""
    low, middle, high = np.percentile(image_HW[::2, ::2], (1, 50, 99))
    scaled = (image_HW - low) / (high - low or float(np.ptp(image_HW)) or 1.0)
    blank = float((middle - low) / (high - low or 1.0))
    height, width = image_HW.shape
    for band in bands:
        top, left, bottom, right = band.window((height, width))
        kept = np.zeros((height, width), bool)
        kept[top:bottom, left:right] = True
        scaled[~kept] = blank
    for mark in marks:
        top, left, bottom, right = mark.box
        scaled[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3] = blank
    reduced = resize_image(np.clip(scaled, -1, 3).astype(np.float32), FINE / max(height, width))
    return reduced.astype(np.float16)
