"""Particles as runs: the pixels that a particle has next to each other in a row. All particles at once, no loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.stages import LabelArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Runs:
    """R runs of K particles in an image of ``shape_HW``, sorted by particle, row and column; none overlap or touch.

    ``owner_R``: the particle, 0 … K - 1. ``row_R``. ``start_R``, ``stop_R``: the first column, and the one past the
    last.
    """

    shape_HW: tuple[int, int]
    count: int
    owner_R: Ints
    row_R: Ints
    start_R: Ints
    stop_R: Ints

    @property
    def length_R(self) -> Ints:
        """Pixels of each run."""
        return self.stop_R - self.start_R

    def total(self, value_R: NDArray[Any]) -> Floats:
        """(K,) sums of what each particle's runs have."""
        total: Floats = np.bincount(self.owner_R, value_R, self.count).astype(np.float64)  # of no runs it is int
        return total

    def boxes(self) -> tuple[Ints, Ints, Ints, Ints]:
        """(K,) each: first row, the one past the last, first column, the one past the last."""
        first = np.searchsorted(self.owner_R, np.arange(self.count))
        if not self.count:
            return first, first, first, first
        last = np.append(first[1:], len(self.owner_R)) - 1
        left, right = np.minimum.reduceat(self.start_R, first), np.maximum.reduceat(self.stop_R, first)
        return self.row_R[first], self.row_R[last] + 1, left, right

    def grown(self, reach: int) -> Runs:
        """Each particle with all pixels within ``reach`` steps along rows and columns, over other particles too.

        >>> label_HW = np.zeros((5, 5), np.int32)
        >>> label_HW[2, 2] = 1
        >>> runs_of(label_HW)[1].grown(1).length_R.tolist()
        [1, 3, 1]
        """
        height, width = self.shape_HW
        starts, stops = [], []
        for step in range(-reach, reach + 1):
            row, by = self.row_R + step, reach - abs(step)
            line = (self.owner_R * height + row) * (width + 1)
            inside = (row >= 0) & (row < height)
            starts.append((line + np.maximum(self.start_R - by, 0))[inside])
            stops.append((line + np.minimum(self.stop_R + by, width))[inside])
        return self._joined(np.concatenate(starts), np.concatenate(stops))

    def _joined(self, start: Ints, stop: Ints) -> Runs:
        """The union of runs whose ends are columns counted on through all rows (of W + 1 columns) of all particles."""
        height, width = self.shape_HW
        start, stop = np.sort(start, kind="stable"), np.sort(stop, kind="stable")
        # As many end as begin before a gap, so the ends can be sorted by themselves.
        gap = start[1:] > stop[:-1]
        start, stop = start[np.append(True, gap)[: len(start)]], stop[np.append(gap, True)[: len(stop)]]
        line, column = np.divmod(start, width + 1)
        owner, row = np.divmod(line, height)
        return Runs(self.shape_HW, self.count, owner, row, column, column + stop - start)


def runs_of(label_HW: LabelArray) -> tuple[Ints, Runs]:
    """The K labels over 0 in rising order, and their runs."""
    height, width = label_HW.shape
    first_HW = np.ones((height, width), bool)
    np.not_equal(label_HW[:, 1:], label_HW[:, :-1], out=first_HW[:, 1:])
    start = np.flatnonzero(first_HW)
    length = np.diff(start, append=label_HW.size)
    label = label_HW.ravel()[start].astype(np.int64)
    order = np.argsort(label, kind="stable")
    order = order[np.searchsorted(label[order], 1) :]
    start, length, label = start[order], length[order], label[order]
    new = np.diff(label, prepend=0) > 0
    row, column = np.divmod(start, width)
    labels = label[new]
    return labels, Runs((height, width), len(labels), np.cumsum(new) - 1, row, column, column + length)


def sums_over(value_HW: NDArray[Any], *regions: Runs) -> list[Floats]:
    """(K,) sums over each particle's pixels in each of the regions; NaN where one of them is not finite."""
    wrong_HW = ~np.isfinite(value_HW)
    if wrong_HW.any():  # would spoil all sums to the right of it
        sums = sums_over(np.where(wrong_HW, 0, value_HW), *regions)
        wrong = sums_over(wrong_HW, *regions)
        return [np.where(count > 0, np.nan, total) for count, total in zip(wrong, sums, strict=True)]
    import cv2

    kind = np.uint8 if value_HW.dtype == bool else np.float32 if value_HW.dtype == np.float32 else np.float64
    above_HW = cv2.integral(np.ascontiguousarray(value_HW, kind), sdepth=cv2.CV_64F)  # sums over what is up and left

    def row_sum(runs: Runs, column_R: Ints) -> NDArray[Any]:
        found: NDArray[Any] = above_HW[runs.row_R + 1, column_R] - above_HW[runs.row_R, column_R]
        return found

    return [runs.total(row_sum(runs, runs.stop_R) - row_sum(runs, runs.start_R)) for runs in regions]
