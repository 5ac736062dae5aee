"""The limit of detection: where recall passes 50 %."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emgen.study.found import Found, Property
from emgen.study.statistics import LEVEL

Side = Literal["within", "below", "above", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionLimit:
    """Where recall passes 50 %, in the property's unit, with its 95 % interval.

    side: ``within`` the range of the particles; ``below`` it: more than half are found at every value, ``value`` is the
    least that was there; ``above`` it: fewer than half at any, ``value`` is the largest; ``unknown``: too few
    particles. The interval is NaN unless ``within``.
    """

    value: float
    low: float
    high: float
    side: Side
    n: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def detection_limit(found: Found, by: Property = "diameter", *, seed: int = 0, resamples: int = 200) -> DetectionLimit:
    """Diameter or contrast at which recall passes 50 %: a logistic curve in its logarithm, rising or flat.

    The interval comes from a bootstrap of whole images (of particles where there are fewer than 5 images). Particles
    without a positive value are left out.
    """
    values = found.values(by)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(values) & (values > 0)
    x, hit, image = np.log(values[known]), found.found_K[known], found.image_K[known]
    value, side = _limit(x, hit)
    low = high = float("nan")
    if side == "within":
        rng = np.random.default_rng(seed)
        drawn = [_limit(x[rows], hit[rows])[0] for rows in _resampled(image, rng, resamples)]
        low, high = (float(end) for end in np.nanquantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)))
    return DetectionLimit(value=value, low=low, high=high, side=side, n=len(x))


def _limit(x: NDArray[np.float64], hit: NDArray[np.bool_]) -> tuple[float, Side]:
    if len(x) < 5:
        return float("nan"), "unknown"
    least, largest = float(np.exp(x.min())), float(np.exp(x.max()))
    slope, crossing = _logistic(x, hit)
    if slope <= 1e-6:
        return (least, "below") if hit.mean() > 0.5 else (largest, "above")
    if crossing <= x.min():
        return least, "below"
    return (largest, "above") if crossing >= x.max() else (float(np.exp(crossing)), "within")


def _logistic(x: NDArray[np.float64], hit: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope (at least 0) and crossing of P = expit(slope (x - crossing)), by penalised likelihood.

    The weak penalty (half a particle found and half one missed at the middle) keeps perfectly separated data finite.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, log_expit

    middle, spread = x.mean(), max(float(x.std()), 1e-6)
    z, y = (x - middle) / spread, hit.astype(float)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        t = w[0] * z + w[1]
        value = -(y * log_expit(t) + (1 - y) * log_expit(-t)).sum() + 0.01 * w[0] ** 2
        value -= 0.5 * (log_expit(w[1]) + log_expit(-w[1]))
        off = expit(t) - y
        slope = np.array([(off * z).sum() + 0.02 * w[0], off.sum() + expit(w[1]) - 0.5])
        return float(value), slope

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)])
    slope, offset = found.x
    return float(slope / spread), float(middle - spread * offset / slope) if slope > 1e-9 else float("nan")


def _resampled(image: NDArray[np.int64], rng: np.random.Generator, resamples: int) -> Iterable[NDArray[np.int64]]:
    numbers = np.unique(image)
    if len(numbers) < 5:
        for _ in range(resamples):
            yield rng.integers(0, len(image), len(image))
        return
    rows = {number: np.flatnonzero(image == number) for number in numbers}
    for _ in range(resamples):
        yield np.concatenate([rows[number] for number in rng.choice(numbers, len(numbers))])
