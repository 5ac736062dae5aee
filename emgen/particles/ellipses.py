"""Centroids and the ellipses of equal second moments, of all particles at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emgen.particles.runs import Floats, Runs


class Ellipses(NamedTuple):
    """(K,) each: centroid and full axes in px, eccentricity, and the major axis against the x axis in degrees,
    counter-clockwise, 0 … 180."""

    y_K: Floats
    x_K: Floats
    major_K: Floats
    minor_K: Floats
    eccentricity_K: Floats
    orientation_K: Floats


def ellipses_of(runs: Runs, area_K: Floats) -> Ellipses:
    """As ``skimage.measure.regionprops`` has them."""
    top, _, left, _ = runs.boxes()
    length = runs.length_R
    # From the corner of each particle's box: small numbers, and a particle measures alike wherever it lies.
    row = runs.row_R - top[runs.owner_R]
    middle = runs.start_R - left[runs.owner_R] + (length - 1) / 2
    y, x = runs.total(row * length) / area_K, runs.total(middle * length) / area_K
    dy, dx = row - y[runs.owner_R], middle - x[runs.owner_R]
    yy = runs.total(length * dy**2) / area_K
    xx = runs.total(length * (dx**2 + (length**2 - 1) / 12)) / area_K
    yx = runs.total(length * dy * dx) / area_K
    tensor = np.stack([xx, -yx, -yx, yy], axis=1).reshape(-1, 2, 2)
    least, most = np.maximum(np.linalg.eigvalsh(tensor), 0).T
    ratio = np.divide(least, most, out=np.ones_like(most), where=most > 0)
    turned = np.where(xx == yy, np.where(yx > 0, np.pi / 4, -np.pi / 4), 0.5 * np.arctan2(2 * yx, yy - xx))
    return Ellipses(
        y + top, x + left, 4 * np.sqrt(most), 4 * np.sqrt(least), np.sqrt(1 - ratio), np.degrees(turned) + 90
    )
