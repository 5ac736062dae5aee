"""What a Fréchet distance of few images is worth: its bias, and what real images score against real ones.

The estimate is too high by an amount that falls as 1/N (Chong & Forsyth 2020). A straight line through the distances of
parts of both sets, drawn to 1/N = 0, tells the distance of infinitely many images. Where there are fewer images than
features the bias falls more slowly than that and the line ends too high still, but much lower than the plain distance.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.stages import MetricContext
from emgen_metrics.frechet import frechet_distance
from emgen_metrics.same_size import at_same_size
from emgen_metrics.units import units
from emgen_metrics.verdict import verdict

_LEAST = 10
_FRACTIONS = (0.5, 0.6, 0.7, 0.8, 0.9)
_REPEATS = 3
_SPLITS = 40
_LARGEST = 2000
"""Images a side that the bias and the floor are measured on."""


def frechet_scores(key: str, x_ND: NDArray[Any], y_MD: NDArray[Any], context: MetricContext) -> dict[str, float | str]:
    """``key``: the distance as published, of all images. From 10 images a side ``key_infinite``, and from 20 real ones
    ``key_floor`` with ``key_same_size``, both at half the real set's number.
    """
    result: dict[str, float | str] = {key: frechet_distance(x_ND, y_MD)}
    if min(len(x_ND), len(y_MD)) >= _LEAST:
        result[f"{key}_infinite"] = extrapolated(x_ND, y_MD, context.seed)
    return {**result, **_worth(key, x_ND, y_MD, context)}


def extrapolated(x_ND: NDArray[Any], y_MD: NDArray[Any], seed: int) -> float:
    """The distance at 1/N = 0; may fall below 0 where the sets are alike."""
    rng = np.random.default_rng([seed, 4])
    x_ND, y_MD = (z[rng.permutation(len(z))[:_LARGEST]] for z in (x_ND, y_MD))
    shares = np.array([share for share in _FRACTIONS for _ in range(_REPEATS)] + [1.0] * _REPEATS)
    whole = frechet_distance(x_ND, y_MD)
    distances = [_of_part(x_ND, y_MD, share, rng) if share < 1 else whole for share in shares]
    return float(np.polynomial.Polynomial.fit(1 / shares, distances, 1)(0.0))


def _of_part(x_ND: NDArray[Any], y_MD: NDArray[Any], share: float, rng: np.random.Generator) -> float:
    return frechet_distance(*(z[rng.permutation(len(z))[: round(share * len(z))]] for z in (x_ND, y_MD)))


def _worth(key: str, x_ND: NDArray[Any], y_MD: NDArray[Any], context: MetricContext) -> dict[str, float | str]:
    kept = np.sort(np.random.default_rng([context.seed, 5]).permutation(len(y_MD))[:_LARGEST])
    found = units(None if context.groups is None else np.asarray(context.groups)[kept], len(kept))
    y_MD = y_MD[kept]

    def distance(z_ND: NDArray[Any], c: NDArray[np.intp], a: NDArray[np.intp]) -> float:
        return frechet_distance(z_ND[c], y_MD[a])

    generated, real = functools.partial(distance, x_ND), functools.partial(distance, y_MD)
    same = at_same_size(
        len(x_ND), found, generated, real, better="lower", least=_LEAST, splits=_SPLITS, seed=context.seed
    )
    if same is None:
        return {"verdict": f"no verdict: fewer than {_LEAST} images a side after halving the real set"}
    return {
        f"{key}_same_size": same.generated,
        f"{key}_floor": same.floor,
        "verdict": verdict(same.alike, found),
    }
