"""Maximum mean discrepancy (Gretton et al. 2012): do two sets of images have the same law of features?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.stages import MetricContext, Stack
from emgen_metrics.choice import extractor
from emgen_metrics.config import MmdConfig
from emgen_metrics.features import FeatureMetric
from emgen_metrics.kernels import gaussian, standardised
from emgen_metrics.stacks import need_images
from emgen_metrics.two_sample import compare
from emgen_metrics.units import Units, units
from emgen_metrics.verdict import scores


class Mmd(FeatureMetric):
    def __init__(self, config: MmdConfig, context: object = None) -> None:
        super().__init__(extractor(config))
        self.bandwidths = config.bandwidths

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        """a generated, b real, (N, H, W) and (M, H, W) in [0, 1]: the unbiased estimate of MMD², interval and verdict.

        0 is equal; it may fall a little below. Features are scaled by mean and spread of the real set's.
        """
        need_images("mmd", 2, generated=a, real=b)
        x_ND, y_MD = standardised(*(self.features(stack, context) for stack in (a, b)))
        found = units(context.groups, len(y_MD))
        result = compare(x_ND, y_MD, gaussian(y_MD, self.bandwidths), found, context.seed)
        return {**scores("mmd2", result, found), "features": self.extractor.name}


def mmd2(x_ND: NDArray[Any], y_MD: NDArray[Any], bandwidths: Sequence[float] = (0.5, 1.0, 2.0)) -> float:
    """Unbiased MMD² with the mean of Gaussian kernels, whose widths are ``bandwidths`` times the median distance in y.

    Raises ``BadImageError`` where all of y is alike. Equation 3 of Gretton et al. 2012.
    """
    one_unit_an_image = Units(np.arange(len(y_MD)), "images")
    return compare(x_ND, y_MD, gaussian(y_MD, bandwidths), one_unit_an_image, 0).value
