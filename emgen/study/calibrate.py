"""How large the errors of simulated hand labels are: as large as makes two of them agree as two real ones do.

Three figures, three unknowns, each moved by one of them above all:

- foreground IoU: ``jitter``. Missed faint particles are small and cost little area.
- object F1: ``faintest``. Moderate jitter leaves most pairs over the matching threshold.
- difference of mean diameters: ``bias_spread``. What is random in single outlines averages out over a micrograph.

All else is assumed, not identified: the defaults of ``Annotator``. Agreement bounds how far two persons differ; an
error that both make leaves no trace in it, hence ``bias`` is 0, which favours hand labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emgen.particles import match_objects, pair_ious
from emgen.stages import FloatArray, LabelArray
from emgen.study.agreement import REAL_AGREEMENT, Agreement, agreement, mean_agreement
from emgen.study.annotator import Annotator, draw_labels
from emgen.study.scene import Scene, read_scene

_BOUNDS = {"jitter": (0.005, 0.2), "faintest": (0.02, 50.0), "bias_spread": (0.001, 0.3)}
FITTED = ("foreground_iou", "f1", "diameter_difference")
"""The fields of ``Agreement`` that the fit uses; the others follow from the first and from the particles' area."""
_TOLERANCE: NDArray[np.float64] = np.array([0.01, 0.01, 0.004])
_STEP, _ORIGIN = 0.25, 8.0
"""Differences are taken over a quarter of an e-fold: F1 counts particles, so it has no slope at a point."""
_PERSONS = np.array([[-0.32, -1.15], [1.15, -0.32], [-1.15, 0.32], [0.32, 1.15]])
"""Habits in standard deviations (faintness, size) of four persons, uncorrelated and spread as a normal population is:
drawn ones would make the fit depend on who happened to be drawn."""

_AT_LEAST, _AT_MOST = 250, 600
"""Particles that each person outlines; where there are fewer, all are labelled more than once."""


class Labelled(Protocol):
    """What ``emgen.testing.phantoms.Phantom`` is: a micrograph with exact instances."""

    @property
    def image_HW(self) -> FloatArray: ...

    @property
    def label_HW(self) -> LabelArray: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fitted ``annotator``, the agreement of simulated labels that it ``reached``, and the one aimed at.

    against_truth: agreement of its labels with the exact instances. jitter_alone, without_jitter: agreement where the
    outlines' jitter is the only error, and where it is the only one left out. Were the figures explained by one kind of
    error, one of the two would reach the targets. without_partner: of the particles that two labels do not share, the
    part that the other lacks altogether; the rest was outlined too differently, or merged.
    """

    annotator: Annotator
    targets: Agreement
    reached: Agreement
    against_truth: Agreement
    jitter_alone: Agreement
    without_jitter: Agreement
    without_partner: float

    @property
    def residuals(self) -> dict[str, float]:
        """Reached less aimed at, of the figures that were fitted."""
        return {figure: getattr(self.reached, figure) - getattr(self.targets, figure) for figure in FITTED}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON-able."""
        return {**asdict(self), "residuals": self.residuals}


def calibrate(phantoms: Sequence[Labelled], seed: int, targets: Agreement = REAL_AGREEMENT) -> Annotator:
    """The annotator whose labels of these micrographs agree as ``targets`` say; see ``calibration`` for how well."""
    return calibration(phantoms, seed, targets).annotator


def calibration(
    phantoms: Sequence[Labelled], seed: int, targets: Agreement = REAL_AGREEMENT, start: Annotator | None = None
) -> Calibration:
    """Least squares over the three unknowns, from a first guess with moderate jitter and a tenth missed.

    Every trial draws the same random numbers, so the result depends on ``seed`` and the micrographs alone. A target
    that no annotator can reach (particles so small that jitter alone spoils the matches) is missed by the residuals.
    What is not fitted stays as in ``start``. Raises ValueError where no micrograph holds a particle.
    """
    from scipy.optimize import least_squares

    scenes = _enough([read_scene(phantom.label_HW, phantom.image_HW) for phantom in phantoms], seed)
    first = _first_guess(scenes, start or Annotator())
    aim = _fitted(targets)

    def residuals(x_3: NDArray[np.float64]) -> NDArray[np.float64]:
        missed_by: NDArray[np.float64] = _fitted(_between(_labels(scenes, _moved(first, x_3), seed))) - aim
        if (np.abs(missed_by) <= _TOLERANCE / 2).all():
            raise _Met(x_3)
        return missed_by / _TOLERANCE

    try:
        options = {"diff_step": _STEP / _ORIGIN, "max_nfev": 8, "xtol": 2e-3, "ftol": 0.02}
        x_3 = least_squares(residuals, _at(first, first), bounds=_bounds(first), **options).x
    except _Met as met:
        x_3 = met.x_3
    return _described(scenes, _moved(first, x_3), seed, targets)


class _Met(Exception):
    """All targets are met; more steps would only follow the noise."""

    def __init__(self, x_3: NDArray[np.float64]) -> None:
        super().__init__()
        self.x_3 = x_3.copy()


def _enough(scenes: Sequence[Scene], seed: int) -> list[Scene]:
    """Micrographs drawn at random until they hold ``_AT_MOST`` particles: more would only cost time."""
    order = np.random.default_rng(seed).permutation(len(scenes))
    held = np.cumsum([len(scenes[index].outlines) for index in order])
    return [scenes[index] for index in order[: int(np.searchsorted(held, _AT_MOST)) + 1]]


def _fitted(agreed: Agreement) -> NDArray[np.float64]:
    return np.array([getattr(agreed, figure) for figure in FITTED])


def _at(annotator: Annotator, first: Annotator) -> NDArray[np.float64]:
    """The unknowns as ``_ORIGIN`` + log(value / first guess): positive values only, and steps are relative."""
    return _ORIGIN + np.log([getattr(annotator, name) / getattr(first, name) for name in _BOUNDS])


def _moved(first: Annotator, x_3: NDArray[np.float64]) -> Annotator:
    values = {name: getattr(first, name) * float(np.exp(x - _ORIGIN)) for name, x in zip(_BOUNDS, x_3, strict=True)}
    return replace(first, **values)


def _bounds(first: Annotator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = (replace(first, **{name: ends[side] for name, ends in _BOUNDS.items()}) for side in (0, 1))
    return _at(low, first) - 1e-6, _at(high, first) + 1e-6


def _first_guess(scenes: Sequence[Scene], start: Annotator) -> Annotator:
    """Detectability is in the units of the stack: begin where a tenth is missed."""
    detectability = np.array([outline.detectability for scene in scenes for outline in scene.outlines])
    if not len(detectability):
        raise ValueError("hand labels cannot be calibrated: none of the micrographs holds a particle.")
    candidates = np.geomspace(*_BOUNDS["faintest"], 200)
    missed = [1 - replace(start, faintest=float(faintest)).chance(detectability).mean() for faintest in candidates]
    return replace(start, faintest=float(candidates[np.argmin(np.abs(np.array(missed) - 0.1))]))


def _labels(scenes: Sequence[Scene], annotator: Annotator, seed: int) -> list[list[LabelArray]]:
    """Of each scene, the label of each person."""
    persons = [annotator.with_habits(*habits) for habits in _PERSONS]
    rounds = int(np.ceil(_AT_LEAST / sum(len(scene.outlines) for scene in scenes)))
    return [
        [draw_labels(scene, np.random.default_rng([seed, again, n, p]), person) for p, person in enumerate(persons)]
        for again in range(rounds)
        for n, scene in enumerate(scenes)
    ]


def _between(labels: Sequence[Sequence[LabelArray]]) -> Agreement:
    return mean_agreement(agreement(a, b) for drawn in labels for a, b in combinations(drawn, 2))


def _described(scenes: Sequence[Scene], annotator: Annotator, seed: int, targets: Agreement) -> Calibration:
    labels = _labels(scenes, annotator, seed)
    truth = [draw_labels(scene, np.random.default_rng(0), _FLAWLESS) for scene in scenes]
    jitter_alone = replace(_FLAWLESS, jitter=annotator.jitter)
    return Calibration(
        annotator=annotator,
        targets=targets,
        reached=_between(labels),
        against_truth=mean_agreement(
            agreement(a, truth[n % len(truth)]) for n, drawn in enumerate(labels) for a in drawn
        ),
        jitter_alone=_between(_labels(scenes, jitter_alone, seed)),
        without_jitter=_between(_labels(scenes, replace(annotator, jitter=0.0), seed)),
        without_partner=_without_partner(labels),
    )


_FLAWLESS = Annotator(faintest=0.0, jitter=0.0, bias_spread=0.0, faintest_spread=0.0, merging=0.0, false_rate=0.0)


def _without_partner(labels: Sequence[Sequence[LabelArray]]) -> float:
    """Of the particles of one label unmatched in another, the share that overlaps nothing there by a tenth."""
    alone = unmatched = 0
    for drawn in labels:
        for a, b in combinations(drawn, 2):
            for one, other in ((a, b), (b, a)):
                mine, _, overlap = pair_ious(one, other)
                unmatched += match_objects(one, other).fp
                alone += int(one.max()) - len(np.unique(mine[overlap >= 0.1]))
    return alone / unmatched if unmatched else 0.0
