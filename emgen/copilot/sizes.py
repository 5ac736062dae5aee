"""The size distribution of a session while it grows, with intervals, at the same cost for every frame.

What is uncertain in a pooled distribution is which frames were taken, so its intervals come from a bootstrap over
frames. In the Poisson bootstrap (Hanley & MacGibbon, *Comput. Methods Programs Biomed.* 83, 2006, 57; for streams,
Chamandy et al. 2012) each frame counts in each replicate as often as a Poisson variable of mean 1 says, drawn from the
frame's number. Replicates are then sums that grow frame by frame: nothing is kept of a frame but what it adds, and the
same frames give the same intervals after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REPLICATES = 200
BINS_A_DECADE = 40
ENOUGH = 5
"""Frames from which a bootstrap over frames says anything."""
_SHOWN_A_DECADE = 20
"""Bins of what is shown are this coarse; quantiles use the fine ones."""
_LOWEST, _DECADES = 1e-2, 7
EDGES = _LOWEST * 10 ** (np.arange(_DECADES * BINS_A_DECADE + 1) / BINS_A_DECADE)
"""Of diameters, nm or px: from 0.01 to 100,000, 5.9 % wide."""
_TAILS = (0.025, 0.975)
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Estimate:
    """With its 95 % interval; ``low`` and ``high`` are ``None`` where there is too little for one."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def told(self) -> dict[str, float | None]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares per bin of equal width on a logarithmic axis, with a 95 % band (pointwise); B + 1 edges."""

    edge: list[float]
    share_B: list[float]
    low_B: list[float]
    high_B: list[float]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is shown of a distribution. ``unit``: ``nm`` or ``px``. ``particles``: whole ones, not cut by an edge."""

    unit: str
    particles: int
    frames: int
    mean: Estimate
    median: Estimate
    d10: float | None
    d90: float | None
    histogram: Histogram | None

    def told(self) -> dict[str, Any]:
        """As JSON."""
        shown = None if self.histogram is None else {name: getattr(self.histogram, name) for name in _PARTS}
        return {
            "unit": self.unit,
            "particles": self.particles,
            "frames": self.frames,
            "mean": self.mean.told(),
            "median": self.median.told(),
            "d10": self.d10,
            "d90": self.d90,
            "histogram": shown,
        }


_PARTS = ("edge", "share_B", "low_B", "high_B")


def sizes_of_frame(diameter_K: NDArray[Any], unit: str) -> Sizes:
    """Of one frame: its particles are the sample; Student's interval of the mean, Wilson's of the shares.

    The median's is by order statistics (Conover, Practical Nonparametric Statistics, 3.2).
    """
    values = np.sort(np.asarray(diameter_K, float))
    count = len(values)
    if not count:
        return Sizes(unit, 0, 1, Estimate(None), Estimate(None), None, None, None)
    mean = float(values.mean())
    rank = _Z * np.sqrt(count) / 2
    low, high = int(np.floor(count / 2 - rank)) - 1, int(np.ceil(count / 2 + rank))
    inside = low >= 0 and high < count
    median = Estimate(
        float(np.median(values)), *((float(values[low]), float(values[high])) if inside else (None, None))
    )
    d10, d90 = np.quantile(values, (0.1, 0.9))
    counts = _binned(values)
    edge, coarse = _coarse(counts[None])
    shares = coarse[0] / count
    low_B, high_B = _wilson(shares, count)
    return Sizes(
        unit,
        count,
        1,
        Estimate(mean, *interval_of_mean(values)),
        median,
        float(d10),
        float(d90),
        Histogram(edge, shares.tolist(), low_B.tolist(), high_B.tolist()),
    )


def interval_of_mean(diameter_K: NDArray[Any]) -> tuple[float | None, float | None]:
    """Student's 95 % interval of the mean, which is not below 0; ``None`` for fewer than two values."""
    from scipy.special import stdtrit

    if len(diameter_K) < 2:
        return None, None
    mean, spread = float(diameter_K.mean()), diameter_K.std(ddof=1)
    half = float(stdtrit(len(diameter_K) - 1, _TAILS[1]) * spread / np.sqrt(len(diameter_K)))
    return max(0.0, mean - half), mean + half


class SessionSizes:
    """All frames so far that have the ``unit``."""

    def __init__(self, unit: str) -> None:
        self.unit, self.frames = unit, 0
        self._total = np.zeros((REPLICATES + 1, 2))
        """Row 0: the sample; the others: replicates. Number of particles, sum of diameters."""
        self._bins = np.zeros((REPLICATES + 1, len(EDGES) - 1), np.float64)

    def add(self, frame: int, diameter_K: NDArray[Any]) -> None:
        values = np.asarray(diameter_K, float)
        weight = np.ones(REPLICATES + 1)
        weight[1:] = np.random.default_rng([7, frame]).poisson(1.0, REPLICATES)
        self.frames += 1
        if not len(values):
            return
        counts = _binned(values)
        filled = np.flatnonzero(counts)
        self._bins[:, filled] += np.outer(weight, counts[filled])
        # Last, as who reads meanwhile takes a total for a sign that bins are filled.
        self._total += np.outer(weight, (len(values), values.sum()))

    def sizes(self) -> Sizes:
        """What is known by now."""
        particles = int(self._total[0, 0])
        if not particles:
            return Sizes(self.unit, 0, self.frames, Estimate(None), Estimate(None), None, None, None)
        used = self._total[:, 0] > 0
        mean_R = self._total[used, 1] / self._total[used, 0]
        bins = self._bins[used]
        median_R = _quantile(bins, 0.5)
        edge, coarse = _coarse(bins)
        share = coarse / coarse.sum(1, keepdims=True)
        enough = self.frames >= ENOUGH
        low_B, high_B = np.quantile(share[1:], _TAILS, axis=0) if enough else (share[0], share[0])
        d10, d90 = _quantile(bins[:1], 0.1), _quantile(bins[:1], 0.9)
        return Sizes(
            self.unit,
            particles,
            self.frames,
            _estimate(mean_R, enough),
            _estimate(median_R, enough),
            float(d10[0]),
            float(d90[0]),
            Histogram(edge, share[0].tolist(), low_B.tolist(), high_B.tolist()),
        )


def _estimate(value_R: Array, enough: bool) -> Estimate:
    if not enough:
        return Estimate(float(value_R[0]))
    low, high = np.quantile(value_R[1:], _TAILS)
    return Estimate(float(value_R[0]), float(low), float(high))


def _binned(values: Array) -> Array:
    """Counts in the fine bins; what lies outside counts in the first and the last."""
    place = np.floor(np.log10(np.maximum(values, _LOWEST) / _LOWEST) * BINS_A_DECADE).astype(int)
    return np.bincount(np.clip(place, 0, len(EDGES) - 2), minlength=len(EDGES) - 1).astype(float)


def _coarse(bins_RB: Array) -> tuple[list[float], Array]:
    """Edges and counts of what is shown: from the first filled bin to the last, and one more on either side."""
    step = BINS_A_DECADE // _SHOWN_A_DECADE
    wide = bins_RB.reshape(len(bins_RB), -1, step).sum(2)
    filled = np.flatnonzero(wide[0])
    first, last = max(0, filled[0] - 1), min(wide.shape[1], filled[-1] + 2)
    return EDGES[first * step : last * step + 1 : step].tolist(), wide[:, first:last]


def _quantile(bins_RB: Array, level: float) -> Array:
    """By interpolation within the fine bin, on the logarithmic axis."""
    below = np.cumsum(bins_RB, axis=1)
    target = level * below[:, -1:]
    place = np.argmax(below >= target, axis=1)
    row = np.arange(len(bins_RB))
    inside = bins_RB[row, place]
    before = below[row, place] - inside
    part = np.divide(target[:, 0] - before, inside, out=np.zeros(len(row)), where=inside > 0)
    quantile: Array = EDGES[place] * (EDGES[1] / EDGES[0]) ** part
    return quantile


def _wilson(share_B: Array, count: int) -> tuple[Array, Array]:
    """Wilson's score interval of a proportion, 95 %."""
    centre = (share_B + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * np.sqrt(share_B * (1 - share_B) / count + _Z**2 / (4 * count**2))
    return np.maximum(centre - half, 0), centre + half
