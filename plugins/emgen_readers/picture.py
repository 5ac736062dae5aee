"""PNG, JPEG and BMP, by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emgen.data import Micrograph
from emgen.data.checks import to_grey

PLAIN_MODES = ("L", "LA", "I", "I;16", "I;16B", "F", "RGB", "RGBA")


class PictureReader:
    """Opens pictures. Their resolution entries speak of printing, so no pixel size is taken from them."""

    def open(self, path: Path) -> PictureStack:
        with Image.open(path):  # the header; the pixels come when they are asked for
            return PictureStack(path)


class PictureStack(Sequence[Micrograph]):
    """A stack of one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(1))]
        if index not in (0, -1):
            raise IndexError(index)
        with Image.open(self._path) as picture:
            plain = picture if picture.mode in PLAIN_MODES else picture.convert(_plain_mode(picture.mode))
            image_HW, notes = to_grey(np.asarray(plain), self._path)
        return Micrograph(image_HW, None, self._path.stem, self._path, {"notes": notes})


def _plain_mode(mode: str) -> str:
    """1-bit to bytes; palettes and print colours to RGB, where ``to_grey`` decides whether they hold colour."""
    return "L" if mode == "1" else "RGB"
