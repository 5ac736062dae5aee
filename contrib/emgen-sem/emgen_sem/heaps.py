"""Heaps of particles that lie over each other, and what shows of them. P: particles of a heap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from emgen.stages import LabelArray
from emgen_masks.outlines import Stamp

CANDIDATES = 12
"""Places beside particles of the heap that are compared before one more is put down."""
LEAST_PX = 4
"""Pixels of a particle that must show, whatever share of it that is."""


def heap_places(
    radii_P: Sequence[float], overlap: float, compactness: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(P, 2) centres, the first at the origin, each next one in touch with another.

    ``overlap``: depth of the contact over the sum of both radii, on average. ``compactness``: share of particles that
    take the place with most neighbours; the others take the one with fewest.
    """
    places = np.zeros((len(radii_P), 2))
    radii = np.asarray(radii_P, float)
    for number in range(1, len(radii)):
        there, sizes, own = places[:number], radii[:number], radii[number]
        anchor = rng.integers(number, size=CANDIDATES)
        angle = rng.uniform(0, 2 * np.pi, CANDIDATES)
        reach = (sizes[anchor] + own) * (1 - overlap * rng.uniform(0.5, 1.5, CANDIDATES))
        tried = there[anchor] + reach[:, None] * np.c_[np.sin(angle), np.cos(angle)]
        distance = np.linalg.norm(tried[:, None] - there, axis=2) / (sizes + own)
        contacts = (distance < 1).sum(axis=1) - 100.0 * (distance < 0.9 * (1 - 1.5 * overlap)).any(axis=1)
        best = contacts.argmax() if rng.random() < compactness else np.where(contacts < 0, 99, contacts).argmin()
        places[number] = tried[best]
    return places


class Canvas:
    """A mask on which particles are put from the top down: of a shared pixel the earlier one is the owner."""

    def __init__(self, shape_HW: tuple[int, int]) -> None:
        self._owner = np.zeros(shape_HW, np.int32)
        self.count = 0

    def put(self, piece: Stamp, centre: NDArray[Any], least_visible: float) -> bool:
        """Whether enough of the particle shows; only then it lies there."""
        ys, xs = np.rint(centre).astype(int)[:, None] + np.stack([piece.ys, piece.xs])
        inside = (ys >= 0) & (ys < self._owner.shape[0]) & (xs >= 0) & (xs < self._owner.shape[1])
        ys, xs = ys[inside], xs[inside]
        free = self._owner[ys, xs] == 0
        if free.sum() < max(LEAST_PX, least_visible * len(ys)):
            return False
        self.count += 1
        self._owner[ys[free], xs[free]] = self.count
        return True

    def finish(self) -> LabelArray:
        """(H, W) int32: the largest piece that shows of each particle, numbered without gaps."""
        pieces_HW = label(self._owner, background=0, connectivity=1)
        areas = np.bincount(pieces_HW.ravel())
        owner = np.zeros(len(areas), np.int64)
        owner[pieces_HW] = self._owner
        largest = np.zeros(self.count + 1, np.int64)
        by_area = np.argsort(areas, kind="stable")
        largest[owner[by_area]] = by_area
        kept = (largest[owner] == np.arange(len(areas))) & (owner > 0) & (areas >= LEAST_PX)
        return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[pieces_HW]
