"""Scale bars and lettering that were burnt into an image: shapes of one extreme value that no specimen has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray

NEAR = 0.03
"""Values so near to the extreme, in shares of the range, belong to a mark; re-encoding as JPEG blurs it a little."""
COMMON = 0.3
"""Where so large a share of the pixels has the extreme value, a mark of that value could not be seen."""
LONG, SLIM, FILLED = 0.03, 4.0, 0.95
"""A bar's least length in shares of the image's width, length over height, and share of its box that it fills."""
OUTER = 0.25
"""Bars lie in this share of the height at the top or the bottom."""
LETTERS = 4
"""So many shapes of one height on one line, close to each other and clear of the edges, are lettering."""

Box = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Mark:
    """(top, left, bottom, right) of a scale bar, or of a line of lettering."""

    kind: Literal["scale bar", "lettering"]
    box: tuple[int, int, int, int]


def find_marks(image_HW: FloatArray) -> list[Mark]:
    """Scale bars, and lettering, in (H, W) of any units."""
    low, high = float(image_HW.min()), float(image_HW.max())
    masks = (np.abs(image_HW - value) <= NEAR * (high - low) for value in (high, low)) if high > low else ()
    marks: list[Mark] = []
    for mask_HW in masks:
        if mask_HW.any() and mask_HW.mean() <= COMMON:
            marks += _of_one_value(mask_HW)
    return marks


def _of_one_value(mask_HW: NDArray[np.bool_]) -> list[Mark]:
    from scipy import ndimage

    label_HW, _ = ndimage.label(mask_HW, np.ones((3, 3), int))
    boxes = [box for box in ndimage.find_objects(label_HW) if _height(box) > 1]
    bars = [Mark("scale bar", _corners([box])) for box in boxes if _is_bar(mask_HW, box)]
    return bars + [Mark("lettering", _corners(line)) for line in _lines(boxes, mask_HW.shape)]


def _is_bar(mask_HW: NDArray[np.bool_], box: Box) -> bool:
    """A solid rectangle with sharp corners, long and slim, in the upper or lower part of the image."""
    height, width = _height(box), _width(box)
    rows, columns = mask_HW.shape
    middle = (box[0].start + box[0].stop) / 2 / rows
    if not (LONG * columns <= width <= 0.9 * columns and width >= SLIM * height and height <= 0.1 * rows):
        return False
    if OUTER < middle < 1 - OUTER:
        return False
    part = mask_HW[box]
    ends = part[:, [0, -1]].mean(), part[[0, -1]].mean()
    return bool(part.mean() >= FILLED and min(ends) >= 0.9)


def _lines(boxes: Sequence[Box], shape_HW: tuple[int, ...]) -> list[list[Box]]:
    """Groups of letters: equal top and bottom but for a pixel, narrow gaps between them."""
    least, most = max(7, 0.006 * shape_HW[0]), 0.08 * shape_HW[0]
    clear = [box for box in boxes if box[0].start > 0 and box[0].stop < shape_HW[0]]
    letters = [b for b in clear if least <= _height(b) <= most and 0.1 <= _width(b) / _height(b) <= 1.6]
    letters.sort(key=lambda box: box[1].start)
    lines: list[list[Box]] = []
    for box in letters:
        for line in lines:
            if _follows(line[-1], box):
                line.append(box)
                break
        else:
            lines.append([box])
    return [line for line in lines if len(line) >= LETTERS]


def _follows(before: Box, box: Box) -> bool:
    level = abs(before[0].start - box[0].start) <= 1 and abs(before[0].stop - box[0].stop) <= 1
    gap = int(box[1].start - before[1].stop)
    return bool(level and -1 <= gap <= 1.2 * _height(box))


def _corners(boxes: Sequence[Box]) -> tuple[int, int, int, int]:
    return (
        int(min(box[0].start for box in boxes)),
        int(min(box[1].start for box in boxes)),
        int(max(box[0].stop for box in boxes)),
        int(max(box[1].stop for box in boxes)),
    )


def _height(box: Any) -> int:
    return int(box[0].stop - box[0].start)


def _width(box: Any) -> int:
    return int(box[1].stop - box[1].start)
