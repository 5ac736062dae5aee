"""Scores of whole particles: a predicted particle counts when it overlaps a true one with IoU of at least 0.5."""

from __future__ import annotations

from emgen.particles import Matches, match_objects
from emgen.stages import MetricContext, Stack
from emgen_metrics.config import PixelConfig
from emgen_metrics.stacks import pairs


class ObjectF1:
    def __init__(self, config: PixelConfig, context: object = None) -> None:
        self.config = config

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float]:
        """a predicted, b true instances, (N, H, W); particles of all images counted together. 0 … 1.

        Where nothing is there and nothing was found, all three are 1; precision of no prediction and recall of no
        truth are 1 as well, the F1 then tells.
        """
        matches = [match_objects(label_HW, truth_HW, iou=0.5) for label_HW, truth_HW in pairs("object-f1", a, b)]
        total = sum(matches, Matches(0, 0, 0))
        return {"object_f1": total.f1, "object_precision": total.precision, "object_recall": total.recall}
