"""One virtual image measured against its labels. What the numbers mean for it, ``judge`` says, over the whole stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.fidelity import particles, spots
from emgen.fidelity.field import field_of
from emgen.fidelity.null import measure_nothing, radii_ladder
from emgen.fidelity.particles import measure_particles
from emgen.fidelity.shape import reach
from emgen.fidelity.spots import measure_spots
from emgen.stages import LabelArray, Polarity


@dataclass(frozen=True, slots=True)
class Sizes:
    """Radii in px of the particles of a stack: smallest, typical, largest, and those at which spots are looked for."""

    smallest: float
    typical: float
    largest: float
    spots: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """Scores are in standard deviations of what background gives in this image.

    Attributes
    ----------
    particles_K: one row a labelled particle, columns ``emgen.fidelity.particles.COLUMNS``.
    spots_S: spots outside the labels, columns ``emgen.fidelity.spots.COLUMNS``; ``mirrored_S``: those of the opposite
        contrast.
    nothing_P: scores of places on background.
    """

    particles_K: NDArray[np.float64]
    spots_S: NDArray[np.float64]
    mirrored_S: NDArray[np.float64]
    nothing_P: NDArray[np.float64]


NOTHING = Measured(
    np.zeros((0, len(particles.COLUMNS))),
    np.zeros((0, len(spots.COLUMNS))),
    np.zeros((0, len(spots.COLUMNS))),
    np.zeros(0),
)
"""Of an image in which nothing was looked for."""


def sizes_of(areas: Sequence[int] | NDArray[Any]) -> Sizes | None:
    """From the areas in px of all labelled particles of a stack; ``None`` where there are none."""
    radii = np.sqrt(np.asarray(areas, float) / np.pi)
    if not len(radii):
        return None
    smallest, low, middle, high, largest = np.quantile(radii, (0.02, 0.15, 0.5, 0.95, 0.98))
    return Sizes(float(smallest), float(middle), float(largest), radii_ladder(low, high))


def measure(
    image_HW: NDArray[Any], label_HW: LabelArray, polarity: Polarity, sizes: Sizes, rng: np.random.Generator
) -> Measured:
    """(H, W) image in [0, 1] and its int32 instances."""
    largest = float(np.sqrt(np.bincount(label_HW.ravel())[1:].max(initial=0) / np.pi))
    field = field_of(image_HW, label_HW, polarity, sizes.typical, reach(max(largest, sizes.largest)))
    nothing = measure_nothing(field, radii_ladder(sizes.smallest, sizes.largest), rng)
    bright, dark = measure_spots(field, nothing, sizes.spots)
    return Measured(measure_particles(field, nothing), bright, dark, nothing.scores)
