"""Normal, log-normal and Weibull laws fitted to weighted diameters, and how well each describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIMULATIONS = 199
LEAST = 8
"""Particles below which no law is fitted."""
_MOST = 2000
"""Particles up to which the p value is simulated; so many tell any law from any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One law.

    Attributes
    ----------
    name: ``normal``, ``log-normal`` or ``weibull``. parameters: by name; lengths in the unit of the diameters.
    aic: Akaike's information criterion, the less the better; delta_aic: less that of the best law; above 10 the law is
        out of the question beside the best (Burnham and Anderson 2002, section 2.6).
    ks: largest distance between the fitted and the found cumulative distribution. p: of so large a distance, were the
        law true, by parametric bootstrap with new fits (Stute et al. 1993; a table's p would be too large, as the
        parameters are fitted); NaN where it was not simulated.
    """

    name: str
    parameters: dict[str, float]
    aic: float
    delta_aic: float
    ks: float
    p: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def cdf(self, x: Array) -> Array:
        values: Array = _LAWS[self.name].frozen(self.parameters).cdf(x)
        return values

    def pdf(self, x: Array) -> Array:
        values: Array = _LAWS[self.name].frozen(self.parameters).pdf(x)
        return values


@dataclass(frozen=True, slots=True)
class _Law:
    """``fit`` (diameters, weights) -> parameters by maximum likelihood; ``frozen`` (parameters) -> scipy's law."""

    fit: Callable[[Array, Array], dict[str, float]]
    frozen: Callable[[Mapping[str, float]], Any]


def fit_laws(diameter_K: Array, weight_K: Array, seed: int = 0) -> list[Fit]:
    """All laws, the best first; none of fewer than ``LEAST`` particles, or where all are of one size.

    Weights count as shares: the likelihood is that of the sample's effective size, (sum w)² / sum w².
    """
    effective = weight_K.sum() ** 2 / (weight_K**2).sum() if len(weight_K) else 0.0
    if effective < LEAST or np.ptp(diameter_K) == 0:
        return []
    share_K = weight_K / weight_K.sum() * effective
    rows = [_fit(name, law, diameter_K, share_K, effective, seed) for name, law in _LAWS.items()]
    best = min(row["aic"] for row in rows)
    return sorted((Fit(**row, delta_aic=row["aic"] - best) for row in rows), key=lambda fit: fit.aic)


def _fit(name: str, law: _Law, diameter_K: Array, share_K: Array, effective: float, seed: int) -> dict[str, Any]:
    parameters = law.fit(diameter_K, share_K)
    frozen = law.frozen(parameters)
    aic = 2 * len(parameters) - 2 * float((share_K * frozen.logpdf(diameter_K)).sum())
    ks = _distance(frozen, diameter_K, share_K)
    p = _p_value(law, frozen, ks, round(effective), seed) if effective <= _MOST else float("nan")
    return {"name": name, "parameters": parameters, "aic": aic, "ks": ks, "p": p}


def _p_value(law: _Law, frozen: Any, ks: float, size: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    ones = np.ones(size)
    farther = 0
    for _ in range(SIMULATIONS):
        drawn = frozen.rvs(size, random_state=rng)
        farther += _distance(law.frozen(law.fit(drawn, ones)), drawn, ones) >= ks
    return (farther + 1) / (SIMULATIONS + 1)


def _distance(frozen: Any, diameter_K: Array, share_K: Array) -> float:
    order = np.argsort(diameter_K)
    above = np.cumsum(share_K[order]) / share_K.sum()
    below = above - share_K[order] / share_K.sum()
    law = frozen.cdf(diameter_K[order])
    return float(max(np.abs(above - law).max(), np.abs(below - law).max()))


def _normal(d: Array, w: Array) -> dict[str, float]:
    mean = float(np.average(d, weights=w))
    return {"mean": mean, "sd": float(np.sqrt(np.average((d - mean) ** 2, weights=w)))}


def _log_normal(d: Array, w: Array) -> dict[str, float]:
    log = _normal(np.log(np.maximum(d, 1e-12)), w)
    return {"median": float(np.exp(log["mean"])), "sigma": log["sd"]}


def _weibull(d: Array, w: Array) -> dict[str, float]:
    """The root of the likelihood equation for the shape; the scale follows from it (Rinne 2008, section 11.2)."""
    from scipy.optimize import brentq

    log = np.log(np.maximum(d, 1e-12) / d.max())
    mean_log = float(np.average(log, weights=w))

    def slope(shape: float) -> float:
        power = w * np.exp(shape * log)
        return float((power * log).sum() / power.sum() - 1 / shape - mean_log)

    shape = float(brentq(slope, 1e-2, 1e3))
    scale = float(d.max() * np.average(np.exp(shape * log), weights=w) ** (1 / shape))
    return {"scale": scale, "shape": shape}


def _frozen_normal(p: Mapping[str, float]) -> Any:
    from scipy import stats

    return stats.norm(p["mean"], p["sd"])


def _frozen_log_normal(p: Mapping[str, float]) -> Any:
    from scipy import stats

    return stats.lognorm(p["sigma"], scale=p["median"])


def _frozen_weibull(p: Mapping[str, float]) -> Any:
    from scipy import stats

    return stats.weibull_min(p["shape"], scale=p["scale"])


_LAWS: dict[str, _Law] = {
    "normal": _Law(_normal, _frozen_normal),
    "log-normal": _Law(_log_normal, _frozen_log_normal),
    "weibull": _Law(_weibull, _frozen_weibull),
}
