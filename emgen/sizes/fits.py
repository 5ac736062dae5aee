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
        values: Array = _LAWS[self.name].of("cdf", x, self.parameters)
        return values

    def pdf(self, x: Array) -> Array:
        values: Array = _LAWS[self.name].of("pdf", x, self.parameters)
        return values


@dataclass(frozen=True, slots=True)
class _Law:
    """``fit`` (diameters, weights) -> parameters by maximum likelihood; ``scipy``: the law's name there, and
    ``arguments`` (parameters) what its functions take."""

    fit: Callable[[Array, Array], dict[str, float]]
    scipy: str
    arguments: Callable[[Mapping[str, float]], Mapping[str, float]]

    def of(self, function: str, x: Any, parameters: Mapping[str, float]) -> Any:
        """scipy's ``cdf``, ``pdf``, ``logpdf`` or ``ppf`` of the law with these parameters."""
        from scipy import stats

        # Not frozen: scipy writes a new docstring for each frozen law, which takes longer than the law itself.
        return getattr(getattr(stats, self.scipy), function)(x, **self.arguments(parameters))


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
    aic = 2 * len(parameters) - 2 * float((share_K * law.of("logpdf", diameter_K, parameters)).sum())
    ks = _distance(law, parameters, diameter_K, share_K)
    p = _p_value(law, parameters, ks, round(effective), seed) if effective <= _MOST else float("nan")
    return {"name": name, "parameters": parameters, "aic": aic, "ks": ks, "p": p}


def _p_value(law: _Law, parameters: Mapping[str, float], ks: float, size: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    ones = np.ones(size)
    farther = 0
    for _ in range(SIMULATIONS):
        drawn = law.of("ppf", rng.random(size), parameters)
        farther += _distance(law, law.fit(drawn, ones), drawn, ones) >= ks
    return (farther + 1) / (SIMULATIONS + 1)


def _distance(law: _Law, parameters: Mapping[str, float], diameter_K: Array, share_K: Array) -> float:
    order = np.argsort(diameter_K)
    above = np.cumsum(share_K[order]) / share_K.sum()
    below = above - share_K[order] / share_K.sum()
    fitted = law.of("cdf", diameter_K[order], parameters)
    return float(max(np.abs(above - fitted).max(), np.abs(below - fitted).max()))


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


_LAWS: dict[str, _Law] = {
    "normal": _Law(_normal, "norm", lambda p: {"loc": p["mean"], "scale": p["sd"]}),
    "log-normal": _Law(_log_normal, "lognorm", lambda p: {"s": p["sigma"], "scale": p["median"]}),
    "weibull": _Law(_weibull, "weibull_min", lambda p: {"c": p["shape"], "scale": p["scale"]}),
}
