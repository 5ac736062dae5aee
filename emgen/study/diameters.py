"""How wrong the mean diameter is that a prediction yields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.stages import LabelArray
from emgen.study.agreement import inner_diameters
from emgen.study.found import find_matches
from emgen.study.statistics import Effect, mean_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class DiameterError:
    """Predicted less true mean equivalent diameter, in per cent of the true one; positive is too large.

    population: of all whole particles on each side, by image, with an interval over the images. Misses and inventions
    move it too. pairs: of the matched particles alone, with an interval over the pairs: what the outlines do.
    """

    population: Effect
    pairs: Effect


def mean_diameter_error(pred: Sequence[LabelArray], true: Sequence[LabelArray], *, seed: int = 0) -> DiameterError:
    """Of predicted against true (H, W) instances. Particles at the border are left out on both sides.

    ``population.mean`` is that of all images pooled (its interval is shifted with it). Raises ValueError where a side
    has no whole particle, or nothing matches.
    """
    sides = [[inner_diameters(label) for label in several] for several in (pred, true)]
    found = find_matches(pred, true)
    whole = found.found_K & ~found.border_K
    if not all(sum(map(len, side)) for side in sides) or not whole.any():
        raise ValueError("mean diameters cannot be compared: no whole particle on one side, or none that match.")
    return DiameterError(
        population=_population(sides[0], sides[1], seed),
        pairs=_pairs(found.diameter_K[whole], found.pred_diameter_K[whole], seed),
    )


def _population(pred: list[NDArray[np.float64]], true: list[NDArray[np.float64]], seed: int) -> Effect:
    """Ratio of pooled means; interval by linearisation: each image's share in the ratio's error."""
    p, t = np.concatenate(pred), np.concatenate(true)
    ratio = p.mean() / t.mean()
    images = len(pred)
    weight_p, weight_t = images / len(p), images / len(t)
    influence = [
        weight_p * (a - p.mean()).sum() / t.mean() - ratio * weight_t * (b - t.mean()).sum() / t.mean()
        for a, b in zip(pred, true, strict=True)
    ]
    return mean_interval(100 * (ratio - 1 + np.array(influence)), seed=seed)


def _pairs(true: NDArray[np.float64], pred: NDArray[np.float64], seed: int) -> Effect:
    """Ratio of the pairs' means, as the population's, particle by particle."""
    ratio = pred.mean() / true.mean()
    return mean_interval(100 * (ratio - 1 + (pred - ratio * true) / true.mean()), seed=seed)
