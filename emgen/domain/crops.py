"""A few crops of a segmented micrograph, at the scale that the model works at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emgen.data.crops import at_least
from emgen.data.resize import binned, resize_labels, resize_to
from emgen.data.tiling import starts
from emgen.stages import FloatArray, LabelArray

CROP = 128
"""px at the working scale: about nine working diameters."""
MOST = 12
"""Crops of a micrograph, however large it is: what a look costs does not grow with the frame."""


class Segmented(Protocol):
    """What is needed of a segmentation (``emgen.model.Segmentation``): both arrays (H, W), at the micrograph's size.

    ``factor``: working scale over the micrograph's own.
    """

    @property
    def label_HW(self) -> LabelArray: ...
    @property
    def probability_HW(self) -> FloatArray: ...
    @property
    def factor(self) -> float: ...


class Network(Protocol):
    """What is needed of a downstream task."""

    def predict(self, image_NHW: FloatArray) -> FloatArray:
        """(N, H, W) float32 in [0, 1] at the working scale -> (N, H, W) probability of particle."""
        ...


class Segmenter(Protocol):
    """What is needed of a model (``emgen.model.Model``)."""

    @property
    def working_diameter(self) -> float: ...
    @property
    def task(self) -> Network: ...
    def segment(self, image_HW: FloatArray) -> Segmented: ...


@dataclass(frozen=True, slots=True)
class Crops:
    """C crops of one micrograph, continued by reflection where it is smaller than a crop.

    Attributes
    ----------
    image_CHW, probability_CHW: (C, CROP, CROP) float32 in [0, 1]. label_CHW: int32 instances.
    native: per crop up to (CROP, CROP) of the micrograph's own pixels there, before any resizing.
    own: share of a crop's area that is not continued, 0 ... 1.
    """

    image_CHW: FloatArray
    label_CHW: LabelArray
    probability_CHW: FloatArray
    native: list[FloatArray]
    own: float


def draw_crops(image_HW: FloatArray, segmented: Segmented, seed: int) -> Crops:
    """At most ``MOST`` crops that cover the micrograph evenly, a random choice of them where more would fit."""
    factor, shape = segmented.factor, image_HW.shape
    side = native_side(factor)
    corners = [(y, x) for y in starts(shape[0], side, 0) for x in starts(shape[1], side, 0)]
    chosen = np.random.default_rng(seed).permutation(len(corners))[:MOST]
    windows = [(slice(y, y + side), slice(x, x + side)) for y, x in (corners[i] for i in chosen)]
    sides = [min(CROP, max(1, round(min(length, side) * factor))) for length in shape]
    size = sides[0], sides[1]
    labels = [resize_labels(segmented.label_HW[window], size) for window in windows]
    return Crops(
        image_CHW=np.stack([at_least(_reduced(image_HW[window], size), CROP) for window in windows]),
        label_CHW=np.stack([at_least(label_HW, CROP) for label_HW in labels]),
        probability_CHW=np.stack(
            [at_least(_reduced(segmented.probability_HW[window], size), CROP) for window in windows]
        ),
        native=[image_HW[window][:CROP, :CROP] for window in windows],
        own=sides[0] * sides[1] / CROP**2,
    )


def native_side(factor: float) -> int:
    """Side in px of the micrograph that becomes a crop; halved evenly as often as its reduction is by halves."""
    halvings = max(0, math.floor(math.log2(1 / factor)))
    step = int(2**halvings)
    return max(1, round(CROP / factor / step)) * step


def _reduced(array_HW: NDArray[Any], shape_HW: tuple[int, int]) -> FloatArray:
    """By halves as far as it goes, as ``emgen.multiscale`` does it: many times cheaper than one wide filter."""
    array_HW = np.asarray(array_HW, np.float32)
    while all(length % 2 == 0 and length >= 2 * new for length, new in zip(array_HW.shape, shape_HW, strict=True)):
        array_HW = binned(array_HW)
    return resize_to(array_HW, shape_HW)
