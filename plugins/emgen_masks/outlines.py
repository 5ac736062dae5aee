"""Outlines of single particles as closed polygons, and the pixels inside them. P: points of an outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon as polygon_pixels

Points = NDArray[np.float64]
"""(P, 2) rows and columns around the origin."""
POINTS = 48
ORDERS = np.arange(3, 9)
"""Fourier orders of a rough radius; order 1 would only shift the particle and order 2 stretch it."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The pixels of one particle around its centre, and those that touch it (4-neighbours) with them."""

    ys: NDArray[Any]
    xs: NDArray[Any]
    near_ys: NDArray[Any]
    near_xs: NDArray[Any]
    radius: float
    """Of the disc of equal area."""
    reach: int
    """Furthest pixel from the centre, along an axis."""


def ellipse(aspect: float) -> Points:
    """An upright ellipse."""
    angles = _angles()
    return np.c_[np.sin(angles), aspect * np.cos(angles)]


def irregular(aspect: float, roughness: float, rng: np.random.Generator) -> Points:
    """A smooth outline with axes of that ratio, whose radius varies by random Fourier terms, weaker the finer."""
    angles = _angles()
    weights = roughness / ORDERS * rng.normal(size=(2, len(ORDERS)))
    turns = np.outer(ORDERS, angles)
    radius = np.clip(1 + weights[0] @ np.cos(turns) + weights[1] @ np.sin(turns), 0.35, 2.0)
    return rounded(ellipse(1) * radius[:, None]) * (1, aspect)


def facets(aspect: float, rng: np.random.Generator) -> Points:
    """A convex polygon of 4 to 8 corners on an ellipse."""
    corners = int(rng.integers(4, 9))
    angles = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
    return np.c_[np.sin(angles), aspect * np.cos(angles)]


def of_size(outline: Points, diameter: float) -> Points:
    """Scaled to the area of a disc of that diameter, its centre of area moved to the origin."""
    area, centre = area_and_centre(outline)
    scaled: Points = (outline - centre) * np.sqrt(np.pi / 4 * diameter**2 / area)
    return scaled


def turned(outline: Points, angle: float, flip: bool = False) -> Points:
    """Rotated about the origin, mirrored before that if asked."""
    c, s = np.cos(angle), np.sin(angle)
    moved: Points = (outline * (1, -1 if flip else 1)) @ np.array([[c, s], [-s, c]])
    return moved


def area_and_centre(outline: Points) -> tuple[float, Points]:
    """Of a simple polygon, by the shoelace formula."""
    following = np.roll(outline, -1, axis=0)
    cross = outline[:, 0] * following[:, 1] - following[:, 0] * outline[:, 1]
    total = cross.sum()
    return abs(total) / 2, ((outline + following) * cross[:, None]).sum(axis=0) / (3 * total)


def rounded(outline: Points) -> Points:
    """Stretched so that its second moments are those of a disc, whatever its outline."""
    middle = outline - area_and_centre(outline)[1]
    following = np.roll(middle, -1, axis=0)
    cross = middle[:, 0] * following[:, 1] - following[:, 0] * middle[:, 1]
    pairs = [np.einsum("p,pi,pj->ij", cross, a, b) for a, b in ((middle, middle), (following, following))]
    mixed = np.einsum("p,pi,pj->ij", cross, middle, following)
    moments = np.abs(cross.sum()) ** -1 * np.sign(cross.sum()) * (pairs[0] + pairs[1] + (mixed + mixed.T) / 2)
    values, vectors = np.linalg.eigh(moments)
    round_: Points = middle @ (vectors / np.sqrt(values)) @ vectors.T
    return round_


def stamp(outline: Points, rng: np.random.Generator) -> Stamp:
    """The outline's pixels, its centre at a random place within a pixel."""
    points = outline + rng.uniform(-0.5, 0.5, 2)
    half = int(np.ceil(np.abs(points).max())) + 2
    side = 2 * half + 1
    inside = np.zeros((side, side), bool)
    inside[polygon_pixels(points[:, 0] + half, points[:, 1] + half, (side, side))] = True
    if not inside.any():
        inside[half, half] = True
    near = inside.copy()
    near[1:] |= inside[:-1]
    near[:-1] |= inside[1:]
    near[:, 1:] |= inside[:, :-1]
    near[:, :-1] |= inside[:, 1:]
    (ys, xs), (near_ys, near_xs) = np.nonzero(inside), np.nonzero(near)
    return Stamp(ys - half, xs - half, near_ys - half, near_xs - half, float(np.sqrt(len(ys) / np.pi)), half)


def _angles() -> NDArray[np.float64]:
    return np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
