"""Nanoparticles on a support: outlines, brightness profiles, places, and the exact instances.

B: particles of a batch, S: side of the square window each is drawn in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emgen.testing.phantoms.fields import FloatArray, Shape, blurred, grid
from emgen.testing.phantoms.settings import PhantomSettings

LabelArray = NDArray[np.int32]
_LARGEST_OVERLAP = 0.35
_SMALLEST_AREA = 5
_BATCH_PIXELS = 200_000


@dataclass(frozen=True, slots=True)
class Particles:
    """What was drawn: ``depth_HW`` contrast times profile, ``label_HW`` all particles, ``contrast_K`` their mean."""

    depth_HW: FloatArray
    label_HW: LabelArray
    contrast_K: FloatArray


@dataclass(frozen=True, slots=True)
class _Population:
    """One row a particle: radius in px, peak contrast, shape (0 round, 1 faceted, 2 lobed), height in focus or not."""

    radius: FloatArray
    contrast: FloatArray
    shape: NDArray[np.int64]
    defocused: NDArray[np.bool_]


def draw_particles(support_HW: FloatArray, settings: PhantomSettings, rng: np.random.Generator) -> Particles:
    """Particles strewn over a support of the given thickness (H, W)."""
    population = _population(support_HW, settings, rng)
    centres = _places(support_HW, population.radius, settings, rng)
    canvas = _Canvas(support_HW.shape)
    for index, level_SS, profile_SS in _drawn(population, centres, settings, rng):
        y, x = np.floor(centres[index]).astype(int).tolist()
        canvas.paint(level_SS, profile_SS, y, x, float(population.contrast[index]), bool(population.defocused[index]))
    away = blurred(canvas.away_HW, settings.blur + 0.08 * settings.diameter) if population.defocused.any() else 0.0
    return canvas.finish(away)


class _Canvas:
    """Particles painted so far. A shared pixel belongs to the particle with the higher level there."""

    def __init__(self, shape_HW: Shape) -> None:
        self.focus_HW = np.zeros(shape_HW, np.float32)
        self.away_HW = np.zeros(shape_HW, np.float32)
        self.level_HW = np.zeros(shape_HW, np.float32)
        self.label_HW = np.zeros(shape_HW, np.int32)
        self.contrast = [0.0]

    def paint(self, level_SS: FloatArray, profile_SS: FloatArray, y: int, x: int, contrast: float, away: bool) -> None:
        """Add one particle centred at (y, x), unless too much of it would overlap others."""
        half = level_SS.shape[0] // 2
        height, width = self.label_HW.shape
        y0, y1, x0, x1 = max(y - half, 0), min(y + half + 1, height), max(x - half, 0), min(x + half + 1, width)
        if y0 >= y1 or x0 >= x1:
            return
        window = np.s_[y0:y1, x0:x1]
        part = np.s_[y0 - y + half : y1 - y + half, x0 - x + half : x1 - x + half]
        level, inside = level_SS[part], level_SS[part] > 0
        area = np.count_nonzero(inside)
        if not area or np.count_nonzero(inside & (self.label_HW[window] > 0)) > _LARGEST_OVERLAP * area:
            return
        added = contrast * profile_SS[part]
        wins = inside & (level > self.level_HW[window])
        self.level_HW[window][wins] = level[wins]
        self.label_HW[window][wins] = len(self.contrast)
        (self.away_HW if away else self.focus_HW)[window] += added
        self.contrast.append(float(added[inside].mean()))

    def finish(self, away_HW: FloatArray | float) -> Particles:
        """Numbered 1 … K; remnants that others hide are dropped from the labels."""
        sizes = np.bincount(self.label_HW.ravel(), minlength=len(self.contrast))
        kept = np.flatnonzero((sizes >= _SMALLEST_AREA) & (np.arange(len(sizes)) > 0))
        number = np.zeros(len(sizes), np.int32)
        number[kept] = np.arange(1, len(kept) + 1)
        contrast = np.array(self.contrast, np.float32)[kept]
        return Particles(np.asarray(self.focus_HW + away_HW, np.float32), number[self.label_HW], contrast)


def visible_labels(
    particles: Particles, surroundings_HW: FloatArray, noise_HW: FloatArray, settings: PhantomSettings
) -> LabelArray:
    """(H, W) int32: instances that can be seen, renumbered 1 … K. Noise: its standard deviation in every pixel."""
    count = len(particles.contrast_K)
    index = np.arange(1, count + 1)
    area = np.bincount(particles.label_HW.ravel(), minlength=count + 1)[1:]
    around = ndimage.mean(surroundings_HW, particles.label_HW, index) if count else np.zeros(0)
    noise = ndimage.mean(noise_HW, particles.label_HW, index) if count else np.zeros(0)
    snr = particles.contrast_K * np.sqrt(area) / np.maximum(noise, 1e-6)
    seen = (snr >= settings.visible_snr) & (particles.contrast_K >= settings.visible_contrast * np.asarray(around))
    number = np.zeros(count + 1, np.int32)
    number[1:][seen] = np.arange(1, np.count_nonzero(seen) + 1)
    return number[particles.label_HW]


def _population(support_HW: FloatArray, settings: PhantomSettings, rng: np.random.Generator) -> _Population:
    radius_0, spread = settings.diameter / 2, settings.spread
    carrier = max(float(np.mean(support_HW > 0.15)), 0.1) * support_HW.size
    mean_area = np.pi * radius_0**2 * np.exp(2 * spread**2)
    count = max(int(rng.poisson(settings.coverage * carrier / mean_area)), 1)
    radius = radius_0 * rng.lognormal(0.0, spread, count)
    huge = rng.random(count) < settings.huge
    radius[huge] = radius_0 * rng.uniform(2.0, 4.0, int(huge.sum()))
    radius = np.clip(radius, 1.5, 0.3 * min(support_HW.shape) + 1.5)
    contrast = settings.contrast * rng.lognormal(0.0, settings.contrast_spread, count)
    contrast *= np.clip(radius / radius_0, 0.25, 4.0) ** settings.thickness_law
    chance = rng.random(count)
    shape = np.where(chance < settings.faceted, 1, np.where(chance < settings.faceted + settings.irregular, 2, 0))
    order = np.argsort(-radius)
    defocused = (rng.random(count) < settings.defocused) & ~huge[order]
    return _Population(radius[order].astype(np.float32), contrast[order].astype(np.float32), shape[order], defocused)


def _places(
    support_HW: FloatArray, radius_K: FloatArray, settings: PhantomSettings, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(K, 2) centres: on the support, more often where it is thick and at its edge; some beside another particle."""
    step = max(int(settings.diameter / 4), 1)
    thick = blurred(support_HW, settings.diameter / 4)[::step, ::step]
    weight = np.where(thick > 0.1, np.minimum(thick, 2.0) + 0.6 * (thick < 0.6), 1e-3).astype(np.float64)
    cumulative = np.cumsum(weight)
    cells = np.searchsorted(cumulative, rng.random(len(radius_K)) * cumulative[-1])
    places = (np.stack(np.unravel_index(cells, weight.shape), 1) + rng.random((len(radius_K), 2))) * step
    joins = rng.random(len(radius_K)) < settings.agglomeration
    for index in np.flatnonzero(joins[1:]) + 1:
        other, angle = int(rng.integers(index)), rng.uniform(0, 2 * np.pi)
        reach = (radius_K[index] + radius_K[other]) * rng.uniform(0.75, 1.15)
        places[index] = places[other] + reach * np.array([np.sin(angle), np.cos(angle)])
    return places


def _drawn(
    population: _Population, centres: NDArray[np.float64], settings: PhantomSettings, rng: np.random.Generator
) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Each particle's index, level (1 at its centre, 0 at the outline) and brightness profile, biggest first."""
    radius = population.radius
    start = 0
    while start < len(radius):
        side = 2 * int(1.5 * radius[start] + 2) + 1
        batch = np.arange(start, min(start + max(_BATCH_PIXELS // side**2, 1), len(radius)))
        level_BSS = 1.0 - _gauge(population, batch, centres[batch] % 1.0, side, settings, rng)
        profile_BSS = _profile(level_BSS, radius[batch], settings)
        if settings.fringes:
            profile_BSS *= _fringes(radius[batch], side, settings, rng)
        for position, index in enumerate(batch.tolist()):
            half = min(int(1.5 * radius[index] + 2), side // 2)
            cut = np.s_[side // 2 - half : side // 2 + half + 1]
            yield index, level_BSS[position][cut, cut], profile_BSS[position][cut, cut]
        start = int(batch[-1]) + 1


def _gauge(
    population: _Population,
    batch: NDArray[np.int64],
    offset_B2: NDArray[np.float64],
    side: int,
    settings: PhantomSettings,
    rng: np.random.Generator,
) -> FloatArray:
    """(B, S, S) distance from the centre as a fraction of the distance to the outline in that direction."""
    count = len(batch)
    radius = population.radius[batch][:, None, None]
    y, x = grid(side)
    dy, dx = (y[None] - offset_B2[:, :1, None] + 0.5) / radius, (x[None] - offset_B2[:, 1:, None] + 0.5) / radius
    turn = rng.uniform(0, np.pi, (count, 1, 1))
    stretch = np.exp(rng.normal(0, settings.elongation, (count, 1, 1)))
    z = ((dx + 1j * dy) * np.exp(-1j * turn)).astype(np.complex64)
    z = z.real * stretch.astype(np.float32) + 1j * (z.imag / stretch.astype(np.float32))
    gauge = np.abs(z)
    for shape, deform in ((1, _faceted), (2, _lobed), (0, _lobed)):
        chosen = population.shape[batch] == shape
        if chosen.any():
            gauge[chosen] = deform(z[chosen], gauge[chosen], 0.03 if shape == 0 else 0.13, rng)
    return np.asarray(gauge, dtype=np.float32)


def _lobed(z_BSS: NDArray[np.complex64], r_BSS: FloatArray, size: float, rng: np.random.Generator) -> FloatArray:
    """Smooth outline R(angle) = 1 + sum of harmonics 2 to 5."""
    unit = z_BSS / np.maximum(r_BSS, 1e-6)
    outline, power = np.ones_like(r_BSS), unit
    for harmonic in range(2, 6):
        power = power * unit
        weight = rng.normal(0, size * (2 / harmonic), (2, len(r_BSS), 1, 1)).astype(np.float32)
        outline += weight[0] * power.real + weight[1] * power.imag
    return np.asarray(r_BSS / np.clip(outline, 0.6, 1.45), dtype=np.float32)


def _faceted(z_BSS: NDArray[np.complex64], r_BSS: FloatArray, size: float, rng: np.random.Generator) -> FloatArray:
    """Convex polygon of five to eight facets at unequal distances, with rounded corners."""
    facets = int(rng.integers(5, 9))
    steps = 2 * np.pi / facets
    gauge = np.full_like(r_BSS, 0.0)
    for facet in range(facets):
        angle = steps * (facet + rng.uniform(-0.25, 0.25, (len(r_BSS), 1, 1)))
        distance = 0.95 * np.exp(rng.normal(0, size * 0.7, (len(r_BSS), 1, 1)))
        normal = (np.exp(1j * angle) / distance).astype(np.complex64)
        gauge = np.maximum(gauge, z_BSS.real * normal.real + z_BSS.imag * normal.imag)
    return np.asarray(np.maximum(gauge, 0.9 * r_BSS), dtype=np.float32)


def _profile(level_BSS: FloatArray, radius_B: FloatArray, settings: PhantomSettings) -> FloatArray:
    """Brightness from 0 to 1: between a sphere's and a disc's, its edge softened over a pixel."""
    level = np.maximum(level_BSS, 0.0)
    sphere = np.sqrt(level * (2.0 - level))
    edge = np.clip(level_BSS * radius_B[:, None, None] + 0.5, 0.0, 1.0)
    return np.asarray(edge * (settings.flatness + (1.0 - settings.flatness) * sphere), dtype=np.float32)


def _fringes(radius_B: FloatArray, side: int, settings: PhantomSettings, rng: np.random.Generator) -> FloatArray:
    """Lattice-like fringes, a few px apart, in every direction, for particles big enough to show them."""
    y, x = grid(side)
    count = len(radius_B)
    angle, phase = rng.uniform(0, np.pi, (count, 1, 1)), rng.uniform(0, 2 * np.pi, (count, 1, 1))
    wave = 2 * np.pi / rng.uniform(3.0, 7.0, (count, 1, 1))
    strength = settings.fringes * rng.random((count, 1, 1)) * (radius_B[:, None, None] > 7.0)
    return np.asarray(1.0 + strength * np.sin(wave * (np.cos(angle) * x + np.sin(angle) * y) + phase), np.float32)
