"""Convex hulls of all particles at once.

A hull goes around the middles of the pixels' edges, not the corners: these would make small discs look ragged. So its
corners lie at halves of a pixel; doubled, they are whole numbers, and which of them are corners is decided exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emgen.particles.runs import Floats, Ints, Runs


class Hulls(NamedTuple):
    """(K,) each: largest and least width of each hull (Feret diameters) in px, and its area in px²."""

    feret_max_K: Floats
    feret_min_K: Floats
    area_K: Floats


class _Corners(NamedTuple):
    """Corners of hulls, one hull after the other, each all round: down at its left, up at its right."""

    owner_C: Ints
    y_C: Ints
    x_C: Ints


def hulls_of(runs: Runs) -> Hulls:
    """Of the particles that the runs belong to."""
    if not runs.count:
        return Hulls(np.zeros(0), np.zeros(0), np.zeros(0))
    corners = _corners(runs)
    first = np.searchsorted(corners.owner_C, np.arange(runs.count))
    after = np.arange(1, len(corners.owner_C) + 1)
    after[np.append(first[1:], len(after)) - 1] = first
    y, x = corners.y_C, corners.x_C
    doubled = np.add.reduceat(y * x[after] - y[after] * x, first)
    longest, narrowest = _widths(corners, first, after)
    return Hulls(longest / 2, narrowest / 2, doubled / 8)


def _corners(runs: Runs) -> _Corners:
    new = np.append(True, (np.diff(runs.owner_R) > 0) | (np.diff(runs.row_R) > 0))
    last = np.append(new[1:], True)
    owner, row = runs.owner_R[new], runs.row_R[new]
    left = _left_side(owner, row, runs.start_R[new])
    right = _left_side(owner, row, 1 - runs.stop_R[last])  # mirrored
    down, up = slice(None), slice(None, None, -1)
    owner, y, x = (np.concatenate([a[down], b[up]]) for a, b in zip(left, right, strict=True))
    x[len(left.x_C) :] *= -1
    order = np.argsort(owner, kind="stable")
    owner, y, x = owner[order], y[order], x[order]
    # The two sides may meet in a point, below, or above, where the last comes upon the first.
    begin = np.searchsorted(owner, owner)
    same = np.append((np.diff(owner) == 0) & (np.diff(y) == 0) & (np.diff(x) == 0), False)
    ends = np.append(np.diff(owner) > 0, True)
    same |= ends & (y == y[begin]) & (x == x[begin])
    return _Corners(owner[~same], y[~same], x[~same])


def _left_side(owner: Ints, row: Ints, left: Ints) -> _Corners:
    """The hulls' left sides downwards, doubled, of the leftmost pixel in each row."""
    y, x = np.stack([2 * row - 1, 2 * row, 2 * row + 1], axis=1), np.stack([2 * left, 2 * left - 1, 2 * left], axis=1)
    below = (np.diff(owner) == 0) & (np.diff(row) == 1)
    x[1:, 0] = np.where(below, np.minimum(x[1:, 0], x[:-1, 2]), x[1:, 0])
    kept = np.ones(x.shape, bool)
    kept[:-1, 2] = ~below  # the edge between two rows is counted once
    side = _Corners(np.repeat(owner, 3)[kept.ravel()], y[kept], x[kept])
    while (inner := _inner(side)).any():
        side = _Corners(*(values[~inner] for values in side))
    return side


def _inner(side: _Corners) -> NDArray[np.bool_]:
    """Points that are no corner, seen from the points next to them. A corner of the hull is one from wherever seen."""
    dy, dx = np.diff(side.y_C), np.diff(side.x_C)
    within = np.diff(side.owner_C) == 0
    inner = np.zeros(len(side.y_C), bool)
    inner[1:-1] = within[:-1] & within[1:] & (dx[:-1] * dy[1:] >= dy[:-1] * dx[1:])
    return inner


def _widths(corners: _Corners, first: Ints, after: Ints) -> tuple[Floats, Floats]:
    """Largest distance of two corners, and least distance of a side to the corner farthest from it, doubled.

    A hull is narrowest between a side and the corner opposite to it (Freeman and Shapira 1975), and widest between two
    corners that are opposite to each other. Opposite to a side is the corner where the sides turn by more than half a
    circle.
    """
    owner, y, x = corners
    dy, dx = y[after] - y, x[after] - x
    angle = np.arctan2(dx, dy) + np.pi / 2
    angle[angle <= 0] += 2 * np.pi  # 0 … 2 pi, rising around the hull
    turned = np.where(angle > np.pi, angle - np.pi, angle + np.pi)
    found = np.searchsorted(8 * owner + angle, 8 * owner + turned)
    end = np.append(first[1:], len(y))
    found = np.where(found == end[owner], first[owner], found)
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    longest, across = np.zeros(len(y)), np.zeros(len(y))
    for far in (before[found], found, after[found]):  # with the neighbours: rounding and parallel sides do not matter
        across = np.maximum(across, np.abs(dx * (y[far] - y) - dy * (x[far] - x)))
        for near in (np.arange(len(y)), after):
            longest = np.maximum(longest, (y[far] - y[near]) ** 2 + (x[far] - x[near]) ** 2)
    narrow = np.minimum.reduceat(across / np.hypot(dx, dy), first)
    return np.sqrt(np.maximum.reduceat(longest, first)), narrow
