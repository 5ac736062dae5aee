"""Dice coefficient of the particle class: 2 |A ∩ B| / (|A| + |B|)."""

from __future__ import annotations

from emgen.stages import MetricContext, Stack
from emgen_metrics.config import PixelConfig
from emgen_metrics.confusion import confusion, ratio


class Dice:
    def __init__(self, config: PixelConfig, context: object = None) -> None:
        self.config = config

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float]:
        """a predicted, b true, (N, H, W); pixels of all images counted together. 0 … 1; 1 where both are empty."""
        counts = confusion("dice", a, b)
        return {"dice": ratio(2 * counts.both, 2 * counts.both + counts.predicted_only + counts.true_only)}
