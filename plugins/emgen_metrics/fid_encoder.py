"""The Fréchet distance on the shipped encoder's features: no download, and no number to hold against published FID."""

from __future__ import annotations

from emgen.stages import MetricContext, Stack
from emgen_metrics.config import PixelConfig
from emgen_metrics.encoder import ShippedEncoder
from emgen_metrics.features import FeatureMetric
from emgen_metrics.frechet_worth import frechet_scores
from emgen_metrics.stacks import need_images


class FidEncoder(FeatureMetric):
    def __init__(self, config: PixelConfig, context: object = None) -> None:
        super().__init__(ShippedEncoder())

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        """a generated, b real, (N, H, W) and (M, H, W) in [0, 1]. 0 is equal. Biased upwards where images are few."""
        need_images("fid-encoder", 2, generated=a, real=b)
        rows = [self.features(stack, context) for stack in (a, b)]
        return {**frechet_scores("fid_encoder", *rows, context), "features": self.extractor.name}
