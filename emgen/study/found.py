"""Which true particles a prediction finds, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emgen.particles import border_labels, equivalent_diameters, match_objects, measure
from emgen.stages import FloatArray, LabelArray

Property = Literal["diameter", "contrast"]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One row a true particle of one or several images (K).

    diameter_K: equivalent, px. contrast_K: mean intensity less that of the surroundings, as the polarity has it
    positive; NaN where unknown. found_K: matched. pred_diameter_K: of its match, NaN without. border_K: it or its match
    is cut by the edge. image_K: number of the image.
    """

    diameter_K: NDArray[np.float64]
    contrast_K: NDArray[np.float64]
    found_K: NDArray[np.bool_]
    pred_diameter_K: NDArray[np.float64]
    border_K: NDArray[np.bool_]
    image_K: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.found_K)

    def values(self, by: Property) -> NDArray[np.float64]:
        """(K,) diameters in px, or contrasts."""
        return self.diameter_K if by == "diameter" else self.contrast_K


def find_matches(
    pred: Sequence[LabelArray], true: Sequence[LabelArray], images: Sequence[FloatArray] | None = None, iou: float = 0.5
) -> Found:
    """Of each (H, W) true instance, whether and how it was found; matched one to one from ``iou`` on.

    ``images``: (H, W) micrographs, for the contrasts; without them these are NaN. Raises ValueError for unequal
    lengths or shapes.
    """
    pixels: Sequence[FloatArray | None] = images if images is not None else [None] * len(true)
    rows = [_rows(p, t, image, iou) for p, t, image in zip(pred, true, pixels, strict=True)]
    if not rows:
        raise ValueError("recall of no images is not defined; give at least one.")
    diameter, contrast, found, size, border = (np.concatenate(column) for column in zip(*rows, strict=True))
    image = np.repeat(np.arange(len(rows)), [len(row[0]) for row in rows])
    known = contrast[np.isfinite(contrast)]
    polarity = -1 if len(known) and np.median(known) < 0 else 1
    return Found(diameter, polarity * contrast, found, size, border, image)


def _rows(
    pred_HW: LabelArray, true_HW: LabelArray, image_HW: FloatArray | None, iou: float
) -> tuple[NDArray[Any], ...]:
    labels = [int(label) for label in np.unique(true_HW[true_HW > 0])]
    partner = {t: p for p, t in match_objects(pred_HW, true_HW, iou).pairs}
    found = np.array([label in partner for label in labels], bool)
    sizes = 2 * np.sqrt(np.bincount(pred_HW.ravel()) / np.pi)
    size = np.array([sizes[partner[label]] if label in partner else np.nan for label in labels], float)
    cut_true, cut_pred = set(border_labels(true_HW).tolist()), set(border_labels(pred_HW).tolist())
    border = np.array([label in cut_true or partner.get(label) in cut_pred for label in labels], bool)
    return equivalent_diameters(true_HW), _contrasts(true_HW, image_HW, len(labels)), found, size, border


def _contrasts(true_HW: LabelArray, image_HW: FloatArray | None, count: int) -> NDArray[np.float64]:
    if image_HW is None or not count:
        return np.full(count, np.nan)
    return measure(true_HW, image_HW)["contrast"].to_numpy(float)
