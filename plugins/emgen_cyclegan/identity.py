"""The contrast GAN that changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emgen.stages import Context, FloatArray, Stack
from emgen_cyclegan.config import IdentityConfig


class Identity:
    """The 2nd generation is the 1st; what the contrast GAN adds is measured against this."""

    def __init__(self, config: IdentityConfig, context: Context | None = None) -> None:
        self.config = config

    def fit(self, source_NHW: Stack, target_MHW: Stack, context: Context) -> None:
        """Nothing to learn."""

    def translate(self, source_NHW: Stack, rng: np.random.Generator) -> FloatArray:
        return np.array(source_NHW[0 : len(source_NHW)], dtype=np.float32)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, folder: Path) -> None:
        """Nothing to restore."""
