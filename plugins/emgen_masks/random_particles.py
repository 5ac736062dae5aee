"""The sampler whose sizes, shapes and density are set by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emgen.stages import Context, LabelArray, Stack
from emgen_masks.config import RandomParticlesConfig
from emgen_masks.outlines import Points, Stamp, ellipse, facets, irregular, of_size, stamp, turned
from emgen_masks.placing import Spacing, in_sight, populate

SMALLEST = 3.0
"""Diameter in px under which a particle is no more than a few pixels."""
FURTHEST = 4
"""Standard deviations over the mean up to which the size of the area in sight is followed."""


class RandomParticles:
    """Implements ``emgen.stages.MaskSampler``; there is nothing to fit."""

    def __init__(self, config: RandomParticlesConfig, context: Context) -> None:
        self._config = config

    def fit(self, label_NHW: Stack) -> None:
        """Nothing: what is measured changes nothing here."""

    def sample(self, n: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        return np.stack([self._mask(shape_HW, rng) for _ in range(n)])

    def save(self, folder: Path) -> None:
        """Nothing: the settings are all there is."""

    def load(self, folder: Path) -> None:
        """Nothing: the settings are all there is."""

    def _mask(self, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        c = self._config
        stamps = [self._particle(diameter, rng) for diameter in self._diameters(shape_HW, rng)]
        return populate(shape_HW, stamps, Spacing(touching=c.touching, overlap=c.overlap), rng)

    def _diameters(self, shape_HW: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
        """Of all particles in sight of the mask: Poisson in number, the larger in sight from further away."""
        c = self._config
        per_px = c.density / 1e4
        if c.coverage is not None:
            per_px = c.coverage / (np.pi / 4 * (c.diameter**2 + c.diameter_sd**2))
        largest = c.diameter + FURTHEST * c.diameter_sd
        diameters = self._law(rng.poisson(per_px * in_sight(shape_HW, largest)), rng)
        return diameters[rng.random(len(diameters)) < in_sight(shape_HW, diameters) / in_sight(shape_HW, largest)]

    def _law(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        mean, sd = self._config.diameter, self._config.diameter_sd
        sigma = np.sqrt(np.log1p((sd / mean) ** 2))
        if self._config.size_law == "normal":
            return np.maximum(SMALLEST, rng.normal(mean, sd, n))
        return np.maximum(SMALLEST, rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, n))

    def _particle(self, diameter: float, rng: np.random.Generator) -> Stamp:
        outline = of_size(self._outline(rng), diameter)
        return stamp(turned(outline, rng.uniform(0, 2 * np.pi)), rng)

    def _outline(self, rng: np.random.Generator) -> Points:
        shape = self._config.shapes[rng.integers(len(self._config.shapes))]
        aspect = 1 + (self._config.aspect - 1) * rng.gamma(4, 0.25)
        if shape == "ellipse":
            return ellipse(aspect)
        return facets(aspect, rng) if shape == "polygon" else irregular(aspect, self._config.irregularity, rng)
