"""Measurements of every particle, in pixels and, where the pixel size is known, in nanometres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.particles.geometry import border_labels, hull_of
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

    table = _shapes(label_HW)
    if image_HW is not None:
        table["mean_intensity"], table["contrast"] = _intensities(label_HW, image_HW, table["label"])
    if pixel_size_nm is not None:
        table["area_nm2"] = table["area_px"] * pixel_size_nm**2
        for length in LENGTHS:
            table[f"{length}_nm"] = table[f"{length}_px"] * pixel_size_nm
    return pd.DataFrame({"image": np.full(len(table["label"]), name, dtype=object), **table})


def _shapes(label_HW: LabelArray) -> dict[str, NDArray[Any]]:
    from skimage.measure import regionprops

    regions = regionprops(label_HW)
    area = np.array([r.area for r in regions], float)
    perimeter = np.array([r.perimeter_crofton for r in regions], float)
    hulls = np.array([hull_of(r.image) for r in regions], float).reshape(-1, 3)
    boxes = np.array([r.bbox for r in regions], float).reshape(-1, 4)
    centroids = np.array([r.centroid for r in regions], float).reshape(-1, 2)
    labels = np.array([r.label for r in regions], int)
    with np.errstate(divide="ignore", invalid="ignore"):
        circularity = np.minimum(4 * np.pi * area / perimeter**2, 1)
    return {
        "label": labels,
        "centroid_y_px": centroids[:, 0],
        "centroid_x_px": centroids[:, 1],
        "area_px": area,
        "equivalent_diameter_px": np.sqrt(4 / np.pi * area),
        "feret_max_px": hulls[:, 0],
        "feret_min_px": hulls[:, 1],
        "perimeter_px": perimeter,
        "major_axis_px": np.array([r.axis_major_length for r in regions], float),
        "minor_axis_px": np.array([r.axis_minor_length for r in regions], float),
        "bounding_height_px": boxes[:, 2] - boxes[:, 0],
        "bounding_width_px": boxes[:, 3] - boxes[:, 1],
        "nearest_neighbour_px": _nearest(centroids),
        "circularity": circularity,
        "eccentricity": np.array([r.eccentricity for r in regions], float),
        "solidity": np.minimum(area / hulls[:, 2], 1),
        "orientation_deg": np.degrees([r.orientation for r in regions]) + 90,
        "border": np.isin(labels, border_labels(label_HW)),
    }


def _nearest(centroid_K2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point to the nearest other."""
    from scipy.spatial import KDTree

    if len(centroid_K2) < 2:
        return np.full(len(centroid_K2), np.nan)
    distance: NDArray[np.float64] = KDTree(centroid_K2).query(centroid_K2, k=2)[0][:, 1]
    return distance


def _intensities(
    label_HW: LabelArray, image_HW: FloatArray, labels: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each particle, and that mean less its surroundings' (no other particle's pixels among them)."""
    from scipy import ndimage as ndi

    boxes = ndi.find_objects(label_HW)
    means, contrasts = np.zeros(len(labels)), np.zeros(len(labels))
    for row, label in enumerate(labels):
        reach = RING_PX + 1
        box = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in boxes[label - 1])
        part, pixels = label_HW[box], image_HW[box]
        inside = part == label
        near = ndi.binary_dilation(inside, iterations=1)
        ring = ndi.binary_dilation(near, iterations=RING_PX) & ~near & (part == 0)
        means[row] = pixels[inside].mean()
        contrasts[row] = means[row] - pixels[ring].mean() if ring.any() else np.nan
    return means, contrasts


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
