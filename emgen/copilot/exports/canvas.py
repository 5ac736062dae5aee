"""Drawing for the video: lines and areas by OpenCV, text by Pillow (any Latin script, anti-aliased), RGB throughout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.figures import picture_font

Colour = tuple[int, int, int]
Canvas = NDArray[np.uint8]
"""(H, W, 3) RGB, drawn upon."""
_SHIFT = 4
"""Bits of the fraction of a pixel."""


def rgb(code: str) -> Colour:
    """
    >>> rgb("#1f6fb2")
    (31, 111, 178)
    """
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def write(
    canvas: Canvas,
    text: str,
    x: float,
    y: float,
    size: int,
    colour: Colour,
    *,
    align: float = 0.0,
    upright: bool = True,
) -> None:
    """``x``, ``y``: of the text's upper left corner; with ``align`` 0.5 of its upper middle, with 1 of its right."""
    mask_HW = text_mask(text, size) if upright else np.rot90(text_mask(text, size))
    left, top = round(x - align * mask_HW.shape[1]), round(y)
    height, width = canvas.shape[:2]
    y0, y1, x0, x1 = max(top, 0), min(top + mask_HW.shape[0], height), max(left, 0), min(left + mask_HW.shape[1], width)
    if y0 >= y1 or x0 >= x1:
        return
    blend(canvas[y0:y1, x0:x1], mask_HW[y0 - top : y1 - top, x0 - left : x1 - left], colour)


def blend(part_HWC: Canvas, alpha_HW: NDArray[np.uint8], colour: Colour) -> None:
    """Paints with ``colour`` where ``alpha_HW`` is 255, and in part where it is less."""
    alpha = alpha_HW[..., None].astype(np.float32) / 255
    part_HWC[:] = np.round(part_HWC + (np.array(colour, np.float32) - part_HWC) * alpha).astype(np.uint8)


def width_of(text: str, size: int) -> int:
    return int(text_mask(text, size).shape[1])


@lru_cache(2048)
def text_mask(text: str, size: int) -> NDArray[np.uint8]:
    """(H, W) coverage, 0 to 255; texts of one size have one height."""
    from PIL import Image, ImageDraw

    font = picture_font(size)
    ascent, descent = font.getmetrics()
    mask = Image.new("L", (max(1, int(np.ceil(font.getlength(text)))), ascent + descent))
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font=font)
    return np.asarray(mask)


def shortened(text: str, size: int, width: float) -> str:
    """In at most ``width`` px, in one line."""
    line = "".join(c if c.isprintable() else " " for c in text)[:300]
    if width_of(line, size) <= width:
        return line
    while line and width_of(f"{line}…", size) > width:
        line = line[: -max(1, len(line) // 20)]
    return f"{line}…"


def line(canvas: Canvas, xy_N2: NDArray[Any], colour: Colour, thick: int = 1) -> None:
    import cv2

    if len(xy_N2) > 1:
        points = np.round(np.asarray(xy_N2) * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(canvas, [points], False, colour, thick, cv2.LINE_AA, _SHIFT)


def area(canvas: Canvas, xy_N2: NDArray[Any], colour: Colour) -> None:
    import cv2

    if len(xy_N2) > 2:
        points = np.round(np.asarray(xy_N2) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(canvas, [points], colour, cv2.LINE_AA, _SHIFT)


def plate(canvas: Canvas, x: int, y: int, wide: int, high: int, darkness: float = 0.62) -> None:
    """A dark ground for light text."""
    part = canvas[max(y, 0) : y + high, max(x, 0) : x + wide]
    part[:] = (part * (1 - darkness)).astype(np.uint8)


def paler(colour: Colour, share: float) -> Colour:
    """Mixed with white."""
    red, green, blue = (round(value + (255 - value) * share) for value in colour)
    return red, green, blue


def steps(edge_B: Sequence[float], value_B: Sequence[float]) -> NDArray[np.float64]:
    """(2 B, 2) corners of a histogram's outline: B + 1 edges, B values."""
    return np.stack([np.repeat(edge_B, 2)[1:-1], np.repeat(value_B, 2)], axis=1)
