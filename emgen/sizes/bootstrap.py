"""Bootstrap of particles within micrographs.

Particles of one micrograph are not independent where micrographs differ (another place of the specimen, another
focus). The logarithms of the diameters are taken for a micrograph's level plus a particle's own deviation. A replicate
draws the deviations anew within each micrograph, and the levels among those of all micrographs. Levels as estimated
spread too much, as each holds the chance of its few particles; so they are first drawn together until their variance
is that between micrographs alone, estimated by the analysis of variance (Carpenter, Goldstein and Rasbash 2003,
Appl. Stat. 52: the residual bootstrap with reflated residuals). Resampling micrographs whole instead gives intervals
that are too wide where micrographs are alike, and too narrow where they are few and differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

LEAST = 3
"""Micrographs that tell how micrographs differ. Of two, Student's t is 12.7 standard errors wide: it says nothing."""
_LARGEST_STRETCH = 8.0
"""So rare that it does not move a 95 % interval, and bounded so that no size comes out at the end of the world."""


@dataclass(frozen=True, slots=True)
class Levels:
    """level_J: of each micrograph, about 0, in units of the logarithm; sd: between micrographs, beyond chance."""

    level_J: Array
    sd: float


def levels(log_K: Array, micrograph_K: Indices, weight_K: Array, count: int) -> Levels:
    """Analysis of variance of K values in ``count`` micrographs; 0 where they do not differ beyond chance.

    Of fewer than ``LEAST`` micrographs with particles all levels are 0: they do not tell.
    """
    number_J = np.bincount(micrograph_K, minlength=count)
    filled = np.flatnonzero(number_J)
    level_J = np.zeros(count)
    if len(filled) < LEAST or len(log_K) <= len(filled):
        return Levels(level_J, 0.0)
    total_J = np.bincount(micrograph_K, weight_K, minlength=count)[filled]
    mean_J = np.bincount(micrograph_K, weight_K * log_K, minlength=count)[filled] / total_J
    n_J, n = number_J[filled], len(log_K)
    own = np.zeros(count)
    own[filled] = mean_J
    within = float(((log_K - own[micrograph_K]) ** 2).sum()) / (n - len(filled))
    off_J = mean_J - np.average(mean_J, weights=n_J)
    between = float((n_J * off_J**2).sum()) / (len(filled) - 1)
    typical = (n - (n_J**2).sum() / n) / (len(filled) - 1)
    variance = max(0.0, (between - within) / typical)
    raw = float(((mean_J - mean_J.mean()) ** 2).mean())
    if variance > 0 and raw > 0:
        level_J[filled] = (mean_J - mean_J.mean()) * np.sqrt(variance / raw)
    return Levels(level_J, float(np.sqrt(variance)))


def replicates(
    log_K: Array, micrograph_K: Indices, weight_K: Array, count: int, number: int, seed: int
) -> Iterator[tuple[Indices, Array]]:
    """``number`` times (which particles were drawn, by how much the logarithm of each is shifted)."""
    rng = np.random.default_rng(seed)
    found = levels(log_K, micrograph_K, weight_K, count)
    order = np.argsort(micrograph_K, kind="stable")
    number_J = np.bincount(micrograph_K, minlength=count)
    start_K = np.repeat(np.cumsum(number_J) - number_J, number_J)
    size_K = np.repeat(number_J, number_J)
    filled = np.flatnonzero(number_J)
    for _ in range(number):
        drawn_K = order[start_K + (rng.random(len(log_K)) * size_K).astype(np.int64)]
        if found.sd == 0:
            yield drawn_K, np.zeros(len(log_K))
            continue
        # Few micrographs tell their variance poorly: as in Student's t, replicates are stretched by how poorly.
        stretch = min(np.sqrt((len(filled) - 1) / rng.chisquare(len(filled) - 1)), _LARGEST_STRETCH)
        new_J = found.level_J[filled[rng.integers(0, len(filled), count)]] * stretch
        yield drawn_K, (new_J - found.level_J)[micrograph_K[drawn_K]]
