"""Phantom micrographs by seed: varied ones for training, homogeneous stacks for a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.testing.phantoms import imaging
from emgen.testing.phantoms.fields import FloatArray, Shape
from emgen.testing.phantoms.particles import draw_particles, visible_labels
from emgen.testing.phantoms.settings import Diameter, PhantomSettings, draw_settings, draw_stack_settings
from emgen.testing.phantoms.supports import holey_film, support_thickness

_VARIED, _STACK = 0, 1


@dataclass(frozen=True, slots=True)
class Phantom:
    """One simulated micrograph.

    Attributes
    ----------
    image_HW: float32 in [0, 1], on 256 levels.
    label_HW: int32 exact instances, 0 background, 1 … K.
    settings: every setting it was drawn with, and its ``seed`` and ``index``; plain values, JSON-able.
    """

    image_HW: FloatArray
    label_HW: NDArray[np.int32]
    settings: dict[str, Any]


def phantom_micrographs(
    n: int,
    shape_HW: Shape,
    *,
    modality: str = "haadf-stem",
    seed: int,
    diameter: Diameter = None,
    support: str | None = None,
    first: int = 0,
    **settings: Any,
) -> list[Phantom]:
    """n phantoms, each of another material under another microscope.

    The i-th depends on seed and i alone, so a longer list begins with the shorter one. ``first``: the i of the first.

    Parameters
    ----------
    modality: ``haadf-stem`` (bright particles) or ``bf-tem`` (dark ones).
    diameter: median particle diameter in px: a number, a range (log-uniform), or None for 6 to 80 px (at most a quarter
        of the shorter side).
    support: one of ``SUPPORTS``; None draws one for each.
    settings: any field of ``PhantomSettings``, fixed for all n.

    Raises ValueError for an unknown setting or value.
    """
    fixed = settings if support is None else {**settings, "support": support}
    largest = float(np.clip(min(shape_HW) / 4, 6.0, 80.0))
    phantoms = []
    for index in range(first, first + n):
        rng = np.random.default_rng([seed, _VARIED, index])
        drawn = draw_settings(rng, modality, diameter=diameter, largest=largest, **fixed)
        phantoms.append(_phantom(shape_HW, drawn, rng, seed, index))
    return phantoms


def phantom_stack(
    n: int,
    shape_HW: Shape,
    *,
    seed: int,
    modality: str = "haadf-stem",
    diameter: Diameter = None,
    first: int = 0,
    **settings: Any,
) -> list[Phantom]:
    """n phantoms of one material under one microscope: what a user's folder of micrographs is like.

    ``seed`` draws the material; image i depends on seed and i alone, so unseen micrographs of the same material are
    those after the first n. Typical settings, median diameter 12 to 17 px, unless given. ``first``: the i of the first.
    """
    drawn = draw_stack_settings(np.random.default_rng([seed, _STACK]), modality, diameter=diameter, **settings)
    return [
        _phantom(shape_HW, drawn, np.random.default_rng([seed, _STACK, index + 1]), seed, index)
        for index in range(first, first + n)
    ]


def _phantom(shape_HW: Shape, settings: PhantomSettings, rng: np.random.Generator, seed: int, index: int) -> Phantom:
    support = support_thickness(shape_HW, settings, rng)
    particles = draw_particles(support, settings, rng)
    if settings.modality == "bf-tem":
        clean, surroundings = imaging.bright_field(support, particles.depth_HW, settings, rng)
    else:
        film = holey_film(shape_HW, rng) if settings.holey else 0.0
        clean, surroundings = imaging.dark_field(support, film, particles.depth_HW, settings)
    label = visible_labels(particles, surroundings, imaging.noise_level(surroundings, settings), settings)
    image = imaging.display(imaging.record(clean, settings, rng), settings)
    return Phantom(image, label, {**asdict(settings), "seed": seed, "index": index})
