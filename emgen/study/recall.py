"""Recall by diameter and contrast, with intervals; and, from here too, the detection limit and the error in size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.study.detection import DetectionLimit, detection_limit
from emgen.study.diameters import DiameterError, mean_diameter_error
from emgen.study.found import Found, Property, find_matches
from emgen.study.statistics import LEVEL

__all__ = [
    "Bin",
    "DetectionLimit",
    "DiameterError",
    "Found",
    "Property",
    "detection_limit",
    "find_matches",
    "mean_diameter_error",
    "quantile_edges",
    "recall_by",
    "wilson",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Particles of a property from ``low`` up to ``high``: how many there are, were found; recall, Wilson interval.

    The recall of an empty bin is NaN, its interval 0 to 1.
    """

    low: float
    high: float
    middle: float
    n: int
    found: int
    recall: float
    recall_low: float
    recall_high: float

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def wilson(found: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): sound for small n and near 0 and 1.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    ends = binomtest(found, n).proportion_ci(LEVEL, method="wilson")
    return float(ends.low), float(ends.high)


def recall_by(
    found: Found, by: Property = "diameter", bins: int | Sequence[float] | NDArray[np.float64] = 6
) -> list[Bin]:
    """Recall in bins of a property, all images pooled.

    ``bins``: rising edges (particles outside are left out), or into how many bins of equal counts. Particles whose
    property is unknown are left out. Take the same edges for predictions that are compared.
    """
    values = found.values(by)
    known = np.isfinite(values)
    edges = quantile_edges(values, bins) if isinstance(bins, int) else np.asarray(bins, float)
    if len(edges) < 2 or (np.diff(edges) <= 0).any():
        raise ValueError(f"bins: at least two rising edges are needed, got {np.asarray(edges).tolist()}")
    place = np.searchsorted(edges, values, side="right") - 1
    place[values == edges[-1]] = len(edges) - 2  # the last bin holds its upper edge
    return [_bin(edges, k, values, found.found_K, known & (place == k)) for k in range(len(edges) - 1)]


def quantile_edges(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Edges between which equally many values lie; fewer bins where many values are equal."""
    known = values[np.isfinite(values)]
    if not len(known):
        raise ValueError("no particle has a known value, so there are no bins; were micrographs given?")
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def _bin(
    edges: NDArray[np.float64], k: int, values: NDArray[np.float64], found_K: NDArray[np.bool_], here: NDArray[np.bool_]
) -> Bin:
    n, hits = int(here.sum()), int(found_K[here].sum())
    low, high = wilson(hits, n)
    middle = float(np.median(values[here])) if n else float(edges[k : k + 2].mean())
    recall = hits / n if n else float("nan")
    return Bin(
        low=float(edges[k]),
        high=float(edges[k + 1]),
        middle=middle,
        n=n,
        found=hits,
        recall=recall,
        recall_low=low,
        recall_high=high,
    )
