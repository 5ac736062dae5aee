"""Scores that depend on how many images there are, compared at one number of images.

A Fréchet distance grows where images are few, and shares of neighbours change with their density. So the real set is
divided into halves A and B, as many generated images C are drawn, and the score of (C, A) is held against that of
(B, A): all three of one size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen_metrics.units import Units, divisions
from emgen_metrics.verdict import ALPHA

Indices = NDArray[np.intp]
Score = Callable[[Indices, Indices], float]


@dataclass(frozen=True)
class SameSize:
    """``generated``: mean score of generated against real; ``floor``: the limit that real against real keeps 95 % of
    the time; ``size``: images a side at least."""

    generated: float
    floor: float
    alike: bool
    size: int


def at_same_size(
    n: int, found: Units, generated: Score, real: Score, *, better: str, least: int, splits: int, seed: int
) -> SameSize | None:
    """``generated(C, A)`` scores generated against real images by their indices, ``real(B, A)`` real ones.

    Several draws of C average out, while real against real does not, so that equal sets are called different in
    less than 5 % of all cases. ``None`` where a side would have fewer than ``least`` images.
    """
    if found.count < 2:
        return None
    rng = np.random.default_rng([seed, 2])
    drawn = [_one(n, first_M, rng) for first_M in divisions(found, splits, rng)]
    if min(len(a) for a, _, _ in drawn) < least:
        return None
    own = float(np.mean([generated(c, a) for a, _, c in drawn]))
    null = [real(b, a) for a, b, _ in drawn]
    lower = better == "lower"
    floor = float(np.quantile(null, 1 - ALPHA if lower else ALPHA))
    return SameSize(own, floor, own <= floor if lower else own >= floor, min(len(a) for a, _, _ in drawn))


def _one(n: int, first_M: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Indices, Indices, Indices]:
    """A and B of the real set, C of the generated: equally many."""
    a, b = np.flatnonzero(first_M), np.flatnonzero(~first_M)
    size = min(len(a), len(b), n)
    return rng.permutation(a)[:size], rng.permutation(b)[:size], rng.permutation(n)[:size]
