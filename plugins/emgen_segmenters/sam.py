"""The ``sam`` rough segmenter: Segment Anything in its automatic mode, through ``transformers``.

The model proposes masks of everything; filters leave what may be a particle. Micrographs are cut into overlapping
tiles, since the model sees every image at one fixed size and particles are small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.stages import Context, FloatArray, LabelArray, Stack
from emgen_segmenters.config import SamConfig
from emgen_segmenters.proposals import Proposal, filtered, painted, without_doubles


class Sam:
    """Automatic masks of SAM or SAM 2 as instances; smaller particles lie on top of larger ones."""

    def __init__(self, config: SamConfig, context: Context) -> None:
        from transformers import pipeline

        from emgen_segmenters.sam_weights import check

        check(config, context.device)
        self.config, self.polarity = config, context.polarity
        self.generate = pipeline("mask-generation", model=config.model, device=context.device)

    def segment(self, image_NHW: Stack) -> LabelArray:
        """(N, H, W) float32 in [0, 1] -> (N, H, W) int32 instances."""
        labels = np.zeros(tuple(image_NHW.shape), np.int32)
        for index in range(len(image_NHW)):
            labels[index] = self._segment_one(np.asarray(image_NHW[index], np.float32))
        return labels

    def _segment_one(self, image_HW: FloatArray) -> LabelArray:
        found: list[Proposal] = []
        for window in tiles(image_HW.shape, self.config.tile):
            found += self._proposals(image_HW[window], window, image_HW.shape)
        kept = filtered(found, image_HW, self.config, self.polarity)
        return painted(without_doubles(kept, self.config.max_overlap), image_HW.shape)

    def _proposals(self, tile_HW: FloatArray, window: tuple[slice, slice], shape_HW: tuple[int, ...]) -> list[Proposal]:
        """What the model sees in a tile, without masks cut by a side of the tile that isn't a side of the image."""
        from PIL import Image

        grey = Image.fromarray(np.round(np.clip(tile_HW, 0, 1) * 255).astype(np.uint8)).convert("RGB")
        output: dict[str, Any] = self.generate(
            grey,
            points_per_crop=self.config.points_per_side,
            points_per_batch=self.config.points_per_batch,
            pred_iou_thresh=self.config.min_score,
            stability_score_thresh=self.config.min_stability,
        )
        proposals = []
        for mask, score in zip(output["masks"], np.asarray(output["scores"], float).ravel(), strict=True):
            proposal = Proposal.of(np.asarray(mask, bool), float(score), window)
            if proposal is not None and not _cut(proposal, window, shape_HW):
                proposals.append(proposal)
        return proposals


def tiles(shape_HW: tuple[int, ...], side: int) -> list[tuple[slice, slice]]:
    """Windows of ``side`` px (less for a smaller image) that cover the image and overlap by at least a quarter."""

    def starts(length: int) -> NDArray[np.int64]:
        if length <= side:
            return np.zeros(1, np.int64)
        count = int(np.ceil((length - side) / (0.75 * side))) + 1
        return np.round(np.linspace(0, length - side, count)).astype(np.int64)

    return [
        (slice(int(y), int(y) + min(side, shape_HW[0])), slice(int(x), int(x) + min(side, shape_HW[1])))
        for y in starts(shape_HW[0])
        for x in starts(shape_HW[1])
    ]


def _cut(proposal: Proposal, window: tuple[slice, slice], shape_HW: tuple[int, ...]) -> bool:
    rows, columns = proposal.window
    return bool(
        (rows.start == window[0].start > 0)
        or (columns.start == window[1].start > 0)
        or (rows.stop == window[0].stop < shape_HW[0])
        or (columns.stop == window[1].stop < shape_HW[1])
    )
