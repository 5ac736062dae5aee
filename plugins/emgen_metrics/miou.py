"""Mean intersection over union (MIoU): the mean of the IoU of particle and that of background."""

from __future__ import annotations

from emgen.stages import MetricContext, Stack
from emgen_metrics.config import PixelConfig
from emgen_metrics.confusion import confusion


class MeanIoU:
    def __init__(self, config: PixelConfig, context: object = None) -> None:
        self.config = config

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float]:
        """a predicted, b true, (N, H, W); pixels of all images counted together, as is usual. 0 … 1.

        A class that is neither there nor predicted counts as 1.
        """
        counts = confusion("miou", a, b)
        mean = (counts.iou_particle + counts.iou_background) / 2
        return {"miou": mean, "iou_particle": counts.iou_particle, "iou_background": counts.iou_background}
