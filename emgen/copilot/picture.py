"""What the page shows of a frame: the micrograph as JPEG, its particles' outlines as a transparent PNG of that size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.files import replacing
from emgen.stages import LabelArray
from emgen.writing.overlay import CLIPPED, CUT, WHOLE

LARGEST = 1024
"""Px of the longer side."""
_LOOKED_AT = 8
"""Every so many-th row and column tell which grey values are shown black and white."""
_QUALITY = 85


def write_pictures(image_HW: NDArray[Any], label_HW: LabelArray, picture: Path, contours: Path) -> None:
    """Raises ``OutputError``."""
    import cv2

    picture.parent.mkdir(parents=True, exist_ok=True)
    size = shown_size(image_HW.shape)
    small = cv2.resize(stretched(image_HW), size, interpolation=cv2.INTER_AREA)
    _write(picture, ".jpg", np.asarray(small, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    _write(contours, ".png", contours_HWC(label_HW, size), [cv2.IMWRITE_PNG_COMPRESSION, 1])


def shown_size(shape_HW: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of the picture: never enlarged."""
    factor = min(1.0, LARGEST / max(shape_HW))
    return max(1, round(shape_HW[1] * factor)), max(1, round(shape_HW[0] * factor))


def stretched(image_HW: NDArray[Any]) -> NDArray[np.uint8]:
    """The middle percentiles from black to white."""
    step = max(1, min(image_HW.shape) // 256) if min(image_HW.shape) > 256 else 1
    low, high = np.percentile(image_HW[:: min(step, _LOOKED_AT), :: min(step, _LOOKED_AT)], CLIPPED)
    scale = np.float32(255 / max(float(high) - float(low), 1e-9))
    shown = (image_HW.astype(np.float32) - np.float32(low)) * scale
    grey: NDArray[np.uint8] = np.clip(shown, 0, 255).astype(np.uint8)
    return grey


def contours_HWC(label_HW: LabelArray, size_WH: tuple[int, int]) -> NDArray[np.uint8]:
    """BGRA: where a particle meets another label, orange; light blue where the frame's edge cuts it."""
    import cv2

    from emgen.particles import border_labels

    small = cv2.resize(label_HW, size_WH, interpolation=cv2.INTER_NEAREST)
    inside = np.zeros(small.shape, bool)
    inside[:, :-1] |= small[:, :-1] != small[:, 1:]
    inside[:, 1:] |= small[:, 1:] != small[:, :-1]
    inside[:-1] |= small[:-1] != small[1:]
    inside[1:] |= small[1:] != small[:-1]
    inside &= small > 0
    is_cut = np.zeros(int(label_HW.max(initial=0)) + 1, bool)
    is_cut[border_labels(label_HW)] = True
    drawn = np.zeros((*small.shape, 4), np.uint8)
    drawn[inside] = (*WHOLE[::-1], 255)
    drawn[inside & is_cut[small]] = (*CUT[::-1], 255)
    # Two px wide: one would fade where a small screen reduces the picture.
    return np.asarray(cv2.dilate(drawn, np.ones((2, 2), np.uint8)), np.uint8)


def _write(path: Path, kind: str, image: NDArray[np.uint8], settings: list[int]) -> None:
    import cv2

    _, coded = cv2.imencode(kind, image, settings)
    with replacing(path) as partial:
        partial.write_bytes(coded.tobytes())
