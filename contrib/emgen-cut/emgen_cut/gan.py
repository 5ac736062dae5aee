"""CUT: unpaired training between the 1st generation and real micrographs in one direction, and the 2nd generation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emgen.errors import ModelError
from emgen.stages import Context, FloatArray, Stack
from emgen_cut.config import CutConfig
from emgen_cut.networks import Translator
from emgen_cut.training import Training
from emgen_torchkit import translating
from emgen_torchkit.device import reproducible, to_device
from emgen_torchkit.loop import train


class Cut:
    """Park et al. 2020. ``source`` is the 1st generation, ``target`` real micrographs; nothing translates back."""

    parallel = True

    def __init__(self, config: CutConfig, context: Context | None = None) -> None:
        self.config = config
        self.context = context or Context()
        with reproducible(self.context.seed):
            self.translator = to_device(
                Translator(config.generator_width, config.generator_blocks), self.context.device
            )
        self._ready = False

    def fit(self, source_NHW: Stack, target_MHW: Stack, context: Context) -> None:
        """(N, H, W) and (M, H, W) float32 in [0, 1], unpaired, of one size."""
        if context.start_from is not None:
            self.load(context.start_from)
        training = Training(self.translator, source_NHW, target_MHW, self.config, context)
        train(training, training.steps, context, save=self.save)
        self._ready = True

    def translate(self, source_NHW: Stack, rng: np.random.Generator) -> FloatArray:
        """(N, H, W) float32 in [0, 1] -> the same. Raises ``ModelError`` before ``fit`` or ``load``."""
        if not self._ready:
            raise ModelError("cut: neither trained nor loaded yet; call `fit` or `load` first")
        return translating.translate(self.translator, source_NHW, self.context.device)

    def save(self, folder: Path) -> None:
        translating.save(self.translator, folder)

    def load(self, folder: Path) -> None:
        translating.load(self.translator, folder, "cut")
        self._ready = True
