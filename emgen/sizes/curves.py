"""Recall, size and share of true particles as smooth functions of size, and their inverse.

x: logarithm of a true diameter; y: of the diameter found. Both in px at the working scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_RECALL = 0.1
"""Below, one particle would stand for more than ten: what is hardly ever found can't be counted from what is."""
LEAST_SHRINKAGE = 0.5
_TAIL = 0.02
"""Shares of the virtual particles beyond whose sizes the curves are held constant, not extrapolated."""
_RIDGE = 1e-2
_STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Fitted to virtual micrographs.

    Attributes
    ----------
    recall, real: coefficients of logistic curves: chance that a particle of size x is found; that one found at y
        is one.
    size: of the polynomial y(x), highest power first. noise: standard deviation of y about it.
    low, high: the sizes x, seen: the sizes y between which the curves were measured.
    centre: subtracted from x and y before any of them is used.
    """

    recall: Array
    real: Array
    size: Array
    noise: float
    low: float
    high: float
    seen: tuple[float, float]
    centre: float

    def recall_at(self, x_K: Array) -> Array:
        inside = np.clip(x_K, self.low, self.high) - self.centre
        return np.maximum(_logistic(self.recall, inside), LEAST_RECALL)

    def undo(self, y_K: Array) -> tuple[Array, Array]:
        """(x, how many particles each stands for) of K particles found.

        Each is first counted as the share of a particle that those of its size are; then the mean curve is inverted;
        then the noise of single sizes, which widens their distribution, is taken out by drawing sizes together until
        their variance is less by that of the noise; then each stands for one over its recall.
        """
        found, lowest, highest = y_K - self.centre, self.low - self.centre, self.high - self.centre
        weight = _logistic(self.real, np.clip(y_K, *self.seen) - self.centre)
        grid = np.linspace(lowest, highest, 128)
        drawn = np.maximum.accumulate(np.polyval(self.size, grid) + 1e-9 * np.arange(128))
        x = np.interp(found, drawn, grid)
        x += np.where(found < drawn[0], found - drawn[0], 0) + np.where(found > drawn[-1], found - drawn[-1], 0)
        slope = (drawn[-1] - drawn[0]) / (grid[-1] - grid[0])
        x = _less_noise(x, weight, self.noise / max(slope, 0.1)) + self.centre
        return x, weight / self.recall_at(x)


def fit_curves(x_T: Array, y_T: Array, copies_T: Array, invented_P: Array, copies_P: Array) -> Curves:
    """x of all true particles, y of those found (NaN of others), y of invented ones; each counted ``copies`` times."""
    counted = copies_T > 0
    low, high = np.quantile(x_T[counted], [_TAIL, 1 - _TAIL])
    centre = float(np.average(x_T, weights=copies_T))
    hit = np.isfinite(y_T)
    x, y, w = x_T[hit] - centre, y_T[hit] - centre, copies_T[hit]
    size = np.polyfit(x, y, 1, w=np.sqrt(w))
    off = y - np.polyval(size, x)
    real = np.r_[np.ones(len(y)), np.zeros(len(invented_P))]
    drawn, copies = np.r_[y, invented_P - centre], np.r_[w, copies_P]
    first, last = np.quantile(drawn[copies > 0] + centre, [_TAIL, 1 - _TAIL])
    return Curves(
        recall=_fit_logistic(x_T - centre, hit.astype(float), copies_T),
        real=_fit_logistic(drawn, real, copies),
        size=size,
        noise=float(np.sqrt(np.average(off**2, weights=w))),
        low=float(low),
        high=float(high),
        seen=(float(first), float(last)),
        centre=centre,
    )


def _less_noise(x_K: Array, weight_K: Array, noise: float) -> Array:
    """Drawn to their mean, so that their variance is less by that of the noise (regression calibration, but keeping
    the variance that the true sizes have; Carroll et al. 2006, Measurement Error in Nonlinear Models, chapter 4)."""
    if len(x_K) < 2 or not weight_K.sum() > 0:
        return x_K
    mean = np.average(x_K, weights=weight_K)
    variance = np.average((x_K - mean) ** 2, weights=weight_K)
    kept = np.sqrt(max(1 - noise**2 / variance, 0.0)) if variance > 0 else 1.0
    shrunk: Array = mean + max(kept, LEAST_SHRINKAGE) * (x_K - mean)
    return shrunk


def _logistic(coefficients: Array, x: Array) -> Array:
    values: Array = 1 / (1 + np.exp(-np.clip(_powers(x) @ coefficients, -30, 30)))
    return values


def _powers(x: Array) -> Array:
    return np.stack([np.ones_like(x), x, x**2], axis=-1)


def _fit_logistic(x_T: Array, hit_T: Array, copies_T: Array) -> Array:
    """Quadratic logistic regression by Newton steps; a slight ridge keeps it finite where all or none are hit."""
    powers = _powers(x_T)
    coefficients = np.zeros(3)
    ridge = _RIDGE * np.diag([0.0, 1.0, 10.0]) + 1e-6 * np.eye(3)
    for _ in range(_STEPS):
        chance = _logistic(coefficients, x_T)
        gradient = powers.T @ (copies_T * (hit_T - chance)) - ridge @ coefficients
        curvature = (powers * (copies_T * chance * (1 - chance))[:, None]).T @ powers + ridge
        step = np.linalg.solve(curvature, gradient)
        coefficients = coefficients + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-6:
            break
    return coefficients
