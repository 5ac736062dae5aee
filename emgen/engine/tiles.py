"""Pieces of real micrographs that no segmentation network was trained on: where rounds are compared."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.data import SplitPlan, Window, resize_labels, resize_to, scaled_shape

SIDE = 2
"""Sides of a tile in crops: wide enough to know the background around its particles."""
MOST = 60
"""Tiles that are looked at, spread evenly over all."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A window of a micrograph, and its factor: working scale over native scale."""

    window: Window
    factor: float

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self.window), "factor": self.factor}

    def image(self, image_HW: NDArray[Any]) -> NDArray[np.float32]:
        """This part of a whole micrograph, at the working scale."""
        return resize_to(image_HW[self.window.slices], self._shape)

    def label(self, label_HW: NDArray[Any]) -> NDArray[np.int32]:
        """This part of a micrograph's instances, at the working scale."""
        return resize_labels(label_HW[self.window.slices], self._shape)

    @property
    def _shape(self) -> tuple[int, int]:
        return scaled_shape((self.window.height, self.window.width), self.factor)


def tiles_of(
    plan: SplitPlan, factors: Sequence[float], crop: int, labelled: Collection[int] = (), most: int = MOST
) -> list[Tile]:
    """Tiles that do not overlap, of subset 2 and the held-out part: what no rough mask was taken of.

    ``crop``: side of a crop in pixels at the working scale. ``labelled``: micrographs whose labels are trained on; they
    are left out as long as others remain. At most ``most`` tiles, evenly spread.
    """
    windows = sorted((*plan.subset2, *plan.held_out))
    windows = [window for window in windows if window.index not in labelled] or windows
    tiles = [
        Tile(part, factors[w.index]) for w in windows for part in divided(w, round(SIDE * crop / factors[w.index]))
    ]
    if len(tiles) <= most:
        return tiles
    return [tiles[int(place)] for place in np.linspace(0, len(tiles) - 1, most).round()]


def divided(window: Window, side: int) -> list[Window]:
    """The window in equal parts, each side as near to ``side`` pixels as it can be.

    >>> [(part.y, part.height) for part in divided(Window(0, 0, 0, 100, 40), 48)]
    [(0, 50), (50, 50)]
    """
    rows, columns = (_cuts(length, side) for length in (window.height, window.width))
    return [
        Window(window.index, window.y + y, window.x + x, y_end - y, x_end - x)
        for y, y_end in pairwise(rows)
        for x, x_end in pairwise(columns)
    ]


def _cuts(length: int, side: int) -> list[int]:
    count = max(1, round(length / side))
    return [round(length * part / count) for part in range(count + 1)]
