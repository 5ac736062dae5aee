"""Micrographs that show the same place: exact copies, other recordings, overlapping fields of view."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emgen.doctor.orient import ORIENTATIONS, Rect, oriented, straightened_rect
from emgen.doctor.register import PEAK, Match, Spectrum, band_passed, confirmed, peaks, whitened_spectrum
from emgen.stages import FloatArray

FINE, COARSE = 256, 128
"""Longer side of the small pictures: where there are few pairs, and where there are many."""
FINE_PAIRS, TURNED_PAIRS = 1_000, 12_000
"""Up to so many pairs are compared finely; up to so many in all eight orientations."""
STANDS_OUT = 1.4
"""A shared place shows in one orientation; where another one's peak comes so near, both are chance."""
SURE_PEAK = 11.0
"""Least peak where only one orientation was tried, so that nothing can be set against it."""
SCALES = 4
"""Differing long sides, so different reductions, that are compared with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A place that two micrographs share; all lengths in native pixels.

    Attributes
    ----------
    first, second: their indices, first < second. exact: equal pixel for pixel.
    orientation: in which the second lies upon the first (``emgen.doctor.orient``).
    offset_YX: the corner of the oriented second, in pixels of the first. zoom: pixels of the second per pixel of the
        first. share: of the smaller picture. correlation: of the shared pixels. shape_second_HW: not oriented.
    peak: of phase correlation, in standard deviations.
    """

    first: int
    second: int
    orientation: int
    offset_YX: tuple[float, float]
    zoom: float
    share: float
    correlation: float
    shape_second_HW: tuple[int, int]
    peak: float = float("inf")
    exact: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "peak": min(self.peak, 1e9)}

    def shared_in_first(self, shape_HW: tuple[int, int]) -> Rect:
        """What of the first micrograph, of ``shape_HW``, the second shows too."""
        height, width = self.shape_second_HW[:: -1 if self.orientation % 2 else 1]
        y, x = self.offset_YX
        bottom, right = y + height / self.zoom, x + width / self.zoom
        return max(0.0, y), max(0.0, x), min(float(shape_HW[0]), bottom), min(float(shape_HW[1]), right)

    def carried(self, rect: Rect) -> Rect:
        """A rectangle of the first micrograph in pixels of the second; it may reach beyond it."""
        y, x = self.offset_YX
        top, left, bottom, right = (
            (value - origin) * self.zoom for value, origin in zip(rect, (y, x, y, x), strict=True)
        )
        height, width = self.shape_second_HW
        turned = (width, height) if self.orientation % 2 else (height, width)
        return straightened_rect((top, left, bottom, right), turned, self.orientation)


@dataclass(frozen=True, slots=True)
class Picture:
    """A small picture of a micrograph: ``index`` in the set, native shape, and the thumbnail (longer side ``FINE``)."""

    index: int
    shape_HW: tuple[int, int]
    thumb_HW: FloatArray


@dataclass(frozen=True, slots=True)
class Effort:
    """How closely a set was compared."""

    pairs: int
    side: int
    orientations: int


def find_overlaps(
    pictures: Sequence[Picture], should_stop: Callable[[], bool] = lambda: False
) -> tuple[list[Overlap], Effort]:
    """Every pair of pictures, each in eight orientations where the set is not too large for that."""
    pairs = len(pictures) * (len(pictures) - 1) // 2
    side = FINE if pairs <= FINE_PAIRS else COARSE
    effort = Effort(pairs, side, ORIENTATIONS if pairs <= TURNED_PAIRS else 1)
    views = Views(pictures, effort)
    found: list[Overlap] = []
    for j in range(1, len(pictures)):
        if should_stop():
            break
        found += _with_earlier(j, views)
    return found, effort


@dataclass(frozen=True, slots=True)
class View:
    """A picture, band-passed, at one reduction, and its spectrum."""

    passed_HW: FloatArray
    spectrum: Spectrum


class Views:
    """Pictures at the reductions at which they are compared. One spectrum of each is kept, in one orientation."""

    def __init__(self, pictures: Sequence[Picture], effort: Effort) -> None:
        self.pictures, self.effort = pictures, effort
        longest = sorted({max(picture.shape_HW) for picture in pictures}, reverse=True)
        self._others = frozenset(longest[:SCALES])
        self._kept: dict[tuple[int, int], View] = {}

    def upright(self, index: int, largest: int) -> View:
        """Reduced as a picture with the long side ``largest`` is."""
        if (index, largest) not in self._kept:
            picture = self.pictures[index]
            thumb = _reduced(picture.thumb_HW, round(self.effort.side * max(picture.shape_HW) / largest))
            passed = band_passed(thumb, self.effort.side)
            self._kept[index, largest] = View(passed, whitened_spectrum(passed, self.effort.side))
        return self._kept[index, largest]

    def turned(self, index: int, largest: int) -> list[View]:
        """The same in every orientation that is tried."""
        upright = self.upright(index, largest)
        turned = (np.ascontiguousarray(oriented(upright.passed_HW, k)) for k in range(1, self.effort.orientations))
        return [upright, *(View(passed, whitened_spectrum(passed, self.effort.side)) for passed in turned)]

    def comparable(self, i: int, j: int) -> int | None:
        """The long side at whose reduction the two have equal pixels, if that is another comparison than before."""
        sides = {max(self.pictures[i].shape_HW), max(self.pictures[j].shape_HW)}
        small_enough = min(sides) * self.effort.side >= self.effort.side // 4 * max(sides)
        return max(sides) if len(sides) > 1 and sides <= self._others and small_enough else None


def _with_earlier(j: int, views: Views) -> Iterator[Overlap]:
    """Overlaps of the j-th picture with those before it: as whole fields of view, then at equal pixels."""
    own_side = max(views.pictures[j].shape_HW)
    turned = {own_side: views.turned(j, own_side)}
    for i in range(j):
        first, second = views.pictures[i], views.pictures[j]
        upright = views.upright(i, max(first.shape_HW))
        if hit := _best(upright, turned[own_side], views.effort.side):
            yield _overlap(first, second, hit, *(max(p.shape_HW) / views.effort.side for p in (first, second)))
        elif largest := views.comparable(i, j):
            if largest not in turned:
                turned[largest] = views.turned(j, largest)
            if hit := _best(views.upright(i, largest), turned[largest], views.effort.side):
                yield _overlap(first, second, hit, *2 * (largest / views.effort.side,))


Hit = tuple[float, int, Match]


def _best(first: View, turned: Sequence[View], side: int) -> Hit | None:
    """(peak, orientation, match) where one orientation stands out and the pixels confirm it."""
    found = sorted(((*peaks(first.spectrum, view.spectrum, side), turn) for turn, view in enumerate(turned)))
    peak, dy, dx, turn = found[-1]
    rival = found[-2][0] * STANDS_OUT if len(found) > 1 else SURE_PEAK
    if peak < max(PEAK, rival):
        return None
    match = confirmed(first.passed_HW, turned[turn].passed_HW, dy, dx, side)
    return (peak, turn, match) if match else None


def _overlap(first: Picture, second: Picture, hit: Hit, first_px: float, second_px: float) -> Overlap:
    """``first_px``, ``second_px``: native pixels per pixel of the pictures compared."""
    peak, turn, match = hit
    return Overlap(
        first=first.index,
        second=second.index,
        orientation=turn,
        offset_YX=(match.dy * first_px, match.dx * first_px),
        zoom=second_px / first_px,
        share=min(1.0, match.share),
        correlation=match.correlation,
        shape_second_HW=second.shape_HW,
        peak=peak,
    )


def _reduced(thumb_HW: FloatArray, side: int) -> FloatArray:
    from emgen.data.resize import resize_image

    factor = side / max(thumb_HW.shape)
    return thumb_HW if factor == 1 else resize_image(thumb_HW, factor)
