"""Masks that a promptable model proposes, and the filters that leave particles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emgen.stages import FloatArray, LabelArray, Polarity
from emgen_segmenters.config import SamConfig

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One mask, cropped to ``window`` of the image, and the model's own estimate of its quality."""

    mask_HW: NDArray[np.bool_]
    window: Window
    score: float

    @classmethod
    def of(cls, mask_HW: NDArray[np.bool_], score: float, tile: Window) -> Proposal | None:
        """From a mask over a whole tile; None if it is empty."""
        found = ndimage.find_objects(mask_HW.astype(np.uint8))
        if not found:
            return None
        rows, columns = found[0]
        window = (
            slice(tile[0].start + rows.start, tile[0].start + rows.stop),
            slice(tile[1].start + columns.start, tile[1].start + columns.stop),
        )
        return cls(mask_HW[rows, columns], window, score)

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.mask_HW))


def filtered(
    proposals: Sequence[Proposal], image_HW: FloatArray, config: SamConfig, polarity: Polarity
) -> list[Proposal]:
    """Those of allowed area, of the right contrast with their surroundings, and allowed at the border."""
    largest = config.max_area_fraction * image_HW.size
    return [
        proposal
        for proposal in proposals
        if config.min_area <= proposal.area <= largest
        and not (config.border == "drop" and _at_border(proposal.window, image_HW.shape))
        and contrast(proposal, image_HW, polarity) >= config.min_contrast
    ]


def contrast(proposal: Proposal, image_HW: FloatArray, polarity: Polarity) -> float:
    """Median inside minus median in a ring around, with the sign by which particles of the modality are positive.

    The ring is about half a radius wide. Zero where the mask fills the image.
    """
    wide = max(2, round(0.25 * float(np.sqrt(proposal.area))))
    rows, columns = proposal.window
    y0, x0 = max(rows.start - wide, 0), max(columns.start - wide, 0)
    y1, x1 = min(rows.stop + wide, image_HW.shape[0]), min(columns.stop + wide, image_HW.shape[1])
    inside = np.zeros((y1 - y0, x1 - x0), bool)
    inside[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0] = proposal.mask_HW
    ring = ndimage.binary_dilation(inside, iterations=wide) & ~inside
    if not ring.any():
        return 0.0
    part = image_HW[y0:y1, x0:x1]
    difference = float(np.median(part[inside]) - np.median(part[ring]))
    return difference if polarity == "bright" else -difference


def without_doubles(proposals: Sequence[Proposal], max_overlap: float) -> list[Proposal]:
    """Of two masks whose IoU exceeds ``max_overlap`` the one with the better score stays."""
    kept: list[Proposal] = []
    for proposal in sorted(proposals, key=lambda one: -one.score):
        if all(overlap(proposal, other) <= max_overlap for other in kept):
            kept.append(proposal)
    return kept


def overlap(a: Proposal, b: Proposal) -> float:
    """Intersection over union of two masks."""
    y0, y1 = max(a.window[0].start, b.window[0].start), min(a.window[0].stop, b.window[0].stop)
    x0, x1 = max(a.window[1].start, b.window[1].start), min(a.window[1].stop, b.window[1].stop)
    if y0 >= y1 or x0 >= x1:
        return 0.0
    parts = [
        one.mask_HW[
            y0 - one.window[0].start : y1 - one.window[0].start, x0 - one.window[1].start : x1 - one.window[1].start
        ]
        for one in (a, b)
    ]
    common = int(np.count_nonzero(parts[0] & parts[1]))
    return common / (a.area + b.area - common)


def painted(proposals: Sequence[Proposal], shape_HW: tuple[int, ...]) -> LabelArray:
    """(H, W) int32 instances; smaller masks over larger ones, numbered without gaps."""
    label = np.zeros(shape_HW, np.int32)
    for number, proposal in enumerate(sorted(proposals, key=lambda one: -one.area), start=1):
        label[proposal.window][proposal.mask_HW] = number
    _, inverse = np.unique(label, return_inverse=True)
    dense = inverse.reshape(shape_HW).astype(np.int32)
    return dense if (label == 0).any() or not label.size else dense + 1


def _at_border(window: Window, shape_HW: tuple[int, ...]) -> bool:
    rows, columns = window
    return bool(rows.start == 0 or columns.start == 0 or rows.stop == shape_HW[0] or columns.stop == shape_HW[1])
