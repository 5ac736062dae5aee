"""Kernel distance (KID, Bińkowski et al. 2018): unbiased, so that few images do not make it larger."""

from __future__ import annotations

import numpy as np

from emgen.stages import MetricContext, Stack
from emgen_metrics.choice import as_published, extractor
from emgen_metrics.config import FeaturesConfig
from emgen_metrics.features import FeatureMetric
from emgen_metrics.kernels import cubic
from emgen_metrics.stacks import need_images
from emgen_metrics.two_sample import compare
from emgen_metrics.units import units
from emgen_metrics.verdict import scores


class Kid(FeatureMetric):
    def __init__(self, config: FeaturesConfig, context: object = None) -> None:
        super().__init__(extractor(config))
        self.config = config

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        """a generated, b real, (N, H, W) and (M, H, W) in [0, 1]. 0 is equal; it may fall a little below.

        From all images at once, where the published figure is the mean over random subsets of 1000: the same
        expectation, less noise, and it exists for fewer than 1000. Only ``features: inception`` makes it the published
        KID. Of other features, in units of the real set's spread, it takes the inverse hyperbolic sine: alike about the
        mean, a logarithm in the tails, so that one feature far out does not make a number of ten digits.
        """
        need_images("kid", 2, generated=a, real=b)
        x_ND, y_MD = as_published(self.config, *(self.features(stack, context) for stack in (a, b)))
        if self.config.features != "inception":
            x_ND, y_MD = np.arcsinh(x_ND), np.arcsinh(y_MD)
        found = units(context.groups, len(y_MD))
        result = compare(x_ND, y_MD, cubic, found, context.seed)
        return {**scores("kid", result, found), "features": self.extractor.name}
