"""Is the model of a round better than the one before? Decided on real micrographs, without a label.

Two sets of masks are judged on the same tiles by the same thresholds. The score is the harmonic mean of two shares: of
the masks on which a particle shows, and of the particles that have a mask. Tiles are resampled in pairs, so that what
is hard for both counts for neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.resize import SAME_SIZE
from emgen.engine.steps_evidence import Evidence, tally

RESAMPLES = 2000
LEVEL = 0.9
"""Of the interval."""
MANY = 8
"""From so many micrographs on whole micrographs are resampled, tiles otherwise."""
EXPLODED = 2.0
"""Times as many particles, or as much covered area, as before: such a change is no refinement."""
SETTLED = 0.98
"""Overlap of the masks of two rounds from which on a further round would change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A round against the one before.

    Attributes
    ----------
    score, before: 0 … 1, of both, by common thresholds. difference, low, high: of the scores, with its 90 % interval.
    particles, coverage, diameter: ratios, new over old; infinite where there was nothing before.
    agreement: intersection over union of the two masks.
    units, unit: how many of what were resampled.
    """

    score: float
    before: float
    difference: float
    low: float
    high: float
    particles: float
    coverage: float
    diameter: float
    agreement: float
    units: int
    unit: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``settled``: masks hardly changed, so that a further round is of no use."""

    accepted: bool
    settled: bool
    why: str


def compare(new: Evidence, old: Evidence, seed: int = 0) -> Comparison:
    """The evidence of two sets of masks on the same tiles."""
    counts_2T3 = _common_counts(new, old)
    units = _units([tile["index"] for tile in new.tiles])
    sums_2U3 = np.stack([counts_2T3[:, unit].sum(axis=1) for unit in units], axis=1)
    now, before = (float(_score(side_U3.sum(axis=0))) for side_U3 in sums_2U3)
    low, high = _interval(sums_2U3, seed)
    masks = new.masks, old.masks
    return Comparison(
        score=now,
        before=before,
        difference=now - before,
        low=low,
        high=high,
        agreement=_overlap(*masks),
        units=len(units),
        unit="tiles" if len(units) == len(new.tiles) else "micrographs",
        **{name: _ratio(summary(new)[name], summary(old)[name]) for name in ("particles", "coverage", "diameter")},
    )


def summary(evidence: Evidence) -> dict[str, float]:
    """Of all tiles: number of particles, share of area that they cover, median diameter in px (working scale)."""
    tiles = evidence.tiles
    known = [tile["diameter"] for tile in tiles if tile["diameter"] is not None]
    return {
        "particles": float(sum(tile["particles"] for tile in tiles)),
        "coverage": sum(tile["covered"] for tile in tiles) / max(sum(tile["pixels"] for tile in tiles), 1),
        "diameter": float(np.median(known)) if known else 0.0,
    }


def decide(comparison: Comparison) -> Verdict:
    """A round must not be clearly worse: later rounds gain as a rule, and the check has noise of its own."""
    c = comparison
    settled = c.agreement >= SETTLED
    for what, ratio, limit in (
        ("number of particles", c.particles, EXPLODED),
        ("covered area", c.coverage, EXPLODED),
        ("median diameter", c.diameter, SAME_SIZE),  # a round finds particles better, it does not make others of them
    ):
        if not 1 / limit <= ratio <= limit:
            return Verdict(False, settled, f"the {what} changed to {ratio:.2f} times what it was")
    told = f"score {c.score:.3f} after {c.before:.3f}, difference {c.difference:+.3f} ({c.low:+.3f} … {c.high:+.3f})"
    if c.high < 0:
        return Verdict(False, settled, f"fewer masks fit the micrographs: {told}")
    words = "the masks fit the micrographs no worse" if c.difference >= 0 else "the masks fit no clearly worse"
    return Verdict(True, settled, f"{words}: {told}")


def _common_counts(new: Evidence, old: Evidence) -> NDArray[np.int64]:
    """(2, T, 3) sound, at fault, missed of each tile, both sets judged by the thresholds of the two together."""
    from emgen.fidelity import Limits, judge

    measured = [*new.measured(), *old.measured()]
    tallies = [tally(judged) for judged in judge(measured, Limits())[0]]
    counts = np.array([(one.sound, one.at_fault, one.missed) for one in tallies], np.int64)
    return counts.reshape(2, -1, 3)


def _score(counts: NDArray[Any]) -> NDArray[np.float64]:
    """(..., 3) -> (...,): 2 sound / (2 sound + at fault + missed); 0 where there is nothing."""
    sound, at_fault, missed = np.moveaxis(counts.astype(float), -1, 0)
    score: NDArray[np.float64] = 2 * sound / np.maximum(2 * sound + at_fault + missed, 1)
    return score


def _units(sources: Sequence[int]) -> list[NDArray[np.int64]]:
    """Places of the tiles of each unit that is drawn as a whole."""
    micrographs = sorted(set(sources))
    if len(micrographs) >= MANY:
        return [np.flatnonzero(np.asarray(sources) == index) for index in micrographs]
    return [np.array([place]) for place in range(len(sources))]


def _interval(sums_2U3: NDArray[Any], seed: int) -> tuple[float, float]:
    count = sums_2U3.shape[1]
    drawn = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    now, before = (_score(side_U3[drawn].sum(axis=1)) for side_U3 in sums_2U3)
    low, high = np.quantile(now - before, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 1.0


def _ratio(new: float, old: float) -> float:
    return new / old if old else (1.0 if not new else float("inf"))
