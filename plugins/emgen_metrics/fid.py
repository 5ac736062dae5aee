"""Fréchet Inception distance (Heusel et al. 2017) on the features that torch-fidelity extracts."""

from __future__ import annotations

from emgen.stages import MetricContext, Stack
from emgen_metrics.config import InceptionConfig
from emgen_metrics.features import FeatureMetric
from emgen_metrics.frechet_worth import frechet_scores
from emgen_metrics.inception import POOLED, Inception
from emgen_metrics.stacks import need_images


class Fid(FeatureMetric):
    def __init__(self, config: InceptionConfig, context: object = None) -> None:
        super().__init__(Inception(config, POOLED))

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        """a generated, b real, (N, H, W) and (M, H, W) in [0, 1]. 0 is equal; grows as the sets part.

        ``fid`` is the published definition, biased upwards where images are few: compare only values from equal
        numbers of images. ``fid_infinite`` is freed of most of that bias.
        """
        need_images("fid", 2, generated=a, real=b)
        rows = [self.features(stack, context) for stack in (a, b)]
        return {**frechet_scores("fid", *rows, context), "features": self.extractor.name}
