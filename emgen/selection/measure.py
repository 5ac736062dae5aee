"""A number with its uncertainty, and when one of two is clearly better.

All candidates are measured on the same probes and the same real images. What makes one number uncertain (few images,
these ones by chance) makes the others uncertain in the same direction, so two candidates are compared pair by pair:
the jackknife of their *difference* (Efron & Tibshirani, An Introduction to the Bootstrap, ch. 11), the same group of
images left out of both. Intervals of the single numbers may well overlap where the difference is clear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

GROUPS = 8
"""Groups of images that are left out in turn. More would cost more and say little more."""
Better = Literal["lower", "higher"]
_T975 = {3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365}
"""97.5 % quantile of Student's t by degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What candidates are compared by.

    Attributes
    ----------
    name: kebab-case; ``title``: as a table shows it.
    veto: a candidate that is clearly worse than the best in it is out, whatever else it is good at.
    tolerance: differences up to this do not matter, however sure they are; in the criterion's own unit.
    """

    name: str
    title: str
    better: Better
    veto: bool = False
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A candidate's number in one criterion.

    Attributes
    ----------
    value: over all images; NaN where it could not be computed, which counts as worst.
    without_G: the same with one group of images left out each; empty where that is unknown, and nothing is clear then.
    """

    value: float
    without_G: tuple[float, ...] = ()

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, by the jackknife; ``None`` where it is unknown."""
        half = _half_width(np.array(self.without_G)) if math.isfinite(self.value) else None
        return None if half is None else (self.value - half, self.value + half)


def leave_out(count: int, groups: int) -> list[NDArray[np.intp]]:
    """For each group the indices of the images that stay. Every ``groups``-th image is of one group, so that images of
    one micrograph, which lie side by side, are spread over all of them.

    >>> [list(map(int, rows)) for rows in leave_out(5, 2)]
    [[1, 3], [0, 2, 4]]
    """
    index = np.arange(count)
    return [index[index % groups != group] for group in range(groups)]


def clearly_better(a: Measured, b: Measured, criterion: Criterion) -> bool:
    """True where a is better than b by more than chance (at 95 %) and by more than the criterion tolerates.

    Any finite value is clearly better than none.
    """
    if not math.isfinite(a.value) or not math.isfinite(b.value):
        return math.isfinite(a.value) and not math.isfinite(b.value)
    sign = 1.0 if criterion.better == "higher" else -1.0
    if len(a.without_G) != len(b.without_G):
        return False
    half = _half_width(sign * (np.array(a.without_G) - np.array(b.without_G)))
    return half is not None and sign * (a.value - b.value) > max(half, criterion.tolerance) + 1e-12


def _half_width(without_G: NDArray[np.float64]) -> float | None:
    """Of a 95 % interval."""
    groups = len(without_G)
    if groups - 1 not in _T975 or not np.isfinite(without_G).all():
        return None
    variance = (groups - 1) / groups * float(((without_G - without_G.mean()) ** 2).sum())
    return _T975[groups - 1] * math.sqrt(variance)
