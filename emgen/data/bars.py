"""Data bars and borders: a flat band along an edge that is no part of the micrograph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Edge = Literal["top", "bottom", "left", "right"]
TURNS: dict[Edge, int] = {"top": 0, "right": 1, "bottom": 2, "left": 3}
"""Quarter turns that bring an edge to the top."""
FLAT = 0.015
"""Values so near to each other, in shares of the image's range, count as one."""
OF_A_BAND, OF_THE_IMAGE, JUMP = 0.5, 0.4, 0.3
"""Share of a line's pixels that have the band's value: least of a band, most of what follows it, least fall between."""
THINNEST, WIDEST = 0.01, 0.4
"""Height of a band in shares of the image's."""
INK = 0.003
"""Share of a band's pixels that are far from its value where there is text on it."""
SHORTEST, LOWEST, HIGHEST, RULE = 64, 8, 0.25, 4
"""Of a bar to be cropped: least rows of an image, least rows of a bar, most in shares of the image, most rows of a line
between bar and image."""
FLAT_JPEG, INK_CONTRAST, LETTERS = 0.06, 0.25, 8
"""``FLAT`` around the letters of a JPEG; contrast of ink in shares of the range; least letters on a line."""


@dataclass(frozen=True, slots=True)
class Band:
    """``width`` pixels along an ``edge``; ``text``: something is written on it."""

    edge: Edge
    width: int
    text: bool

    def window(self, shape_HW: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, bottom, right) of what remains of an image."""
        height, width = shape_HW
        cut = {edge: self.width if edge == self.edge else 0 for edge in TURNS}
        return cut["top"], cut["left"], height - cut["bottom"], width - cut["right"]


def find_bands(image_HW: NDArray[Any]) -> list[Band]:
    """Flat bands along the edges of (H, W); the boundary of each is straight across the whole image."""
    span = _span(image_HW)
    return list(_bands(image_HW, span)) if span > 0 else []


def find_bar(image_HW: NDArray[Any]) -> int:
    """Rows of a data bar at the bottom of (H, W), sure enough to be cropped; 0 where there is none.

    A band as of ``find_bands`` (or one blurred by JPEG) with a line of letters on it: things of one height that stand
    on one row of pixels, as particles do not.
    """
    span = _span(image_HW)
    if span <= 0 or len(image_HW) < SHORTEST:
        return 0
    turned_HW = np.rot90(image_HW, TURNS["bottom"])
    for flat in (FLAT, FLAT_JPEG):
        rows = _width(turned_HW, span, flat)
        if LOWEST <= rows <= HIGHEST * len(image_HW) and _letters(turned_HW[:rows], span) >= LETTERS:
            return rows + _rule(turned_HW[rows : rows + RULE], span)
    return 0


def _letters(band_HW: NDArray[Any], span: float) -> int:
    """How many things of about one height stand on one row of pixels, at most."""
    from scipy import ndimage

    ink_HW = np.abs(band_HW - float(np.median(band_HW))) > INK_CONTRAST * span
    boxes = ndimage.find_objects(ndimage.label(ink_HW, np.ones((3, 3)))[0])
    sizes = [(rows.stop - rows.start, columns.stop - columns.start, rows.stop) for rows, columns in boxes]
    letters = [(height, foot) for height, width, foot in sizes if 5 <= height <= len(band_HW) and width <= 2 * height]
    lines = [
        sum(abs(foot - other_foot) <= 1 and abs(height - other) <= 1 for other, other_foot in letters)
        for height, foot in letters
    ]
    return max(lines, default=0)


def _rule(image_HW: NDArray[Any], span: float) -> int:
    """How many of these lines, from the first on, are part of a line ruled between bar and image."""
    plain = [np.abs(line - float(np.median(line))).max() <= FLAT * span for line in image_HW]
    return plain.index(False) if False in plain else len(plain)


def _span(image_HW: NDArray[Any]) -> float:
    step = max(1, int(np.sqrt(image_HW.size / 2**18)))
    low, high = np.percentile(image_HW[::step, ::step], (0.1, 99.9))
    return float(high - low)


def _bands(image_HW: NDArray[Any], span: float) -> Iterator[Band]:
    for edge, turns in TURNS.items():
        turned = np.rot90(image_HW, turns)
        width = _width(turned, span)
        if width:
            yield Band(edge, width, _has_text(turned[:width], span))


def _width(image_HW: NDArray[Any], span: float, flat: float = FLAT) -> int:
    """Rows of a band at the top; 0 where there is none."""
    height = image_HW.shape[0]
    least, most = max(4, round(THINNEST * height)), int(WIDEST * height)
    value = float(np.median(image_HW[:least]))
    share = _shares(image_HW, value, flat * span, least)
    if share.mean() < OF_A_BAND:
        return 0
    share = _shares(image_HW, value, flat * span, min(height, most + 8))
    falls = [row for row in range(least, most) if _ends(share, row)]
    rest = _shares(image_HW, value, flat * span, height)
    return falls[-1] if falls and rest[falls[-1] :].mean() < OF_THE_IMAGE else 0


def _shares(image_HW: NDArray[Any], value: float, near: float, rows: int) -> NDArray[Any]:
    """Of each of the first rows, the share of pixels with the band's value."""
    shares: NDArray[Any] = (np.abs(image_HW[:rows] - value) <= near).mean(axis=1)
    return shares


def _ends(share: NDArray[Any], row: int) -> bool:
    """The band reaches down to ``row`` and ends there at once, as nothing in a specimen does."""
    inside, after = share[:row], share[row + 1 : row + 5]
    sharp = share[row - 1] - after.mean() >= JUMP
    return bool(sharp and share[row - 1] >= OF_A_BAND and inside.mean() >= OF_A_BAND and after.max() < OF_A_BAND)


def _has_text(band_HW: NDArray[Any], span: float) -> bool:
    inner = band_HW[: max(1, len(band_HW) - 2)]
    far = np.abs(inner - np.median(inner)) > 0.25 * span
    return bool(INK <= far.mean() <= 0.5)
