"""Particles placed one after the other on a mask: apart, in clusters, in touch, or overlapping. C: candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from emgen.stages import LabelArray
from emgen_masks.outlines import Stamp

VISIBLE = 4
"""Least pixels of a particle within the mask; less is no particle for the eye nor for a segmenter."""
CANDIDATES = 24
ROUNDS = 4
"""Rounds of candidates, each with half the gap of the one before, until a particle is left out for want of room."""
DEEPEST = 0.2
"""How far a touching particle reaches under its neighbour, at most, as a share of the smaller radius."""
COVERED = 0.35
"""Largest share of a particle that may lie under others."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """How particles lie to each other.

    Attributes
    ----------
    touching: share placed in touch with one that is there.
    clustered: share placed near one that is there, normally distributed with standard deviation ``spread`` (px).
    gap: px that the others keep between outlines, where there is room.
    overlap: share placed without regard to others; of a shared pixel the earlier particle is the owner.
    """

    touching: float = 0.0
    clustered: float = 0.0
    spread: float = 30.0
    gap: float = 0.0
    overlap: float = 0.0


def populate(
    shape_HW: tuple[int, int], stamps: Sequence[Stamp], spacing: Spacing, rng: np.random.Generator
) -> LabelArray:
    """(H, W) int32 instances: the stamps, largest first, where they fit; some reach over the edge."""
    canvas = _Canvas(shape_HW, max((s.reach for s in stamps), default=0) + 1)
    for piece in sorted(stamps, key=lambda s: -s.radius):
        canvas.place(piece, spacing, rng)
    return canvas.finish()


def in_sight(shape_HW: tuple[int, int], diameter: Any) -> Any:
    """Area (px²) in which the centre of a particle of that diameter (or diameters) lies, if any of it shows."""
    return (shape_HW[0] + diameter) * (shape_HW[1] + diameter)


class _Canvas:
    """A mask with a margin into which particles at the edge reach; coordinates are those of the mask."""

    def __init__(self, shape_HW: tuple[int, int], margin: int) -> None:
        self._shape, self._margin = shape_HW, margin
        self._label = np.zeros((shape_HW[0] + 4 * margin, shape_HW[1] + 4 * margin), np.int32)
        self._centres: list[NDArray[Any]] = []
        self._radii: list[float] = []

    def place(self, piece: Stamp, spacing: Spacing, rng: np.random.Generator) -> None:
        way = rng.random()
        if self._radii and way < spacing.touching and self._attach(piece, rng):
            return None
        clustered = way > 1 - spacing.clustered and bool(self._radii)
        overlapping = rng.random() < spacing.overlap
        for gap in spacing.gap / 2.0 ** np.arange(ROUNDS):
            centres_C2 = self._propose(piece, spacing.spread if clustered else None, rng)
            free = self._visible(piece, centres_C2)
            if overlapping:
                free &= self._hits(piece.ys, piece.xs, centres_C2) <= COVERED * len(piece.ys)
            else:
                free &= (self._hits(piece.near_ys, piece.near_xs, centres_C2) == 0) & self._apart(
                    piece, centres_C2, gap
                )
            if free.any():
                return self._paint(piece, centres_C2[free.argmax()])
        return None

    def finish(self) -> LabelArray:
        """What shows of each particle, its largest piece where others or the edge divide it, numbered without gaps."""
        height, width = self._shape
        start = 2 * self._margin
        pieces_HW = label(self._label[start : start + height, start : start + width], background=0, connectivity=1)
        areas = np.bincount(pieces_HW.ravel())
        owner = np.zeros(len(areas), np.int64)
        owner[pieces_HW] = self._label[start : start + height, start : start + width]
        by_area = np.argsort(areas, kind="stable")
        largest = np.zeros(len(self._radii) + 1, np.int64)
        largest[owner[by_area]] = by_area
        kept = (largest[owner] == np.arange(len(areas))) & (areas >= VISIBLE) & (owner > 0)
        return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[pieces_HW]

    def _propose(self, piece: Stamp, spread: float | None, rng: np.random.Generator) -> NDArray[np.int64]:
        """(C, 2) centres, anywhere that the particle would show, or around particles that are there."""
        low, high = -piece.radius, np.array(self._shape) + piece.radius
        if spread is None:
            return np.rint(rng.uniform(low, high, (CANDIDATES, 2))).astype(np.int64)
        parents = np.array(self._centres)[rng.integers(len(self._centres), size=CANDIDATES)]
        around = parents + rng.normal(0, spread, (CANDIDATES, 2))
        return np.rint(np.clip(around, low, high)).astype(np.int64)

    def _attach(self, piece: Stamp, rng: np.random.Generator) -> bool:
        """Slide the particle towards another until they touch, and a little on; the other stays as it is."""
        for _ in range(ROUNDS):
            anchor = int(rng.integers(len(self._radii)))
            angle = rng.uniform(0, 2 * np.pi)
            direction = np.array([np.sin(angle), np.cos(angle)])
            far = 1.8 * (self._radii[anchor] + piece.radius) + 2
            way = self._centres[anchor] + np.arange(far, 0, -1)[:, None] * direction
            path_C2 = np.rint(way).astype(np.int64)
            path_C2 = path_C2[self._visible(piece, path_C2)]
            touch = self._hits(piece.near_ys, piece.near_xs, path_C2) > 0
            first = int(touch.argmax()) if touch.any() else 0
            if first == 0:  # in touch from the start: something else lies there
                continue
            deeper = int(rng.uniform(0, DEEPEST) * min(piece.radius, self._radii[anchor]))
            last = min(first + deeper, len(path_C2) - 1)
            self._paint(piece, path_C2[last])
            return True
        return False

    def _apart(self, piece: Stamp, centres_C2: NDArray[Any], gap: float) -> NDArray[np.bool_]:
        if not self._radii or gap <= 0:
            return np.ones(len(centres_C2), bool)
        distance = np.linalg.norm(centres_C2[:, None] - np.array(self._centres), axis=2)
        apart: NDArray[np.bool_] = (distance >= np.array(self._radii) + piece.radius + gap).all(axis=1)
        return apart

    def _hits(self, ys: NDArray[Any], xs: NDArray[Any], centres_C2: NDArray[Any]) -> NDArray[np.int64]:
        """How many of the pixels lie on particles, for each centre."""
        rows, columns = self._at(ys, xs, centres_C2)
        return np.count_nonzero(self._label[rows, columns], axis=1)

    def _visible(self, piece: Stamp, centres_C2: NDArray[Any]) -> NDArray[np.bool_]:
        ys, xs = centres_C2[:, :1] + piece.ys, centres_C2[:, 1:] + piece.xs
        height, width = self._shape
        shown = ((ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)).sum(axis=1)
        enough: NDArray[np.bool_] = shown >= min(VISIBLE, len(piece.ys))
        return enough

    def _paint(self, piece: Stamp, centre: NDArray[Any]) -> None:
        rows, columns = self._at(piece.ys, piece.xs, centre[None])
        free = self._label[rows[0], columns[0]] == 0
        self._centres.append(centre)
        self._radii.append(piece.radius)
        self._label[rows[0][free], columns[0][free]] = len(self._radii)

    def _at(self, ys: NDArray[Any], xs: NDArray[Any], centres_C2: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        start = 2 * self._margin
        return centres_C2[:, :1] + ys + start, centres_C2[:, 1:] + xs + start
