"""Equal pixels, in any of the eight orientations."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.doctor.near import Overlap
from emgen.doctor.orient import ORIENTATIONS, oriented
from emgen.errors import DataError

SAMPLES = 24
"""Positions along a diagonal-like path; each is looked at in all its eight mirror images."""


def fingerprint(image_HW: NDArray[Any]) -> str:
    """Equal for equal pixels in any orientation; unequal pixels hardly ever share it.

    Hashes the sides and, for some positions, the sorted values at the eight places that flips and turns map onto each
    other.
    """
    height, width = image_HW.shape
    shortest = min(height, width)
    digest = hashlib.sha256(repr(sorted((height, width))).encode())
    for step in range(SAMPLES):
        a, b = step * (shortest - 1) // SAMPLES, (7 * step + 3) * (shortest - 1) // (7 * SAMPLES + 3)
        values = np.sort([float(image_HW[place]) for place in _mirrored(a, b, height, width)])
        digest.update(values.tobytes())
    return digest.hexdigest()


def _mirrored(a: int, b: int, height: int, width: int) -> list[tuple[int, int]]:
    """The places that flips and turns map onto each other, as distances from the edges."""
    pairs = ((a, b), (b, a))
    return [(y, x) for down, right in pairs for y in (down, height - 1 - down) for x in (right, width - 1 - right)]


def equal_orientation(first_HW: NDArray[Any], second_HW: NDArray[Any]) -> int | None:
    """The orientation in which the second equals the first pixel for pixel."""
    for turn in range(ORIENTATIONS):
        if np.array_equal(first_HW, oriented(second_HW, turn)):
            return turn
    return None


def find_copies(
    fingerprints: Mapping[int, str], read: Callable[[int], NDArray[Any]], shapes_HW: Sequence[tuple[int, int]]
) -> list[Overlap]:
    """Micrographs that equal an earlier one. ``read(index)`` is called for those of equal fingerprint only."""
    alike: dict[str, list[int]] = defaultdict(list)
    for index, print_ in fingerprints.items():
        alike[print_].append(index)
    found: list[Overlap] = []
    for group in alike.values():
        found += _in_group(sorted(group), read, shapes_HW)
    return sorted(found, key=lambda copy: (copy.first, copy.second))


def _in_group(
    group: Sequence[int], read: Callable[[int], NDArray[Any]], shapes_HW: Sequence[tuple[int, int]]
) -> list[Overlap]:
    """Each later one against the first that it equals, two images in memory at a time."""
    found: list[Overlap] = []
    copies: set[int] = set()
    for position, first in enumerate(group):
        rest = [index for index in group[position + 1 :] if index not in copies]
        if first in copies or not rest:
            continue
        try:
            first_HW = read(first)
            turns = {index: equal_orientation(first_HW, read(index)) for index in rest}
        except DataError:  # a file that went away since the first look; it was reported or will be by the run
            continue
        for index, turn in turns.items():
            if turn is not None:
                copies.add(index)
                found.append(_copy(first, index, turn, shapes_HW[index]))
    return found


def _copy(first: int, second: int, turn: int, shape_HW: tuple[int, int]) -> Overlap:
    return Overlap(
        first=first,
        second=second,
        orientation=turn,
        offset_YX=(0.0, 0.0),
        zoom=1.0,
        share=1.0,
        correlation=1.0,
        shape_second_HW=shape_HW,
        exact=True,
    )
