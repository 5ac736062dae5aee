"""Phantom fluorescence micrographs of nuclei: dark background, photon noise, uneven light, a camera's offset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Cells:
    """``image_HW`` uint16 counts; ``light_HW``: share of the light that falls there; ``label_HW`` int32."""

    image_HW: np.ndarray
    light_HW: np.ndarray
    label_HW: np.ndarray


def cells(
    seed: int, shape_HW: tuple[int, int] = (256, 256), *, diameter: float = 24.0, count: int = 30, uneven: float = 0.6
) -> Cells:
    """One micrograph; about a third of the nuclei touch another. ``uneven``: light lost in the darkest corner."""
    rng = np.random.default_rng([seed, 0xCE11])
    ys, xs = np.mgrid[: shape_HW[0], : shape_HW[1]].astype(float)
    label_HW, least_HW = np.zeros(shape_HW, np.int32), np.ones(shape_HW)
    shine_HW, places = np.zeros(shape_HW), []
    for number in range(1, count + 1):
        radius, aspect, turn = diameter / 2 * rng.lognormal(0, 0.15), rng.uniform(1, 1.6), rng.uniform(0, np.pi)
        y, x = rng.uniform(0, 1, 2) * shape_HW
        if places and rng.random() < 0.35:
            (y, x, other), angle = places[rng.integers(len(places))], rng.uniform(0, 2 * np.pi)
            y, x = y + 0.9 * (radius + other) * np.sin(angle), x + 0.9 * (radius + other) * np.cos(angle)
        if any(np.hypot(y - b, x - a) < 0.85 * (radius + r) for b, a, r in places):
            continue
        places.append((y, x, radius))
        u = (np.cos(turn) * (xs - x) + np.sin(turn) * (ys - y)) / np.sqrt(aspect)
        v = (np.cos(turn) * (ys - y) - np.sin(turn) * (xs - x)) * np.sqrt(aspect)
        depth_HW = np.hypot(u, v) / radius
        nearer = depth_HW < least_HW
        label_HW[nearer], least_HW[nearer] = number, depth_HW[nearer]
        shine_HW[nearer] = rng.uniform(0.35, 1.0) * (1.0 - 0.35 * depth_HW[nearer] ** 2)
    texture_HW = ndimage.gaussian_filter(rng.normal(size=shape_HW), 2.5)
    shine_HW = ndimage.gaussian_filter(shine_HW * (1 + 1.2 * texture_HW), 1.2)
    away_HW = np.hypot(ys / shape_HW[0] - 0.3, xs / shape_HW[1] - 0.35)
    light_HW = 1 - uneven * (away_HW / away_HW.max()) ** 2
    photons_HW = rng.poisson(np.clip(light_HW * (18 + 160 * shine_HW), 0, None))
    image_HW = 100 + 4.0 * photons_HW + rng.normal(0, 6, shape_HW)
    return Cells(np.clip(image_HW, 0, 65535).astype(np.uint16), light_HW, _numbered(label_HW))


def _numbered(label_HW: np.ndarray) -> np.ndarray:
    return np.unique(label_HW, return_inverse=True)[1].reshape(label_HW.shape).astype(np.int32)
