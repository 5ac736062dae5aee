"""Outlines along the edges of pixels: drawn and filled again, they give just the pixels they came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emgen.stages import LabelArray

Loop = NDArray[np.int64]
"""(n, 2) corners (y, x), closed; pixel (i, j) fills the square from (i, j) to (i + 1, j + 1)."""
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Right, down, left, up: each a right turn from the one before."""


def outlines(label_HW: LabelArray) -> Iterator[tuple[int, list[Loop]]]:
    """(label, loops) of each instance in the order of their labels.

    More than one loop: the instance has holes, or several parts; they are then filled by the even-odd rule.

    >>> [(label, [loop.tolist() for loop in loops]) for label, loops in outlines(np.array([[0, 7, 7]]))]
    [(7, [[[0, 1], [0, 3], [1, 3], [1, 1]]])]
    """
    from scipy import ndimage as ndi

    for label, box in enumerate(ndi.find_objects(label_HW), 1):
        if box is not None:
            corner = np.array([box[0].start, box[1].start])
            yield label, [loop + corner for loop in _loops(label_HW[box] == label)]


def _loops(mask: NDArray[np.bool_]) -> list[Loop]:
    """Follows the edges with the particle on the right hand, until none is left."""
    edges = _edges(np.pad(mask, 1))
    loops = []
    while edges:
        start = next(iter(edges))
        loops.append(_follow(edges, start, edges[start][0]))
    return loops


def _edges(padded: NDArray[np.bool_]) -> dict[tuple[int, int], list[int]]:
    """From each corner the directions of the edges that begin there; the corner of pixel (0, 0) is (0, 0)."""
    inside, edges = padded[1:-1, 1:-1], defaultdict(list)
    sides = (
        (inside & ~padded[:-2, 1:-1], (0, 0)),
        (inside & ~padded[1:-1, 2:], (0, 1)),
        (inside & ~padded[2:, 1:-1], (1, 1)),
        (inside & ~padded[1:-1, :-2], (1, 0)),
    )
    for direction, (free, (dy, dx)) in enumerate(sides):
        for y, x in np.argwhere(free).tolist():
            edges[y + dy, x + dx].append(direction)
    return edges


def _follow(edges: dict[tuple[int, int], list[int]], start: tuple[int, int], direction: int) -> Loop:
    """One loop, taken out of ``edges``. Where two begin it turns right, so that a loop never touches itself."""
    corners: list[tuple[int, int]] = []
    at, last = start, -1
    while at in edges:
        begin = edges[at]
        if last >= 0:
            direction = min(begin, key=lambda d: (last + 1 - d) % 4)
        begin.remove(direction)
        if not begin:
            del edges[at]
        if direction != last:
            corners.append(at)
        at, last = (at[0] + _STEPS[direction][0], at[1] + _STEPS[direction][1]), direction
        if at == start:
            break
    return np.array(corners, np.int64)
