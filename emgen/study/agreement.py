"""How well two labels of one micrograph agree, and how well two real ones do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.particles import border_labels, match_objects
from emgen.stages import LabelArray

MATCHING_IOU = 0.5
"""Two outlines are of the same particle from this intersection over union on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Symmetric in the two labels, all fractions.

    Attributes
    ----------
    foreground_iou: intersection over union of all particle pixels. f1: of instances, matched one to one at an
        intersection over union of ``MATCHING_IOU``. diameter_difference: |mean a - mean b| over their mean, of the
        equivalent diameters of particles that the edge does not cut; NaN where a label has none.
    miou: mean of the intersection over union of particles and of background. pixel_accuracy: share of equal pixels.
        These two follow from ``foreground_iou`` and the share of the area that particles cover.
    """

    foreground_iou: float
    f1: float
    diameter_difference: float
    miou: float
    pixel_accuracy: float

    def to_dict(self) -> dict[str, float]:
        return {name: float(value) for name, value in asdict(self).items()}


REAL_AGREEMENT = Agreement(foreground_iou=0.66, f1=0.88, diameter_difference=0.056, miou=0.82, pixel_accuracy=0.99)
"""Two public labels of the same HAADF-STEM micrographs of supported catalysts: Genc et al., Ultramicroscopy 271 (2025)
114116. One pair of label sets, particles on about 3 % of the pixels."""


def agreement(label_a_HW: LabelArray, label_b_HW: LabelArray) -> Agreement:
    """Of two (H, W) int32 labels of one micrograph. Two empty ones agree. Raises ValueError for unequal shapes.

    >>> square = np.pad(np.ones((4, 4), np.int32), 3)
    >>> agreement(square, square).f1, round(agreement(square, np.roll(square, 1, 0)).foreground_iou, 2)
    (1.0, 0.6)
    """
    f1 = match_objects(label_a_HW, label_b_HW, MATCHING_IOU).f1
    a, b = label_a_HW > 0, label_b_HW > 0
    both, neither = int(np.count_nonzero(a & b)), int(np.count_nonzero(~(a | b)))
    differ = a.size - both - neither
    particles, background = _ratio(both, both + differ), _ratio(neither, neither + differ)
    return Agreement(
        foreground_iou=particles,
        f1=f1,
        diameter_difference=_diameter_difference(label_a_HW, label_b_HW),
        miou=(particles + background) / 2,
        pixel_accuracy=(both + neither) / a.size,
    )


def mean_agreement(several: Iterable[Agreement]) -> Agreement:
    """Mean over micrographs or pairs of labels, field by field; NaN of single ones is left out."""
    table = [each.to_dict() for each in several]
    if not table:
        raise ValueError("the mean agreement of no labels is not defined; give at least one pair.")
    known = {name: [row[name] for row in table if np.isfinite(row[name])] for name in table[0]}
    return Agreement(**{name: float(np.mean(values)) if values else float("nan") for name, values in known.items()})


def inner_diameters(label_HW: LabelArray) -> NDArray[np.float64]:
    """Equivalent diameters in px of the instances that the image's edge does not cut."""
    areas = np.bincount(label_HW.ravel())
    areas[0] = 0
    areas[border_labels(label_HW)] = 0
    diameters: NDArray[np.float64] = np.sqrt(4 / np.pi * areas[areas > 0])
    return diameters


def _diameter_difference(label_a_HW: LabelArray, label_b_HW: LabelArray) -> float:
    a, b = inner_diameters(label_a_HW), inner_diameters(label_b_HW)
    if not len(a) or not len(b):
        return 0.0 if len(a) == len(b) else float("nan")
    return float(2 * abs(a.mean() - b.mean()) / (a.mean() + b.mean()))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
