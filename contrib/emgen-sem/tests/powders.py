"""Phantom powders under a secondary-electron detector: spheroids in heaps, bright at their edges, with charging.

What makes such a picture: the yield rises with the tilt of the surface (bright rims), a detector on one side lights
that side, crevices are dark, particles hide what lies beneath, and an insulator charges: brightness drifts from top to
bottom and smears along the scan lines behind particles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SUBSTRATE, PARTICLE, RIM = 0.26, 0.46, 0.45
"""Brightness of substrate and of a level surface, and what a steep one adds to that."""


@dataclass(frozen=True)
class Powder:
    """``image_HW`` uint8; ``clean_HW`` float32 without charging and noise; ``label_HW`` int32: what shows of each."""

    image_HW: np.ndarray
    clean_HW: np.ndarray
    label_HW: np.ndarray


def powder(
    seed: int,
    shape_HW: tuple[int, int] = (256, 256),
    *,
    diameter: float = 24.0,
    heaps: int = 5,
    charging: float = 1.0,
    bar: int = 0,
) -> Powder:
    """One micrograph. ``charging``: 0 none, 1 clear to see. ``bar``: height in px of a data bar at the bottom."""
    rng = np.random.default_rng([seed, 0x5E])
    height_HW, label_HW = np.zeros(shape_HW), np.zeros(shape_HW, np.int32)
    shade_HW = np.full(shape_HW, SUBSTRATE)
    for y, x, radius in _places(shape_HW, diameter, heaps, rng):
        _add_spheroid(height_HW, shade_HW, label_HW, (y, x), radius, rng)
    clean_HW = ndimage.gaussian_filter(shade_HW * _crevices(height_HW, diameter), 0.7)
    label_HW = _visible(label_HW)
    image_HW = _charged(clean_HW, label_HW, charging, rng) if charging else clean_HW
    image_HW = rng.poisson(np.clip(image_HW, 0.01, None) * 220) / 220
    image_8_HW = np.round(255 * np.clip(image_HW, 0, 1)).astype(np.uint8)
    if bar:
        image_8_HW, label_HW = _with_bar(image_8_HW, bar), label_HW.copy()
        label_HW[-bar:] = 0
    return Powder(image_8_HW, clean_HW.astype(np.float32), label_HW)


def _places(
    shape_HW: tuple[int, int], diameter: float, heaps: int, rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """(y, x, radius) of every particle: heaps of 3 to 20 in touch, from the bottom up."""
    places = []
    for _ in range(heaps):
        y, x = rng.uniform(0.1, 0.9, 2) * shape_HW
        heap = [(y, x, _radius(diameter, rng))]
        for _ in range(int(rng.integers(2, 20))):
            y, x, neighbour = heap[rng.integers(len(heap))]
            radius, angle = _radius(diameter, rng), rng.uniform(0, 2 * np.pi)
            reach = (radius + neighbour) * rng.uniform(0.65, 1.0)
            heap.append((y + reach * np.sin(angle), x + reach * np.cos(angle), radius))
        places += heap
    return places


def _radius(diameter: float, rng: np.random.Generator) -> float:
    return float(diameter / 2 * rng.lognormal(0, 0.22))


def _add_spheroid(
    height_HW: np.ndarray,
    shade_HW: np.ndarray,
    label_HW: np.ndarray,
    place: tuple[float, float],
    radius: float,
    rng: np.random.Generator,
) -> None:
    """A spheroid that lies upon what is there already, in place."""
    ys, xs = np.mgrid[: height_HW.shape[0], : height_HW.shape[1]].astype(float)
    turn, stretch = rng.uniform(0, np.pi), np.exp(rng.normal(0, 0.08))
    dy, dx = ys - place[0], xs - place[1]
    u = (np.cos(turn) * dx + np.sin(turn) * dy) * stretch / radius
    v = (np.cos(turn) * dy - np.sin(turn) * dx) / stretch / radius
    inside = u**2 + v**2 < 1
    dome = np.sqrt(np.clip(1 - u**2 - v**2, 0, None))
    ground = float(height_HW[inside].mean()) if inside.any() else 0.0
    steep = np.minimum(1 / np.maximum(dome, 0.18), 5.5) / 5.5  # the yield goes as 1 / cos of the tilt
    lit = 1 - 0.12 * dx / radius  # the detector is on the left
    shade = (PARTICLE * rng.uniform(0.85, 1.15) + RIM * (steep - 0.18)) * lit
    top = inside & (ground + radius * dome >= height_HW - 0.3 * radius)
    height_HW[top] = np.maximum(height_HW, ground + radius * dome)[top]
    shade_HW[top] = shade[top]
    label_HW[top] = label_HW.max() + 1


def _crevices(height_HW: np.ndarray, diameter: float) -> np.ndarray:
    """Few electrons leave from between high neighbours: a factor of 0.55 to 1."""
    deep = ndimage.gaussian_filter(height_HW, diameter / 4) - height_HW
    return np.clip(1 - deep / diameter, 0.55, 1)


def _visible(label_HW: np.ndarray, least: int = 25) -> np.ndarray:
    """The largest piece that shows of each particle, numbered without gaps."""
    found, number = np.zeros_like(label_HW), 0
    for particle in range(1, int(label_HW.max()) + 1):
        pieces, count = ndimage.label(label_HW == particle)
        areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        if count and areas.max() >= least:
            number += 1
            found[pieces == areas.argmax() + 1] = number
    return found


def _charged(clean_HW: np.ndarray, label_HW: np.ndarray, much: float, rng: np.random.Generator) -> np.ndarray:
    """Drift from line to line and across, tails along the scan behind particles, bands that start at a line."""
    height, width = clean_HW.shape
    ys, xs = np.mgrid[:height, :width]
    drift_HW = 0.16 * np.sin(np.pi * ys / height + rng.uniform(0, 6)) + 0.1 * (xs / width - 0.5)
    lines_H = 0.02 * rng.normal(size=height) + 0.05 * (rng.random(height) < 0.06) * rng.choice([-1, 1], height)
    band_H = 0.05 * np.cumsum((rng.random(height) < 3 / height) * rng.choice([-1, 1], height))
    tails_HW = np.zeros_like(clean_HW)
    charge_H, fade = np.zeros(height), np.exp(-1 / (0.12 * width))
    charged_H = rng.random(height) < 0.15
    for x in range(width):  # along the scan
        charge_H = charge_H * fade + 0.006 * (label_HW[:, x] > 0) * charged_H
        tails_HW[:, x] = charge_H
    return clean_HW + much * (drift_HW + (lines_H + band_H)[:, None] - tails_HW)


def _with_bar(image_HW: np.ndarray, bar: int) -> np.ndarray:
    """A black bar with white marks, as microscopes write under the picture."""
    marked_HW = image_HW.copy()
    marked_HW[-bar:] = 0
    marked_HW[-bar] = 255
    middle = image_HW.shape[0] - bar // 2
    marked_HW[middle - 2 : middle + 2, image_HW.shape[1] // 2 : image_HW.shape[1] - 20] = 255
    for x in range(8, image_HW.shape[1] // 2 - 8, 9):
        marked_HW[middle - 4 : middle + 5 - x % 4, x : x + 3] = 255
    return marked_HW
