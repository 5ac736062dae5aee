"""Unbiased MMD² of two sets, its interval, and what real images score against real images.

Estimate     the U-statistic of Gretton et al. 2012, equation 3: every pair of different images, none with itself.
Interval     delete-one jackknife of both sets, on the real side a unit (image or micrograph) at a time, with weights
             for units of unequal size (Busing et al. 1999) and a t quantile. A bootstrap would draw an image twice, and
             the pair of an image with itself is just what an unbiased estimate must leave out.
Noise floor  the same statistic between random halves of the real set. Under "no difference" its law scales with
             1/n + 1/m, so that of the halves tells that of the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen_metrics.kernels import Features, Kernel
from emgen_metrics.units import Units, divisions

_ROWS = 512
_SPLITS = 500
_LARGEST = 2000
"""Real images that the floor is measured on: its kernel matrix is held in memory, 32 MB."""


@dataclass(frozen=True)
class Comparison:
    """``value``: unbiased MMD². ``low`` … ``high``: its 95 % interval; ``floor``: the 95 % quantile of real against
    real at this size; ``p``: share of real against real that reaches ``value``. ``None`` where images are too few."""

    value: float
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    p: float | None = None


def compare(x_ND: Features, y_MD: Features, kernel: Kernel, found: Units, seed: int) -> Comparison:
    """x generated, y real; N, M ≥ 2. ``found``: the units of y. An interval takes 3 images a side, a floor 4 real."""
    sums = _Sums.of(x_ND, y_MD, kernel, found)
    value = sums.value
    low = high = floor = p = None
    if min(len(x_ND), found.count) >= 3:
        half = sums.half_width()
        low, high = value - half, value + half
    if found.count >= 4:
        null = real_against_real(y_MD, kernel, found, len(x_ND), seed)
        floor = float(np.quantile(null, 0.95))
        p = max(float((1 + np.sum(null >= value)) / (1 + len(null))), 1 / (1 + found.divisions))
    return Comparison(value, low, high, floor, p)


@dataclass(frozen=True)
class _Sums:
    """Of the kernel over pairs: ``within_*`` without the pair of an image with itself, ``cross_*`` with the other set.

    ``inside_U``: over pairs of different images of one unit of y.
    """

    within_x_N: NDArray[np.float64]
    within_y_M: NDArray[np.float64]
    cross_x_N: NDArray[np.float64]
    cross_y_M: NDArray[np.float64]
    inside_U: NDArray[np.float64]
    found: Units

    @classmethod
    def of(cls, x_ND: Features, y_MD: Features, kernel: Kernel, found: Units) -> _Sums:
        within_x_N = np.concatenate([_without_self(k, s).sum(1) for s, k in _blocks(x_ND, x_ND, kernel)])
        within_y_M, inside_U = np.empty(len(y_MD)), np.zeros(found.count)
        for start, block in _blocks(y_MD, y_MD, kernel):
            rows = slice(start, start + len(block))
            block = _without_self(block, start)
            within_y_M[rows] = block.sum(1)
            same = found.of_M[rows, None] == found.of_M[None]
            inside_U += np.bincount(found.of_M[rows], (block * same).sum(1), minlength=found.count)
        cross_x_N, cross_y_M = np.empty(len(x_ND)), np.zeros(len(y_MD))
        for start, block in _blocks(x_ND, y_MD, kernel):
            cross_x_N[start : start + len(block)] = block.sum(1)
            cross_y_M += block.sum(0)
        return cls(within_x_N, within_y_M, cross_x_N, cross_y_M, inside_U, found)

    @property
    def value(self) -> float:
        n, m = len(self.within_x_N), len(self.within_y_M)
        x, y, cross = self.within_x_N.sum(), self.within_y_M.sum(), self.cross_x_N.sum()
        return float(x / (n * (n - 1)) + y / (m * (m - 1)) - 2 * cross / (n * m))

    def half_width(self) -> float:
        """Of the 95 % interval: t times the jackknife's standard error, degrees of freedom after Satterthwaite."""
        from scipy.stats import t

        n, units = len(self.within_x_N), self.found.count
        by_x = _jackknife_variance(self.value, self._without_x(), np.ones(n))
        by_y = _jackknife_variance(self.value, self._without_y(), np.bincount(self.found.of_M))
        both = by_x + by_y
        if both == 0:
            return 0.0
        freedom = both**2 / (by_x**2 / (n - 1) + by_y**2 / (units - 1))
        return float(t.ppf(0.975, freedom) * np.sqrt(both))

    def _without_x(self) -> NDArray[np.float64]:
        """The estimate without each of x."""
        n, m = len(self.within_x_N), len(self.within_y_M)
        x_N = (self.within_x_N.sum() - 2 * self.within_x_N) / ((n - 1) * (n - 2))
        cross_N = (self.cross_x_N.sum() - self.cross_x_N) / ((n - 1) * m)
        return np.asarray(x_N + self.within_y_M.sum() / (m * (m - 1)) - 2 * cross_N)

    def _without_y(self) -> NDArray[np.float64]:
        """The estimate without each unit of y."""
        n, m, of_M = len(self.within_x_N), len(self.within_y_M), self.found.of_M
        within_U, cross_U = (np.bincount(of_M, values) for values in (self.within_y_M, self.cross_y_M))
        left_U = m - np.bincount(of_M)
        y_U = (self.within_y_M.sum() - 2 * within_U + self.inside_U) / (left_U * (left_U - 1))
        cross_U = (self.cross_y_M.sum() - cross_U) / (n * left_U)
        return np.asarray(self.within_x_N.sum() / (n * (n - 1)) + y_U - 2 * cross_U)


def _jackknife_variance(value: float, without_U: NDArray[np.float64], size_U: NDArray[np.generic]) -> float:
    """Busing et al. 1999; with units of one size the usual ``(U-1)/U Σ (θ_u - mean θ)²``."""
    ratio_U = size_U.sum() / size_U
    pseudo_U = ratio_U * value - (ratio_U - 1) * without_U
    centre = len(without_U) * value - np.sum((1 - 1 / ratio_U) * without_U)
    return float(np.mean((pseudo_U - centre) ** 2 / (ratio_U - 1)))


def real_against_real(y_MD: Features, kernel: Kernel, found: Units, n: int, seed: int) -> NDArray[np.float64]:
    """(500,) of what n further real images would score against y: the law of halves, brought to that size."""
    rng = np.random.default_rng([seed, 1])
    m = len(y_MD)
    y_MD, found = _fewer(y_MD, found, rng)
    matrix = kernel(y_MD, y_MD)
    first_SM = divisions(found, _SPLITS, rng).astype(np.float64)
    size_S = first_SM.sum(1)
    other_S = len(y_MD) - size_S
    own_M, all_M = np.diagonal(matrix), matrix.sum(1)
    a_S = np.einsum("sm,sm->s", first_SM @ matrix, first_SM)
    towards_S, own_S = first_SM @ all_M, first_SM @ own_M
    b_S = all_M.sum() - 2 * towards_S + a_S
    within_S = (a_S - own_S) / (size_S * (size_S - 1)) + (b_S - (own_M.sum() - own_S)) / (other_S * (other_S - 1))
    score_S = within_S - 2 * (towards_S - a_S) / (size_S * other_S)
    return np.asarray(score_S * (1 / n + 1 / m) / (1 / size_S + 1 / other_S))


def _fewer(y_MD: Features, found: Units, rng: np.random.Generator) -> tuple[Features, Units]:
    """At most so many images that their kernel matrix fits; every micrograph stays."""
    if len(y_MD) <= _LARGEST:
        return y_MD, found
    kept = np.sort(rng.permutation(len(y_MD))[:_LARGEST])
    of_M = np.unique(found.of_M[kept], return_inverse=True)[1].ravel()
    return y_MD[kept], Units(of_M, found.word, found.too_few)


def _blocks(a_ND: Features, b_MD: Features, kernel: Kernel) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Rows of the kernel matrix, so that memory stays small."""
    for start in range(0, len(a_ND), _ROWS):
        yield start, kernel(a_ND[start : start + _ROWS], b_MD)


def _without_self(block: NDArray[np.float64], start: int) -> NDArray[np.float64]:
    """The block with zero where an image meets itself."""
    rows = np.arange(len(block))
    block[rows, start + rows] = 0
    return block
