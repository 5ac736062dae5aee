"""Statistics of weighted diameters. K particles, each with a diameter and how many particles it stands for.

Symbols after ISO 9276-2 (moment notation): D[p, q] = (sum d^p / sum d^q)^(1 / (p - q)).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LENGTHS = ("mean", "sd", "mean_area", "mean_volume", "d10", "d50", "d90", "d50_volume")
"""Statistics in the unit of the diameters; the others are ratios."""
SMOOTH = ("mean", "sd", "cv", "mean_area", "mean_volume", "polydispersity")
"""Those that are functions of moments, so that their standard error can be written down."""
QUANTILES = ("d10", "d50", "d90", "d50_volume", "span")
NAMES = (*SMOOTH, *QUANTILES)
MEANINGS: Mapping[str, str] = {
    "mean": "number-weighted mean diameter, D[1,0]",
    "sd": "standard deviation of the diameters",
    "cv": "coefficient of variation, sd / mean",
    "mean_area": "area-weighted mean diameter, D[3,2]: the Sauter mean, which sets the specific surface",
    "mean_volume": "volume-weighted mean diameter, D[4,3]",
    "polydispersity": "D[4,3] / D[1,0]; 1 where all particles are equal",
    "d10": "diameter below which 10 % of the particles lie",
    "d50": "median diameter",
    "d90": "diameter below which 90 % of the particles lie",
    "d50_volume": "diameter below which half of the particles' volume lies",
    "span": "(d90 - d10) / d50",
}


Moments = Mapping[str, tuple[float, float]]


def statistics(diameter_K: Array, weight_K: Array, moments: Moments | None = None) -> dict[str, float]:
    """Every statistic of ``NAMES``. NaN throughout of no particle, ``sd`` and what rests on it NaN of one.

    ``moments``: what ``log_moments`` gave for them, where that is known already.

    >>> found = statistics(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    >>> round(found["mean"], 3), round(found["mean_area"], 3), round(found["mean_volume"], 3)
    (2.0, 2.8, 2.929)
    """
    if not len(diameter_K) or not weight_K.sum() > 0:
        return dict.fromkeys(NAMES, float("nan"))
    values = {name: float(np.exp(log)) for name, (log, _) in (moments or log_moments(diameter_K, weight_K)).items()}
    order = np.argsort(diameter_K)
    d, w = diameter_K[order], weight_K[order]
    d10, d50, d90 = _quantiles(d, w, (0.1, 0.5, 0.9))
    (d50_volume,) = _quantiles(d, w * d**3, (0.5,))
    return values | {"d10": d10, "d50": d50, "d90": d90, "d50_volume": d50_volume, "span": (d90 - d10) / d50}


def quantiles(diameter_K: Array, weight_K: Array, at: tuple[float, ...]) -> list[float]:
    """Weighted quantiles, interpolated between the middles of the steps (Hazen's rule where weights are equal).

    >>> quantiles(np.array([4.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), (0.5,))
    [2.0]
    """
    order = np.argsort(diameter_K)
    return _quantiles(diameter_K[order], weight_K[order], at)


def _quantiles(rising_K: Array, weight_K: Array, at: tuple[float, ...]) -> list[float]:
    middle = (np.cumsum(weight_K) - weight_K / 2) / weight_K.sum()
    return [float(value) for value in np.interp(at, middle, rising_K)]


def log_moments(diameter_K: Array, weight_K: Array) -> dict[str, tuple[float, float]]:
    """(logarithm, its standard error by linearisation) of each statistic of ``SMOOTH``.

    The error is that of independent particles with fixed weights; the bootstrap uses it as a yardstick only.
    """
    d, w = diameter_K, weight_K / weight_K.mean()
    count = len(d)
    mean = float((w * d).mean())
    off = (d - mean) / mean  # influence of a particle on log mean, without its weight
    variance = float((w * (d - mean) ** 2).mean()) * (count / (count - 1) if count > 1 else float("nan"))
    spread = ((d - mean) ** 2 - variance) / (2 * variance) if variance > 0 else np.zeros(count)
    area, by_area = _ratio(d**3, d**2, w)
    volume, by_volume = _ratio(d**4, d**3, w)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "mean": (np.log(mean), off),
            "sd": (np.log(variance) / 2, spread),
            "cv": (np.log(variance) / 2 - np.log(mean), spread - off),
            "mean_area": (np.log(area), by_area),
            "mean_volume": (np.log(volume), by_volume),
            "polydispersity": (np.log(volume) - np.log(mean), by_volume - off),
        }
    return {name: (float(log), float(np.sqrt(((w * i) ** 2).mean() / count))) for name, (log, i) in found.items()}


def _ratio(above_K: Array, below_K: Array, weight_K: Array) -> tuple[float, Array]:
    """Ratio of two weighted sums, and each particle's influence on its logarithm, without its weight."""
    under = float((weight_K * below_K).mean())
    ratio = float((weight_K * above_K).mean()) / under
    return ratio, (above_K - ratio * below_K) / (under * ratio)
