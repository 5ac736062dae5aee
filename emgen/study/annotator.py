"""Somebody who outlines particles by eye: what is missed, how outlines are off, what is joined or made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray, LabelArray
from emgen.study.scene import REACH, Outline, Scene, numbers_of, painted, read_scene

_HARMONICS = np.sqrt([0.1, 0.1, 0.16, 0.16, 0.16, 0.16, 0.16])
"""Standard deviation of an outline's displacement by harmonic of the angle (size, place, shape); squares sum to 1.
Mostly shape: real labels that share two thirds of their area still match in nearly nine of ten particles, so hardly any
outline is off as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotator:
    """Those who label, as a population: one of them is drawn by ``person``, who then errs alike on all micrographs.

    Attributes
    ----------
    faintest: detectability (``emgen.study.scene``: contrast over noise and texture) at which half of the particles are
        marked. faintest_spread: standard deviation of its logarithm between persons. steepness: of the logistic curve
        in the logarithm of the detectability; infinite would be a sharp limit.
    jitter: standard deviation of the outline around each particle, as a fraction of the diameter of a typical particle.
    bias: how much larger all diameters are drawn, as a fraction; bias_spread: its standard deviation between persons.
    size_exponent: displacements grow as diameter^exponent: 0 the same pixels, 1 the same fraction on every particle.
    merging: chance that two particles that touch over the whole smaller diameter are drawn as one; it falls with the
        length of the contact.
    false_rate: clumps taken for particles, per true particle.
    """

    faintest: float = 1.0
    faintest_spread: float = 0.2
    steepness: float = 3.0
    jitter: float = 0.065
    bias: float = 0.0
    bias_spread: float = 0.03
    size_exponent: float = 0.75
    merging: float = 0.05
    false_rate: float = 0.01

    def person(self, rng: np.random.Generator) -> Annotator:
        """One of the population: habits drawn, spreads 0."""
        return self.with_habits(*rng.standard_normal(2))

    def with_habits(self, faintness: float, size: float) -> Annotator:
        """The person so many standard deviations off in ``faintest`` and in ``bias``; spreads 0."""
        faintest = self.faintest * float(np.exp(self.faintest_spread * faintness))
        bias = self.bias + self.bias_spread * float(size)
        return replace(self, faintest=faintest, bias=bias, faintest_spread=0.0, bias_spread=0.0)

    def chance(self, detectability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of being marked, of an average person."""
        from scipy.special import expit

        with np.errstate(divide="ignore"):
            brighter = np.log(np.asarray(detectability, float)) - np.log(self.faintest) if self.faintest else np.inf
        marked: NDArray[np.float64] = np.broadcast_to(expit(self.steepness * brighter), np.shape(detectability))
        return marked


def simulate_labels(
    label_HW: LabelArray, image_HW: FloatArray, rng: np.random.Generator, annotator: Annotator
) -> LabelArray:
    """(H, W) int32 instances 1 ... K as a person drawn from ``annotator`` marks them; pass a ``person`` to keep one.

    label_HW: exact instances; image_HW: their micrograph, float32. Raises ValueError where shapes differ.
    """
    return draw_labels(read_scene(label_HW, image_HW), rng, annotator.person(rng))


def label_stack(
    label_NHW: Sequence[LabelArray], image_NHW: Sequence[FloatArray], rng: np.random.Generator, annotator: Annotator
) -> list[LabelArray]:
    """N micrographs labelled by one person: habits are shared between them, slips are not."""
    person = annotator.person(rng)
    return [simulate_labels(label, image, rng, person) for label, image in zip(label_NHW, image_NHW, strict=True)]


def draw_labels(scene: Scene, rng: np.random.Generator, person: Annotator) -> LabelArray:
    """One label of a scene. The random draws do not depend on the person, so that errors vary smoothly with habits."""
    count = len(scene.outlines)
    chance = person.chance(np.array([outline.detectability for outline in scene.outlines]))
    marked = rng.random(count) < chance
    joined = rng.random(len(scene.touching)) < person.merging * np.array([contact for *_, contact in scene.touching])
    number = numbers_of(scene, marked, joined)
    taken = _taken_for_particles(scene, person.false_rate, rng)
    number += list(range(count + 1, count + 1 + len(taken)))
    wobble = rng.standard_normal((count + len(taken), 2, len(_HARMONICS)))
    rows = zip([*scene.outlines, *taken], number, wobble, strict=True)
    return painted(
        scene.shape_HW, ((o, n, o.depth_HW + _displacement(o, w, scene.typical, person)) for o, n, w in rows if n)
    )


def _taken_for_particles(scene: Scene, false_rate: float, rng: np.random.Generator) -> list[Outline]:
    """Clumps, rather the most particle-like ones: the r-th of n has a weight of 1 / r."""
    wanted = min(int(rng.poisson(false_rate * len(scene.outlines))), len(scene.clumps))
    if not wanted:
        return []
    weight = 1 / np.arange(1, len(scene.clumps) + 1)
    chosen = rng.choice(len(scene.clumps), wanted, replace=False, p=weight / weight.sum())
    return [scene.clumps[index] for index in chosen]


def _displacement(outline: Outline, slips: NDArray[np.float64], typical: float, person: Annotator) -> FloatArray:
    """(h, w) px by which the outline moves outwards in each direction from the centre."""
    scale = typical * (outline.diameter / typical) ** person.size_exponent
    series = np.full(outline.turn_HW.shape, _HARMONICS[0] * slips[0, 0], np.float32)
    power = np.ones_like(outline.turn_HW)
    for weight, cosine, sine in zip(_HARMONICS[1:], slips[0, 1:], slips[1, 1:], strict=True):
        power = power * outline.turn_HW
        series += np.float32(weight * cosine) * power.real + np.float32(weight * sine) * power.imag
    moved = scale * (person.jitter * series + person.bias / 2)
    limit = REACH * outline.diameter
    return np.asarray(np.clip(moved, -limit, limit), np.float32)
