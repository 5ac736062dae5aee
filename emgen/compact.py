"""A rough segmenter whose ragged instances are dropped: particles are compact, grain and folds of a support are not."""

from __future__ import annotations

import numpy as np

from emgen.particles import without_ragged
from emgen.stages import LabelArray, RoughSegmenter, Stack


class CompactOnly:
    """``inner`` without the instances whose solidity is below ``least_solidity``."""

    def __init__(self, inner: RoughSegmenter, least_solidity: float) -> None:
        self.inner, self.least_solidity = inner, least_solidity

    def segment(self, image_NHW: Stack) -> LabelArray:
        """As the contract says. What breaks the contract comes through as it is, for the caller to refuse."""
        made = self.inner.segment(image_NHW)
        label_NHW = np.asarray(made)
        if not np.issubdtype(label_NHW.dtype, np.integer) or label_NHW.ndim != 3 or label_NHW.min(initial=0) < 0:
            return made
        kept: LabelArray = np.stack([without_ragged(label_HW, self.least_solidity) for label_HW in label_NHW])
        return kept
