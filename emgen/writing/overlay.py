"""Overlays: the micrograph with the outlines of its particles and a scale bar, as a picture to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.figures import picture_font
from emgen.files import replacing, result_path
from emgen.particles import border_labels, equivalent_diameters
from emgen.writing.outlines import outlines
from emgen.writing.writer import Labelled, StackOf

LEAST, MOST = 1024, 4096
"""Px of the longer side: smaller images are enlarged by a whole factor, larger ones reduced."""
WHOLE, CUT = (255, 176, 0), (86, 180, 233)
"""Outlines of particles, and of those that the image's edge cuts: told apart with any colour vision (Okabe and Ito)."""
HALO = 0.55
"""How much of the darkness around an outline covers the image: it parts the colour from a bright ground."""
CLIPPED = (0.3, 99.7)
"""Percentiles of the image that are shown black and white."""
BAR_SHARE = 0.2
"""Of the width, about the length of the scale bar."""


class OverlayWriter:
    """``<name>_overlay.png``: outlines orange, light blue where the image's edge cuts the particle, and a scale bar."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def paths(self, name: str, stack: StackOf | None = None) -> Sequence[Path]:
        return [result_path(self._folder, name, "_overlay.png")]

    def add(self, labelled: Labelled) -> Sequence[Path]:
        (path,) = self.paths(labelled.name)
        picture = overlay(labelled.label_HW, labelled.image_HW, labelled.pixel_size_nm)
        with replacing(path) as partial:
            picture.save(partial, "PNG")
        return [path]

    def finish(self) -> Sequence[Path]:
        return []


def overlay(label_HW: NDArray[Any], image_HW: NDArray[Any] | None = None, pixel_size_nm: float | None = None) -> Any:
    """A Pillow RGB image. Without ``image_HW`` the particles are grey on black."""
    factor = _factor(label_HW.shape)
    shown = np.where(label_HW > 0, 96, 0).astype(np.uint8) if image_HW is None else _stretched(image_HW)
    picture = _resized(shown, factor).convert("RGB")
    _draw_outlines(picture, label_HW, factor)
    _draw_bar(picture, label_HW.shape[1], factor, pixel_size_nm)
    return picture


def round_length(longest: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is no longer.

    >>> round_length(87.3), round_length(0.4), round_length(100)
    (50.0, 0.2, 100.0)
    """
    decade = 10.0 ** math.floor(math.log10(longest))
    return float(max(step * decade for step in (1, 2, 5) if step * decade <= longest * (1 + 1e-9)))


def length_text(length: float, unit: str) -> str:
    """In the unit that needs the fewest digits.

    >>> length_text(2000, "nm"), length_text(0.5, "nm"), length_text(200, "px")
    ('2 µm', '0.5 nm', '200 px')
    """
    return f"{length / 1000:g} µm" if unit == "nm" and length >= 1000 else f"{length:g} {unit}"


def _factor(shape_HW: tuple[int, ...]) -> float:
    side = max(shape_HW)
    return MOST / side if side > MOST else float(max(1, LEAST // side))


def _stretched(image_HW: NDArray[Any]) -> NDArray[np.uint8]:
    """8 bit, between the percentiles that are shown black and white."""
    image = np.nan_to_num(image_HW.astype(np.float64))
    low, high = np.percentile(image, CLIPPED)
    if high <= low:
        low, high = float(image.min()), float(max(image.max(), image.min() + 1))
    values: NDArray[np.uint8] = np.round(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return values


def _resized(grey_HW: NDArray[np.uint8], factor: float) -> Any:
    from PIL import Image

    height, width = (max(1, round(side * factor)) for side in grey_HW.shape)
    how = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    return Image.fromarray(grey_HW).resize((width, height), how)


def _draw_outlines(picture: Any, label_HW: NDArray[Any], factor: float) -> None:
    """A dark halo under all of them first, so that none covers the line of its neighbour."""
    from PIL import Image, ImageDraw

    thick = _line_width(label_HW, factor, max(picture.size))
    cut = set(border_labels(label_HW).tolist())
    lines = [
        (CUT if label in cut else WHOLE, [(x * factor, y * factor) for y, x in [*loop.tolist(), loop[0].tolist()]])
        for label, loops in outlines(label_HW)
        for loop in loops
    ]
    halo = Image.new("L", picture.size)
    on_halo, on_picture = ImageDraw.Draw(halo), ImageDraw.Draw(picture)
    for _, points in lines:
        on_halo.line(points, fill=round(255 * HALO), width=3 * thick)
    picture.paste((0, 0, 0), mask=halo)
    for colour, points in lines:
        on_picture.line(points, fill=colour, width=thick)


def _line_width(label_HW: NDArray[Any], factor: float, side: int) -> int:
    """Px of the picture: thin beside the particles, and no thicker than is seen well."""
    diameters = equivalent_diameters(label_HW)
    typical = float(np.median(diameters)) * factor if len(diameters) else 0.0
    return max(1, min(round(typical / 25), round(side / 500)))


def _draw_bar(picture: Any, width: int, factor: float, pixel_size_nm: float | None) -> None:
    """White on a dark plate in the lower left corner."""
    from PIL import ImageDraw

    unit, size = ("nm", pixel_size_nm) if pixel_size_nm else ("px", 1.0)
    length = round_length(width * size * BAR_SHARE)
    long, line = length / size * factor, max(2, picture.height // 160)
    font = picture_font(max(10, picture.height // 36))
    draw, text = ImageDraw.Draw(picture, "RGBA"), length_text(length, unit)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad, wide = 2 * line, max(long, right - left)
    x, y = 2 * pad, picture.height - 2 * pad - line
    draw.rectangle((x - pad, y - pad - (bottom - top) - pad, x + wide + pad, y + line + pad), fill=(0, 0, 0, 160))
    draw.rectangle((x + (wide - long) / 2, y, x + (wide + long) / 2 - 1, y + line - 1), fill="white")
    draw.text((x + (wide - (right - left)) / 2 - left, y - pad - (bottom - top) - top), text, font=font, fill="white")
