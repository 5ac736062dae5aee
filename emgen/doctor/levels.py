"""Grey levels that lost something: clipped at either end, or so few that they show as steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Levels:
    """Shares of the pixels.

    Attributes
    ----------
    white, black: that have the greatest, the least value. flat_white, flat_black: of those, in areas of at least 3 x 3,
    where a detector or a display range cut something off. distinct: number of different values in a sample.
    """

    white: float
    black: float
    flat_white: float
    flat_black: float
    distinct: int


def measure_levels(image_HW: NDArray[Any]) -> Levels:
    """Of an image as its file holds it."""
    white_HW, black_HW = image_HW == image_HW.max(), image_HW == image_HW.min()
    step = max(1, int(np.sqrt(image_HW.size / 2**18)))
    distinct = len(np.unique(image_HW[::step, ::step]))
    return Levels(_spare(white_HW), _spare(black_HW), _inside(white_HW), _inside(black_HW), distinct)


def _spare(mask_HW: NDArray[np.bool_]) -> float:
    """Share of the pixels beyond the one that is the extreme of any image."""
    return float((mask_HW.sum() - 1) / mask_HW.size)


def _inside(mask_HW: NDArray[np.bool_]) -> float:
    """Share of pixels whose 3 x 3 surroundings are all in the mask."""
    if mask_HW.mean() < 1e-5 or min(mask_HW.shape) < 3:
        return 0.0
    across = mask_HW[:, :-2] & mask_HW[:, 1:-1] & mask_HW[:, 2:]
    return float((across[:-2] & across[1:-1] & across[2:]).mean())
