"""The ``npssegnet`` rough segmenter: a model trained before, on other micrographs or on phantoms."""

from __future__ import annotations

import numpy as np

from emgen.errors import ModelError, PreflightError
from emgen.stages import Context, FloatArray, LabelArray, Stack
from emgen_segmenters.config import NPsSegNetSegmenterConfig


class NPsSegNetSegmenter:
    """Segments with the model of a folder, at the size at which its particles have the diameter that it knows.

    A model trained on bright particles sees dark ones when the image is inverted; ``polarity_flip: false`` shows what
    that is worth.
    """

    def __init__(self, config: NPsSegNetSegmenterConfig, context: Context) -> None:
        from emgen.model import load_model

        self.model = load_model(config.model, device=context.device)
        self.factors = config.factors
        self.invert = config.polarity_flip and self.model.polarity != context.polarity

    def segment(self, image_NHW: Stack) -> LabelArray:
        """(N, H, W) float32 in [0, 1] -> (N, H, W) int32 instances."""
        labels = np.zeros(tuple(image_NHW.shape), np.int32)
        for index in range(len(image_NHW)):
            labels[index] = self.model.segment(self._seen(np.asarray(image_NHW[index])), self.factors).label_HW
        return labels

    def _seen(self, image_HW: FloatArray) -> FloatArray:
        return np.asarray(1.0 - image_HW if self.invert else image_HW, np.float32)


def check(config: NPsSegNetSegmenterConfig, device: str) -> None:
    """Raises ``PreflightError`` when the model folder, its description or its weights are missing."""
    from emgen.model import model_folder, read_info

    try:
        folder = model_folder(config.model)
        read_info(folder)
    except ModelError as error:
        raise PreflightError(
            f"rough_segmenter npssegnet: model: {error} Without a model, `rough_segmenter: threshold` needs none."
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise PreflightError(
            f"rough_segmenter npssegnet: model: {folder} holds no weights (*.safetensors). Copy the whole model "
            "folder, or use `rough_segmenter: threshold`, which needs none."
        )
