"""Pixel accuracy (PA): share of pixels that are classified right. Flattering where particles are few."""

from __future__ import annotations

from emgen.stages import MetricContext, Stack
from emgen_metrics.config import PixelConfig
from emgen_metrics.confusion import confusion, ratio


class PixelAccuracy:
    def __init__(self, config: PixelConfig, context: object = None) -> None:
        self.config = config

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float]:
        """a predicted, b true, (N, H, W); pixels of all images counted together. 0 … 1."""
        counts = confusion("pixel-accuracy", a, b)
        right, wrong = counts.both + counts.neither, counts.predicted_only + counts.true_only
        return {"pixel_accuracy": ratio(right, right + wrong)}
