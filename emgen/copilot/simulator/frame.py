"""A frame with its truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emgen.particles.geometry import border_labels, equivalent_diameters
from emgen.stages import LabelArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true of a frame.

    Attributes
    ----------
    number: from 1 on. modality: of this frame. pixel_size_nm: ``None`` where the file doesn't state it.
    diameter_K: px, equivalent diameters of all labels in their order; border_K: whether the image's edge cuts it.
    coverage: share of the image that particles cover.
    defocus: px of blur beyond the microscope's own; dose: counts at the support's mean brightness.
    drift_2: (y, x) in px where the specimen lies against the first frame.
    """

    number: int
    modality: str
    pixel_size_nm: float | None
    defocus: float
    dose: float
    drift_2: tuple[float, float]
    diameter_K: NDArray[np.float64]
    border_K: NDArray[np.bool_]
    coverage: float

    @property
    def particles(self) -> int:
        return len(self.diameter_K)

    @property
    def mean_diameter(self) -> float:
        """px, of particles that the edge doesn't cut, as every measurement of emgen has it; NaN where there is none."""
        whole = self.diameter_K[~self.border_K]
        return float(whole.mean()) if len(whole) else float("nan")

    @property
    def median_diameter(self) -> float:
        """px, of particles that the edge doesn't cut."""
        whole = self.diameter_K[~self.border_K]
        return float(np.median(whole)) if len(whole) else float("nan")


class Frame(NamedTuple):
    """``image_HW`` uint16 or uint8, ``label_HW`` int32 with exact instances 0, 1 … K, and what else is true."""

    image_HW: NDArray[Any]
    label_HW: LabelArray
    facts: Facts


def measured(label_HW: LabelArray) -> dict[str, Any]:
    """The fields of ``Facts`` that the labels 1 … K tell."""
    diameter_K = equivalent_diameters(label_HW)
    border_K = np.zeros(len(diameter_K), bool)
    border_K[border_labels(label_HW) - 1] = True
    return {"diameter_K": diameter_K, "border_K": border_K, "coverage": np.count_nonzero(label_HW) / label_HW.size}


def cropped(frame: Frame, shape_HW: tuple[int, int]) -> Frame:
    """The upper left of a frame; its truth is that of what is left."""
    image_HW, label_HW = (part[: shape_HW[0], : shape_HW[1]] for part in frame[:2])
    kept, number_HW = np.unique(label_HW, return_inverse=True)
    label_HW = (number_HW.reshape(label_HW.shape) + (kept[0] > 0)).astype(np.int32)
    return Frame(np.ascontiguousarray(image_HW), label_HW, replace(frame.facts, **measured(label_HW)))
