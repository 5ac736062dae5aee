"""Shape of single particles from their pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emgen.particles.hulls import hulls_of
from emgen.particles.runs import runs_of
from emgen.stages import FloatArray, LabelArray


def equivalent_diameters(label_HW: LabelArray) -> NDArray[np.float64]:
    """Diameter in px of the disc of equal area, of each instance in the order of their labels.

    >>> equivalent_diameters(np.ones((10, 10), np.int32)).round(2).tolist()
    [11.28]
    """
    areas = np.bincount(label_HW.ravel())[1:]
    diameters: NDArray[np.float64] = np.sqrt(4 / np.pi * areas[areas > 0])
    return diameters


def border_labels(label_HW: LabelArray) -> NDArray[np.int32]:
    """The instances that the image's edge cuts, or may cut."""
    edges = np.concatenate([label_HW[0], label_HW[-1], label_HW[:, 0], label_HW[:, -1]])
    found = np.unique(edges)
    return found[found > 0]


def typical_diameter(label_HW: LabelArray) -> float:
    """Median equivalent diameter in px; particles at the border count only where there are no others; NaN if none."""
    inner = np.where(np.isin(label_HW, border_labels(label_HW)), 0, label_HW)
    diameters = equivalent_diameters(inner.astype(np.int32))
    if not len(diameters):
        diameters = equivalent_diameters(label_HW)
    return float(np.median(diameters)) if len(diameters) else float("nan")


class Hull(NamedTuple):
    """A convex hull: its largest and least width (Feret diameters) in px, and its area in px²."""

    feret_max: float
    feret_min: float
    area: float


def hull_of(mask: NDArray[np.bool_]) -> Hull:
    """The convex hull around the middles of the pixels' edges.

    Around the middles of edges, not the corners: these would make small discs look ragged.

    >>> tuple(hull_of(np.ones((1, 5), bool)))
    (5.0, 1.0, 4.5)
    """
    feret_max, feret_min, area = hulls_of(runs_of(mask.astype(np.int32))[1])
    return Hull(float(feret_max[0]), float(feret_min[0]), float(area[0]))


def dome(label_HW: LabelArray, count: int) -> FloatArray:
    """(H, W) float32: distance to the particle's own edge over its largest such distance, 0 … 1; 0 outside.

    ``label_HW``: instances 1 … ``count``. Where particles touch, each has an edge.
    """
    from scipy import ndimage as ndi

    if count == 0:
        return np.zeros(label_HW.shape, np.float32)
    inner = label_HW > 0
    for axis in (0, 1):  # a pixel next to another particle is an edge too
        for shift in (1, -1):
            inner &= (np.roll(label_HW, shift, axis) == label_HW) | (np.roll(label_HW, shift, axis) == 0)
    distance = ndi.distance_transform_edt(np.pad(inner, 1, mode="edge"))[1:-1, 1:-1]
    peak = np.concatenate([[1.0], np.maximum(ndi.maximum(distance, label_HW, np.arange(1, count + 1)), 1e-6)])
    height: FloatArray = (distance / peak[label_HW] * (label_HW > 0)).astype(np.float32)
    return height
