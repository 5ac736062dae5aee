"""PNG, JPEG and BMP, by Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emgen.data.frames import Frames
from emgen.data.units import PixelSize

FORMATS = ("PNG", "JPEG", "BMP")
PLAIN_MODES = ("L", "LA", "I", "I;16", "I;16B", "F", "RGB", "RGBA")
SIZE = PixelSize(why="pictures of this format hold none")


class PictureReader:
    """Opens pictures. Their resolution entries speak of printing, so no pixel size is taken from them."""

    def open(self, path: Path) -> Frames:
        """A stack of one. Reads the header; the pixels come when they are asked for."""
        with Image.open(path, formats=FORMATS):
            return Frames(path, 1, lambda index: _read(path), size=SIZE)


def _read(path: Path) -> NDArray[Any]:
    with Image.open(path, formats=FORMATS) as picture:
        plain = picture if picture.mode in PLAIN_MODES else picture.convert(_plain_mode(picture.mode))
        return np.asarray(plain)


def _plain_mode(mode: str) -> str:
    """1-bit to bytes; palettes and print colours to RGB, where ``to_grey`` decides whether they hold colour."""
    return "L" if mode == "1" else "RGB"
