"""What counts as one independent observation: an image, or a micrograph with all its crops.

Crops of one micrograph share brightness, focus and noise, and may overlap. Treated as independent they make every set
look larger than it is. So resampling goes by micrograph wherever there are enough of them to resample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.errors import BadImageError

LEAST_IMAGES = 7
"""Fewer have at most 10 divisions into halves, too few to see 5 % of anything; seven have 35."""

LEAST_GROUPS = 8
"""With fewer, equal sets are called different in more than 8 % of cases; six have but 10 divisions into halves."""


@dataclass(frozen=True)
class Units:
    """``of_M``: for each real image its unit, 0 … U-1.

    Attributes
    ----------
    word: what a unit is, ``micrographs`` or ``images``.
    too_few: of how many micrographs the images come, where these are too few to resample and images stand in for them.
    """

    of_M: NDArray[np.intp]
    word: str
    too_few: int | None = None

    @property
    def count(self) -> int:
        return int(self.of_M.max()) + 1

    @property
    def divisions(self) -> int:
        """Into halves, how many different ones there are: no p value is below one in so many."""
        ways = math.comb(self.count, self.count // 2)
        return ways // 2 if self.count % 2 == 0 else ways


def units(groups: Sequence[int] | NDArray[np.integer] | None, images: int) -> Units:
    """From the micrograph of each real image, or ``None`` where nobody knows. Raises ``BadImageError``."""
    if groups is None:
        return Units(np.arange(images), "images")
    if len(groups) != images:
        raise BadImageError(f"groups name the source of {len(groups)} images, but there are {images} real ones.")
    found, of_M = np.unique(np.asarray(groups), return_inverse=True)
    if len(found) == images:
        return Units(np.arange(images), "images")
    if len(found) < LEAST_GROUPS:
        return Units(np.arange(images), "images", too_few=len(found))
    return Units(of_M.ravel().astype(np.intp), "micrographs")


def divisions(found: Units, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(count, M): for each of so many divisions, whether an image lies in the first half. No unit is divided."""
    in_order_SU = np.tile(np.arange(found.count) < found.count // 2, (count, 1))
    return np.asarray(rng.permuted(in_order_SU, axis=1)[:, found.of_M])
