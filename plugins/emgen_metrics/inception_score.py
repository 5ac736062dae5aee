"""Inception score (Salimans et al. 2016): class probabilities, one by one sharp and together varied, score high."""

from __future__ import annotations

import torch
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

from emgen.stages import MetricContext, Stack
from emgen_metrics.config import InceptionScoreConfig
from emgen_metrics.features import FeatureMetric
from emgen_metrics.inception import LOGITS, Inception
from emgen_metrics.stacks import need_images


class InceptionScore(FeatureMetric):
    def __init__(self, config: InceptionScoreConfig, context: object = None) -> None:
        super().__init__(Inception(config, LOGITS))
        self.splits = config.splits

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        """a generated, b real, (N, H, W) in [0, 1]. From 1 up.

        The classes are ImageNet's, so a value says little alone: the score of the real images stands beside it.
        """
        need_images("inception-score", 1, generated=a, real=b)
        generated, real = (self._score(stack, context) for stack in (a, b))
        return {
            "inception_score": generated[KEY_METRIC_ISC_MEAN],
            "inception_score_sd": generated[KEY_METRIC_ISC_STD],
            "inception_score_real": real[KEY_METRIC_ISC_MEAN],
            "features": self.extractor.name,
        }

    def _score(self, stack: Stack, context: MetricContext) -> dict[str, float]:
        """torch-fidelity's own function. Fewer images than splits make so many splits; an empty one would be NaN."""
        logits = torch.from_numpy(self.features(stack, context))
        scores: dict[str, float] = isc_features_to_metric(logits, splits=min(self.splits, len(logits)))
        return scores
