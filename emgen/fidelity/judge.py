"""What the measurements of a stack mean: a verdict for every labelled particle, and the spots that no label knows.

Thresholds are the stack's own: the background says what nothing looks like, the labelled particles that are there say
what a particle looks like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emgen.fidelity import particles, spots
from emgen.fidelity.measure import Measured

Place = tuple[float, float, float]
"""Centre (y, x) and radius, px."""
Verdict = Literal["sound", "erased", "inverted", "shifted", "unknown"]
FAULTS = ("erased", "inverted", "shifted", "invented")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What counts as a fault.

    Attributes
    ----------
    chance: share of the places on bare background that may pass for a particle; a particle that shows no more than
        those do is erased.
    shift: how far a particle may lie beside its label, in its diameters; never less than ``shift_px`` pixels.
    gain: a place beside the label must score so many times higher for the particle to have shifted there.
    """

    chance: float = 0.03
    shift: float = 0.15
    shift_px: float = 1.5
    gain: float = 1.5


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores in standard deviations of background. ``seen``: a particle shows from here on; ``inverted``: below, it
    has the wrong contrast; ``sure``: best of many places; ``contrast``: of the faintest particles that show,
    in the image's units; ``spot``: least strength of an invented particle."""

    seen: float
    inverted: float
    sure: float
    spot: float
    contrast: float

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Judged:
    """One image.

    Attributes
    ----------
    verdicts: instance -> verdict. moves: (dy, dx) px of the shifted ones. places: (y, x, radius) px of each.
    scores: of each instance, NaN where unknown. invented: (y, x, radius) of spots without a label.
    """

    verdicts: Mapping[int, Verdict]
    moves: Mapping[int, tuple[int, int]]
    places: Mapping[int, Place]
    scores: Mapping[int, float]
    invented: Sequence[Place] = ()

    def count(self, fault: str) -> int:
        if fault == "invented":
            return len(self.invented)
        return sum(verdict == fault for verdict in self.verdicts.values())

    @property
    def faults(self) -> int:
        return sum(self.count(fault) for fault in FAULTS)

    @property
    def share_at_fault(self) -> float:
        """Of labelled and invented particles; 0 where there are none."""
        return self.faults / max(len(self.verdicts) + len(self.invented), 1)


def judge(stack: Sequence[Measured], limits: Limits) -> tuple[list[Judged], Thresholds]:
    """A verdict for each particle of each image; the stack may be one image."""
    thresholds = thresholds_of(stack, limits)
    return [_judged(measured, thresholds, limits) for measured in stack], thresholds


def thresholds_of(stack: Sequence[Measured], limits: Limits) -> Thresholds:
    nothing = _joined(measured.nothing_P for measured in stack)
    seen = max(_quantile(nothing, 1 - limits.chance, 1.9), LEAST_SEEN)
    inverted = min(_quantile(nothing, limits.chance / 3, -2.3), -LEAST_SEEN)
    sure = max(_quantile(nothing, 0.999, 3.1), LEAST_SURE)
    rows = np.concatenate([measured.particles_K for measured in stack]) if stack else np.zeros((0, 0))
    contrast = np.inf
    if len(rows):
        score, strength = (rows[:, particles.COLUMNS.index(name)] for name in ("score", "contrast"))
        shown = strength[np.nan_to_num(score) >= seen]
        contrast = float(np.quantile(shown, FAINTEST)) if len(shown) else np.inf
    return Thresholds(seen, inverted, sure, _spot_threshold(stack, contrast, len(rows), LEAST_SPOT), contrast)


LEAST_SEEN, LEAST_SURE, LEAST_SPOT = 1.5, 3.3, 3.0
BESIDE = 1.6
"""Radii from its label within which a particle is looked for that is not under it."""
FAINTEST = 0.1
"""Quantile of the contrast of particles that show: an invented particle has at least that."""
CHANCE_SPOTS = 0.01
"""Spots of the wrong contrast that may pass, per labelled particle: so many of the right one are taken for chance."""


def _spot_threshold(stack: Sequence[Measured], contrast: float, labelled: int, least: float) -> float:
    """The strength that hardly any spot of the opposite contrast reaches."""
    mirrored = [measured.mirrored_S for measured in stack if len(measured.mirrored_S)]
    if not mirrored:
        return least
    score, strength = (np.concatenate(mirrored)[:, spots.COLUMNS.index(name)] for name in ("score", "contrast"))
    chance = np.sort(_strength(score, strength, contrast))[::-1]
    allowed = int(CHANCE_SPOTS * labelled)
    return max(least, float(chance[allowed]) if len(chance) > allowed else least)


def _strength(score: Any, contrast: Any, faintest: float) -> Any:
    """Of spots: score times contrast, in units of the contrast of the faintest particles; 0 below that.

    Both count: a score alone is high where the support is smooth, a contrast alone where it is rough.
    """
    return np.where(contrast >= faintest, score * contrast / max(faintest, 1e-6), 0.0)


def _judged(measured: Measured, thresholds: Thresholds, limits: Limits) -> Judged:
    rows = [dict(zip(particles.COLUMNS, values.tolist(), strict=True)) for values in measured.particles_K]
    verdicts = {int(row["label"]): _verdict(row, thresholds, limits) for row in rows}
    places = {int(row["label"]): (row["y"], row["x"], row["radius"]) for row in rows}
    moves = {int(row["label"]): (int(row["dy"]), int(row["dx"])) for row in rows}
    moves = {label: move for label, move in moves.items() if verdicts[label] == "shifted"}
    found = [spot for spot in _strong_spots(measured, thresholds) if not _near(spot, places, moves)]
    _take_back(found, verdicts, places, moves)
    scores = {int(row["label"]): row["score"] for row in rows}
    return Judged(verdicts, moves, places, scores, tuple(found))


def _strong_spots(measured: Measured, thresholds: Thresholds) -> list[Place]:
    found = [dict(zip(spots.COLUMNS, values.tolist(), strict=True)) for values in measured.spots_S]
    return [
        (spot["y"], spot["x"], spot["radius"])
        for spot in found
        if spot["score"] >= LEAST_SPOT
        and _strength(spot["score"], spot["contrast"], thresholds.contrast) >= thresholds.spot
    ]


def _near(spot: Place, places: Mapping[int, Place], moves: Mapping[int, tuple[int, int]]) -> bool:
    """True for a spot that is a labelled particle which has shifted."""
    moved = [(places[n][0] + dy, places[n][1] + dx, places[n][2]) for n, (dy, dx) in moves.items()]
    return any(np.hypot(spot[0] - y, spot[1] - x) <= max(spot[2], radius) for y, x, radius in moved)


def _take_back(
    found: list[Place], verdicts: dict[int, Verdict], places: Mapping[int, Place], moves: dict[int, tuple[int, int]]
) -> None:
    """An erased particle with a spot beside it has shifted there."""
    for label, verdict in verdicts.items():
        y, x, radius = places[label]
        near = [spot for spot in found if np.hypot(spot[0] - y, spot[1] - x) <= BESIDE * radius]
        if verdict == "erased" and near and 0.5 <= near[0][2] / radius <= 2:
            verdicts[label] = "shifted"
            moves[label] = (round(near[0][0] - y), round(near[0][1] - x))
            found.remove(near[0])


def _verdict(row: Mapping[str, float], thresholds: Thresholds, limits: Limits) -> Verdict:
    score, best = row["score"], row["best"]
    if not np.isfinite(score):
        return "unknown"
    far = np.hypot(row["dy"], row["dx"]) > max(limits.shift_px, 2 * limits.shift * row["radius"])
    # Beside a particle of the wrong contrast its ring is too dark, so that the place seems bright.
    wrong = score <= thresholds.inverted and -score >= 0.6 * best
    like_others = best >= thresholds.sure and row["there"] >= thresholds.contrast
    if far and not wrong and like_others and best >= limits.gain * score:
        return "shifted"
    if wrong:
        return "inverted"
    return "sound" if score >= thresholds.seen else "erased"


def _joined(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
    found = list(arrays)
    return np.concatenate(found) if found else np.zeros(0)


def _quantile(values: NDArray[Any], share: float, otherwise: float) -> float:
    """``otherwise``: the normal law's, where there are too few values."""
    return float(np.quantile(values, share)) if len(values) >= 50 else otherwise
