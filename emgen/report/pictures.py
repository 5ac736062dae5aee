"""Images as PNG data URIs: micrographs, contours drawn on them, instance masks in colours."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
CONTOUR: Colour = (255, 176, 0)
_SHOWN = 256
"""Pixels: larger images are made smaller for the page, smaller ones enlarged by a whole factor."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of pictures under one caption."""

    title: str
    note: str
    pictures: tuple[str, ...]


def grey(image_HW: NDArray[Any]) -> str:
    """(H, W) in [0, 1] as it is, no stretch: contrast is part of what is judged."""
    return _png(_fit(_bytes(image_HW)))


def outlined(image_HW: NDArray[Any], label_HW: NDArray[Any]) -> str:
    """The image with the instances' outlines; the outline lies on the pixels of the particle's rim."""
    factor = _factor(image_HW.shape)
    rgb = _rgb(_fit(_bytes(image_HW)))
    rgb[_rims(_resampled(np.asarray(label_HW), factor))] = CONTOUR
    return _png(rgb)


def marked(
    image_HW: NDArray[Any],
    label_HW: NDArray[Any],
    colours: Mapping[int, Colour],
    rings: Sequence[tuple[float, float, float, Colour]] = (),
) -> str:
    """The image with each instance's outline in its own colour, and rings (y, x, radius in px, colour)."""
    factor = _factor(image_HW.shape)
    rgb = _rgb(_fit(_bytes(image_HW)))
    labels = _resampled(np.asarray(label_HW), factor)
    rims = _rims(labels)
    for label, colour in colours.items():
        rgb[rims & (labels == label)] = colour
    rows, columns = np.ogrid[: rgb.shape[0], : rgb.shape[1]]
    for y, x, radius, colour in rings:
        distance = np.hypot(rows - (y + 0.5) * factor, columns - (x + 0.5) * factor)
        rgb[np.abs(distance - (radius + 1) * factor) < 0.8] = colour
    return _png(rgb)


def coloured(label_HW: NDArray[Any]) -> str:
    """Instances in colours, so that particles that touch are seen apart."""
    labels = _resampled(np.asarray(label_HW), _factor(label_HW.shape))
    rng = np.random.default_rng(1)
    palette = np.vstack([[24, 26, 32], rng.integers(90, 250, (997, 3))]).astype(np.uint8)
    rgb = palette[np.where(labels > 0, 1 + labels % 997, 0)]
    rgb[_rims(labels)] = (24, 26, 32)
    return _png(rgb)


def spread(count: int, wanted: int) -> list[int]:
    """Up to ``wanted`` indices spread evenly over ``count``: not the best ones, and always the same ones."""
    if count <= 0:
        return []
    return [int(index) for index in np.unique(np.linspace(0, count - 1, min(wanted, count)).round())]


def _bytes(image_HW: NDArray[Any]) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = np.round(np.clip(np.nan_to_num(image_HW), 0, 1) * 255).astype(np.uint8)
    return values


def _rgb(grey_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey_HW[..., None], 3, axis=-1)


def _factor(shape: tuple[int, ...]) -> float:
    """Whole when enlarging, so that pixels stay square; any number when reducing."""
    side = max(shape)
    return float(max(1, _SHOWN // side)) if side <= _SHOWN else _SHOWN / side


def _fit(image_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    factor = _factor(image_HW.shape)
    height, width = (max(1, round(side * factor)) for side in image_HW.shape)
    how = Image.Resampling.BICUBIC if factor >= 1 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(image_HW).resize((width, height), how))


def _resampled(label_HW: NDArray[Any], factor: float) -> NDArray[Any]:
    """Nearest neighbour."""
    rows, columns = (
        np.minimum(((np.arange(max(1, round(side * factor))) + 0.5) / factor).astype(int), side - 1)
        for side in label_HW.shape
    )
    return label_HW[np.ix_(rows, columns)]


def _rims(label_HW: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of a particle with another value beside, above or below."""
    rim = np.zeros(label_HW.shape, bool)
    vertical, horizontal = label_HW[1:] != label_HW[:-1], label_HW[:, 1:] != label_HW[:, :-1]
    rim[1:] |= vertical
    rim[:-1] |= vertical
    rim[:, 1:] |= horizontal
    rim[:, :-1] |= horizontal
    return rim & (label_HW > 0)


def _png(pixels: NDArray[np.uint8]) -> str:
    """(H, W) grey or (H, W, 3) colour."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
