"""The ``threshold`` rough segmenter: classical, fast, no weights."""

from __future__ import annotations

import numpy as np

from emgen.stages import Context, FloatArray, LabelArray, Stack
from emgen_segmenters.blobs import STEP, Spots, find_objects
from emgen_segmenters.config import ThresholdConfig
from emgen_segmenters.outlines import outline

_SIZE_KERNEL = 0.45
"""Width, in the logarithm of size, of the window in which particles count as of one size."""


class Threshold:
    """Finds spots that stand out from their surroundings, keeps those of the typical size, outlines each.

    The typical size is estimated from each image. Bright or dark particles, by ``context.polarity``.
    """

    def __init__(self, config: ThresholdConfig, context: Context) -> None:
        self.config, self.polarity = config, context.polarity

    def segment(self, image_NHW: Stack) -> LabelArray:
        """(N, H, W) float32 in [0, 1] -> (N, H, W) int32 instances."""
        labels = np.zeros(tuple(image_NHW.shape), np.int32)
        for index in range(len(image_NHW)):
            labels[index] = self._segment_one(np.asarray(image_NHW[index], np.float32))
        return labels

    def _segment_one(self, image_HW: FloatArray) -> LabelArray:
        bright_HW = 1.0 - image_HW if self.polarity == "dark" else image_HW
        config = self.config
        if config.method == "global":
            return otsu(bright_HW, config.smoothing, config.smallest)
        spots = find_objects(bright_HW, config.smallest, config.largest, config.false_rate)
        if not len(spots):
            return np.zeros(image_HW.shape, np.int32)
        typical = config.diameter or typical_size(spots)
        size = spots.diameter / typical
        spread = config.size_range * STEP**0.5
        return outline(bright_HW, spots.take((size > 1 / spread) & (size < spread)), config.edge)


def otsu(bright_HW: FloatArray, smoothing: float, smallest: float) -> LabelArray:
    """One threshold for the whole image (Otsu 1979) after smoothing, then touching particles are split.

    ``smoothing`` in px; regions below ``smallest`` px across are dropped.
    """
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    from emgen.particles import split_instances

    smooth_HW = ndimage.gaussian_filter(bright_HW, smoothing)
    level = float(threshold_otsu(smooth_HW))
    above_HW = (smooth_HW > level).astype(np.float32)
    return split_instances(above_HW, min_area=round(np.pi / 4 * smallest**2), smoothing=smoothing)


def typical_size(spots: Spots) -> float:
    """Diameter (px) around which most evidence gathers; spots of noise and of the support are of other sizes."""
    logarithm = np.log(spots.diameter)
    weight = np.maximum(spots.evidence - 1.0, 1e-3) * np.sqrt(spots.diameter)
    candidates = np.unique(logarithm)
    near = np.exp(-0.5 * ((candidates[:, None] - logarithm[None, :]) / _SIZE_KERNEL) ** 2)
    return float(np.exp(candidates[np.argmax(near @ weight)]))
