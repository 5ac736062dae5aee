"""What the measurement gives where nothing is: stencils laid on an image's own background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.fidelity.field import Field
from emgen.fidelity.observer import ENOUGH, Observer, fit_observer
from emgen.fidelity.shape import disc, features

STEP = 1.4
"""Ratio of neighbouring sizes at which background is measured."""
PIXELS = 24_000
"""Pixels looked at per size: many places for small particles, fewer for large ones."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Observers by radius in px, and the scores that they give background; empty where an image has too little."""

    observers: dict[float, Observer]
    scores: NDArray[np.float64]

    def of(self, radius: float) -> Observer | None:
        """The observer of the nearest size."""
        if not self.observers:
            return None
        return self.observers[min(self.observers, key=lambda known: abs(np.log(known / radius)))]


def radii_ladder(smallest: float, largest: float) -> tuple[float, ...]:
    """Radii from the smallest to the largest, each ``STEP`` times the one before, on rungs that all images share."""
    first, last = (int(np.round(np.log(max(radius, 1.5)) / np.log(STEP))) for radius in (smallest, largest))
    return tuple(float(STEP**rung) for rung in range(first, last + 1))


def measure_nothing(field: Field, radii: Sequence[float], rng: np.random.Generator) -> Nothing:
    from scipy.ndimage import distance_transform_edt

    room_HW = distance_transform_edt(np.pad(field.free_HW, 1, constant_values=1) > 0)[1:-1, 1:-1]
    observers: dict[float, Observer] = {}
    scores = []
    for radius in radii:
        nothing_P3 = _samples(field, radius, room_HW, rng)
        if observer := fit_observer(nothing_P3):
            observers[radius] = observer
            scores.append(observer(nothing_P3))
    return Nothing(observers, np.concatenate(scores) if scores else np.zeros(0))


def _samples(field: Field, radius: float, room_HW: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """(P, 3) features of discs at random places that no particle hides for the most part."""
    stencil = disc(radius)
    wanted = int(np.clip(PIXELS / len(stencil.offsets_Q2), ENOUGH, 64))
    places = np.argwhere(room_HW > 0.7 * radius)
    if not len(places):
        return np.zeros((0, 3))
    chosen = places[rng.permutation(len(places))[: 2 * wanted]]
    found, usable = features(field, field.free, stencil, chosen)
    return found[usable][:wanted]
