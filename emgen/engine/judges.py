"""What candidates are measured by: one judge a criterion. A judge sees images alone and knows no truth.

N, M: probes and real crops, the same ones for every candidate; H, W.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emgen.errors import BadImageError, NoImagesError
from emgen.selection import Criterion, Measured, leave_out
from emgen.selection.measure import GROUPS
from emgen.stages import FloatArray, LabelArray, MetricContext, Stack

SIZES = Criterion("sizes", "Size distribution, distance", "lower", tolerance=0.01)
ENOUGH = 10
"""Whole particles that the segmenter must find in the real crops; fewer have no distribution of sizes."""


class Judge(Protocol):
    criterion: Criterion

    def measure(self, image_NHW: FloatArray) -> Measured:
        """(N, H, W) float32 in [0, 1], image i made from probe i."""
        ...


class PartOf:
    """Some images of a stack, as a ``Stack``; it remembers which, so that the features of the whole serve it."""

    def __init__(self, whole_NHW: FloatArray, rows: NDArray[np.intp]) -> None:
        self.whole_NHW, self.rows = whole_NHW, rows
        self._own_NHW = whole_NHW[rows]
        self.shape = self._own_NHW.shape

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self._own_NHW[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self._own_NHW, dtype=dtype)


@dataclass
class MetricJudge:
    """A metric of sets of images against real crops. ``features``: see ``FeatureMemo.of``."""

    criterion: Criterion
    metric: Any
    headline: str
    real_MHW: FloatArray
    context: MetricContext
    features: Callable[[str, Stack], NDArray[Any]] | None = None

    def measure(self, image_NHW: FloatArray) -> Measured:
        """NaN for images that the metric refuses, such as those of a generator that draws one grey."""
        groups = min(GROUPS, len(image_NHW), len(self.real_MHW))
        whole = np.arange(len(image_NHW)), np.arange(len(self.real_MHW))
        parts = zip(leave_out(len(image_NHW), groups), leave_out(len(self.real_MHW), groups), strict=True)
        try:
            value, *without = [self._compute(image_NHW, *rows) for rows in (whole, *parts)]
        except (BadImageError, NoImagesError):
            return Measured(math.nan)
        return Measured(value, tuple(without))

    def _compute(self, image_NHW: FloatArray, rows_N: NDArray[np.intp], rows_M: NDArray[np.intp]) -> float:
        context = MetricContext(
            seed=self.context.seed, device=self.context.device, features=self._features if self.features else None
        )
        parts = PartOf(image_NHW, rows_N), PartOf(self.real_MHW, rows_M)
        return float(self.metric.compute(*parts, context)[self.headline])

    def _features(self, name: str, stack: Stack) -> NDArray[Any]:
        assert self.features is not None
        if isinstance(stack, PartOf):
            return self.features(name, stack.whole_NHW)[stack.rows]
        return self.features(name, stack)


@dataclass
class SizeJudge:
    """Do the particles have the sizes of real ones? By what the rough segmenter finds in both.

    The distance is Wasserstein's between the diameters of whole particles, over the median of the real ones: 0.1 means
    that diameters are off by a tenth on average.
    """

    segment: Callable[[FloatArray], LabelArray]
    real_MHW: FloatArray
    criterion: Criterion = SIZES

    def __post_init__(self) -> None:
        self._real = diameters_by_image(self.segment(self.real_MHW))
        found = sum(map(len, self._real))
        if found < ENOUGH:
            raise NoImagesError(f"the rough segmenter finds only {found} whole particles in the real crops")

    def measure(self, image_NHW: FloatArray) -> Measured:
        made = diameters_by_image(self.segment(image_NHW))
        return jackknifed(self._distance, made, self._real)

    def _distance(self, made: Sequence[NDArray[Any]], real: Sequence[NDArray[Any]]) -> float:
        from scipy.stats import wasserstein_distance

        found, wanted = np.concatenate(made), np.concatenate(real)
        if not len(wanted):
            return math.nan
        # Images without any particle are as far off as particles of no size.
        return float(wasserstein_distance(found if len(found) else [0.0], wanted) / np.median(wanted))


def jackknifed(
    distance: Callable[[Sequence[NDArray[Any]], Sequence[NDArray[Any]]], float],
    made: Sequence[NDArray[Any]],
    real: Sequence[NDArray[Any]],
) -> Measured:
    """A distance between what was measured in virtual and in real images, an array an image."""
    groups = min(GROUPS, len(made), len(real))
    parts = zip(leave_out(len(made), groups), leave_out(len(real), groups), strict=True)
    without = tuple(distance([made[i] for i in a], [real[i] for i in b]) for a, b in parts)
    return Measured(distance(made, real), without)


def diameters_by_image(label_NHW: LabelArray) -> list[NDArray[np.float64]]:
    """Equivalent diameters in px, particles cut by the border left out."""
    from emgen.particles import border_labels, equivalent_diameters

    whole = [np.where(np.isin(label_HW, border_labels(label_HW)), 0, label_HW) for label_HW in label_NHW]
    return [equivalent_diameters(label_HW.astype(np.int32)) for label_HW in whole]


def side_by_side(image_NHW: FloatArray) -> FloatArray:
    """Crops laid side by side, row by row, as one near-square micrograph; the first ones again where it has room.

    A rough segmenter finds its scale and its threshold in a micrograph, for which one crop has too few particles.
    """
    across = math.ceil(math.sqrt(len(image_NHW)))
    down = math.ceil(len(image_NHW) / across)
    h, w = image_NHW.shape[1:]
    filled = np.resize(np.arange(len(image_NHW)), down * across)
    sheet = image_NHW[filled].reshape(down, across, h, w).transpose(0, 2, 1, 3).reshape(down * h, across * w)
    return np.ascontiguousarray(sheet)


def cut_apart(sheet_HW: NDArray[Any], count: int, shape_HW: tuple[int, int]) -> NDArray[Any]:
    """The (N, H, W) crops of ``side_by_side``."""
    h, w = shape_HW
    down, across = sheet_HW.shape[0] // h, sheet_HW.shape[1] // w
    tiles = sheet_HW.reshape(down, h, across, w).transpose(0, 2, 1, 3).reshape(down * across, h, w)
    return tiles[:count]
