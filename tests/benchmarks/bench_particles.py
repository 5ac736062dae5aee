"""Particles of one large frame: measured, and split and measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage as ndi
from timing import Comparison, Work

from emgen.particles import match_objects, measure, split_instances

SIDE, PIXEL_NM = 2048, 0.4
PROPERTIES = (
    "label",
    "centroid",
    "area",
    "equivalent_diameter_area",
    "feret_diameter_max",
    "perimeter_crofton",
    "axis_major_length",
    "axis_minor_length",
    "bbox",
    "eccentricity",
    "solidity",
    "orientation",
    "intensity_mean",
)
"""Of what ``emgen.particles.measure`` measures, all that scikit-image has."""
EQUAL = {
    "centroid-0": "centroid_y_px",
    "centroid-1": "centroid_x_px",
    "area": "area_px",
    "equivalent_diameter_area": "equivalent_diameter_px",
    "perimeter_crofton": "perimeter_px",
    "axis_major_length": "major_axis_px",
    "axis_minor_length": "minor_axis_px",
    "eccentricity": "eccentricity",
}
"""Columns of both that mean the same to the last digit; hulls go round corners there, round edges here."""


def ellipses(count: int, diameter: float, room: float) -> np.ndarray:
    """(H, W) int32: ``count`` ellipses of about that diameter in a loose grid with ``room`` px a particle to stir."""
    rng, label = np.random.default_rng(0), np.zeros((SIDE, SIDE), np.int32)
    side, reach = int(np.ceil(np.sqrt(count))), int(1.5 * diameter)
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for number in range(count):
        y, x = (np.array(divmod(number, side)) + 0.5) * (SIDE / side) + rng.uniform(-room, room, 2)
        turn, a, b = rng.uniform(0, np.pi), *(diameter / 2 * rng.lognormal(0, 0.2, 2))
        u, v = xs * np.cos(turn) + ys * np.sin(turn), ys * np.cos(turn) - xs * np.sin(turn)
        inside = np.nonzero((u / a) ** 2 + (v / b) ** 2 <= 1)
        rows, columns = inside[0] + int(y) - reach, inside[1] + int(x) - reach
        seen = (rows >= 0) & (rows < SIDE) & (columns >= 0) & (columns < SIDE)
        label[rows[seen], columns[seen]] = number + 1
    return label


def micrograph(label: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0.3, 0.05, label.shape)
    return (noise + 0.4 * (label > 0)).astype(np.float32)


def measuring(folder: Path) -> Work:
    label = ellipses(10_000, diameter=13.0, room=1.0)
    image = micrograph(label)
    return Work(
        rival=lambda: regions(label, image),
        ours=lambda: measure(label, image, PIXEL_NM),
        agree=lambda rival, ours: equal_columns(rival, ours),
    )


def splitting(folder: Path) -> Work:
    label = ellipses(2_000, diameter=26.0, room=13.0)
    image, rng = micrograph(label), np.random.default_rng(2)
    ragged = 0.15 * ndi.gaussian_filter(rng.normal(size=label.shape), 1.5)
    probability = np.clip(ndi.gaussian_filter((label > 0).astype(float), 0.8) + ragged, 0, 1).astype(np.float32)

    def connected() -> np.ndarray:
        found = ndi.label(probability >= 0.5)[0]
        regions(found, image)
        return found

    def split() -> np.ndarray:
        found = split_instances(probability)
        measure(found, image, PIXEL_NM)
        return found

    def agree(rival: Any, ours: Any) -> str:
        scores = [match_objects(found, label).f1 for found in (ours, rival)]
        assert scores[0] >= scores[1]
        return "object F1 {:.3f}, the rival's {:.3f}".format(*scores)

    return Work(rival=connected, ours=split, agree=agree)


def regions(label: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
    from skimage.measure import regionprops_table

    return regionprops_table(label, image, PROPERTIES)


def equal_columns(rival: Any, ours: Any) -> str:
    for theirs, column in EQUAL.items():
        np.testing.assert_allclose(ours[column], rival[theirs], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours["mean_intensity"], rival["intensity_mean"], rtol=1e-5)  # sums of 32 bits
    return f"{len(ours)} particles, {len(EQUAL)} columns to 1e-9"


COMPARISONS = [
    Comparison(
        name="measure 10,000 particles in 2048² pixels",
        rival="scikit-image regionprops_table",
        prepare=measuring,
        goal=10.0,
        limit_s=1.0,
        repeats=3,
    ),
    Comparison(
        name="split and measure 2,000 touching particles in 2048² pixels",
        rival="scipy label and scikit-image regionprops_table, without splitting",
        prepare=splitting,
        goal=1.0,
        repeats=3,
    ),
]
