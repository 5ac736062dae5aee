"""The ``npssegnet`` rough segmenter: a model trained before, on other micrographs or on phantoms."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emgen.errors import ModelError, PreflightError
from emgen.stages import Context, FloatArray, LabelArray, Stack
from emgen_segmenters.config import NPsSegNetSegmenterConfig

if TYPE_CHECKING:
    from emgen.model import Model

_EXPORTED = "model.onnx"


class NPsSegNetSegmenter:
    """Segments with the model of a folder, at the size at which its particles have the diameter that it knows.

    A model trained on bright particles sees dark ones when the image is inverted; ``polarity_flip: false`` shows what
    that is worth.
    """

    def __init__(self, config: NPsSegNetSegmenterConfig, context: Context) -> None:
        self.config, self.context = config, context
        self.factors = config.factors

    @cached_property
    def model(self) -> Model:
        """Loaded when first used: one that an exported model brings takes its place before (``load``)."""
        from emgen.model import load_model

        return load_model(self.config.model, device=self.context.device)

    @property
    def invert(self) -> bool:
        return self.config.polarity_flip and self.model.polarity != self.context.polarity

    def accelerate(self, precision: str = "auto") -> None:
        """Makes ``segment`` as fast as this machine allows."""
        self.model.accelerate(precision)

    def segment(self, image_NHW: Stack) -> LabelArray:
        """(N, H, W) float32 in [0, 1] -> (N, H, W) int32 instances."""
        labels = np.zeros(tuple(image_NHW.shape), np.int32)
        for index in range(len(image_NHW)):
            labels[index] = self.model.segment(self._seen(np.asarray(image_NHW[index])), self.factors).label_HW
        return labels

    def export_onnx(self, folder: Path) -> None:
        """Writes the model as an ONNX file, which needs no torch."""
        from emgen.exporting.to_onnx import write_onnx

        write_onnx(self.model, folder / _EXPORTED)

    def load(self, folder: Path) -> None:
        """Takes the exported model of that folder in place of the one that the settings name."""
        from emgen.model import load_model

        self.model = load_model(folder / _EXPORTED, device=self.context.device)

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
    if folder.is_dir() and not any(folder.glob("*.safetensors")):
        raise PreflightError(
            f"rough_segmenter npssegnet: model: {folder} holds no weights (*.safetensors). Copy the whole model "
            "folder, or use `rough_segmenter: threshold`, which needs none."
        )
