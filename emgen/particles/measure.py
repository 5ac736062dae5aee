"""Measurements of every particle, in pixels and, where the pixel size is known, in nanometres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.particles.ellipses import ellipses_of
from emgen.particles.geometry import border_labels
from emgen.particles.hulls import hulls_of
from emgen.particles.perimeters import perimeters_of
from emgen.particles.runs import Floats, Ints, Runs, runs_of, sums_over
from emgen.stages import FloatArray, LabelArray

if TYPE_CHECKING:
    import pandas

LENGTHS = (
    "equivalent_diameter",
    "feret_max",
    "feret_min",
    "perimeter",
    "major_axis",
    "minor_axis",
    "bounding_height",
    "bounding_width",
    "nearest_neighbour",
)
"""What is measured in px and, where the pixel size is known, in nm as well."""
RING_PX = 3
"""Width of the surroundings that a particle's contrast is taken against, one pixel off its edge."""


def measure(
    label_HW: LabelArray, image_HW: FloatArray | None = None, pixel_size_nm: float | None = None, name: str = ""
) -> pandas.DataFrame:
    """One row a particle of (H, W) int32 instances.

    Columns: ``image`` (the name given), ``label``, ``centroid_y_px``, ``centroid_x_px``, ``area_px``,
    ``equivalent_diameter_px`` (of the circle of equal area), ``feret_max_px`` and ``feret_min_px`` (largest and least
    width of the convex hull), ``perimeter_px`` (Crofton), ``major_axis_px``, ``minor_axis_px``, ``bounding_height_px``,
    ``bounding_width_px``, ``nearest_neighbour_px`` (between centroids, within the image; NaN of a single particle),
    ``circularity`` (4 pi area / perimeter^2, at most 1), ``eccentricity``, ``solidity``, ``orientation_deg`` (of the
    major axis against the x axis, counter-clockwise), ``border`` (cut by the image's edge); with ``image_HW``
    also ``mean_intensity`` and ``contrast`` (mean intensity less that of the surroundings; NaN where there are none);
    with ``pixel_size_nm`` area in nm² and lengths in nm.
    """
    import pandas as pd

    labels, runs = runs_of(label_HW)
    table = _shapes(label_HW, labels, runs)
    if image_HW is not None:
        table["mean_intensity"], table["contrast"] = _intensities(label_HW, image_HW, runs)
    if pixel_size_nm is not None:
        table["area_nm2"] = table["area_px"] * pixel_size_nm**2
        for length in LENGTHS:
            table[f"{length}_nm"] = table[f"{length}_px"] * pixel_size_nm
    return pd.DataFrame({"image": np.full(len(table["label"]), name, dtype=object), **table})


def _shapes(label_HW: LabelArray, labels: Ints, runs: Runs) -> dict[str, NDArray[Any]]:
    area = runs.total(runs.length_R)
    ellipses, hulls = ellipses_of(runs, area), hulls_of(runs)
    perimeter = perimeters_of(label_HW, labels)
    top, bottom, left, right = runs.boxes()
    return {
        "label": labels,
        "centroid_y_px": ellipses.y_K,
        "centroid_x_px": ellipses.x_K,
        "area_px": area,
        "equivalent_diameter_px": np.sqrt(4 / np.pi * area),
        "feret_max_px": hulls.feret_max_K,
        "feret_min_px": hulls.feret_min_K,
        "perimeter_px": perimeter,
        "major_axis_px": ellipses.major_K,
        "minor_axis_px": ellipses.minor_K,
        "bounding_height_px": (bottom - top).astype(float),
        "bounding_width_px": (right - left).astype(float),
        "nearest_neighbour_px": _nearest(np.stack([ellipses.y_K, ellipses.x_K], axis=1)),
        "circularity": np.minimum(4 * np.pi * area / perimeter**2, 1),
        "eccentricity": ellipses.eccentricity_K,
        "solidity": np.minimum(area / hulls.area_K, 1),
        "orientation_deg": ellipses.orientation_K,
        "border": np.isin(labels, border_labels(label_HW)),
    }


def _nearest(centroid_K2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point to the nearest other."""
    from scipy.spatial import KDTree

    if len(centroid_K2) < 2:
        return np.full(len(centroid_K2), np.nan)
    distance: NDArray[np.float64] = KDTree(centroid_K2).query(centroid_K2, k=2)[0][:, 1]
    return distance


def _intensities(label_HW: LabelArray, image_HW: FloatArray, runs: Runs) -> tuple[Floats, Floats]:
    """Mean of each particle, and that mean less its surroundings' (no other particle's pixels among them)."""
    (total,) = sums_over(image_HW, runs)
    mean = total / runs.total(runs.length_R)
    # Of all pixels up to the ring's outer edge, less those up to its inner one; particles' count 0.
    free_HW, edges = label_HW == 0, (runs.grown(1 + RING_PX), runs.grown(1))
    pixels = np.subtract(*sums_over(free_HW, *edges))
    ring = np.subtract(*sums_over(np.where(free_HW, image_HW, 0), *edges))
    around = np.divide(ring, pixels, out=np.full(runs.count, np.nan), where=pixels > 0)
    return mean, mean - around


def size_summary(table: pandas.DataFrame) -> dict[str, Any]:
    """Count and equivalent diameters of a table from ``measure``: mean, sd, median, 10 and 90 % quantile, per unit.

    Particles that an image's edge cuts are counted but not in the sizes, as they are measured too small.
    """
    whole = table[~table["border"].astype(bool)]
    summary: dict[str, Any] = {"particles": len(table), "cut_by_the_edge": len(table) - len(whole)}
    for unit in ("px", "nm"):
        column = f"equivalent_diameter_{unit}"
        if column in whole and whole[column].notna().any():
            values = whole[column].dropna().to_numpy(float)
            low, median, high = np.quantile(values, (0.1, 0.5, 0.9))
            spread = values.std(ddof=1) if len(values) > 1 else 0.0
            numbers = {"mean": values.mean(), "sd": spread, "median": median, "q10": low, "q90": high}
            summary[f"diameter_{unit}"] = {key: round(float(value), 4) for key, value in numbers.items()}
    return summary
