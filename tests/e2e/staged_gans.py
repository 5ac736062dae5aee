"""GANs whose quality after each step is known: what a ranking of their states has to find out."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import numpy as np

from emgen import hookimpl
from emgen.host import Host
from emgen.registration import StageConfig, StagePlugin
from emgen.stages import Context, snapshot_steps
from emgen.testing import fakes

HERE = __name__
FAIL_AT: dict[str, int | None] = {"step": None}
"""The step at whose snapshot, before any checkpoint, a training breaks off as if it were killed."""

BACKGROUND = 0.05


class StagedConfig(StageConfig):
    """``quality`` after each step: 1 is right, 0 shows no particle, -1 the wrong contrast."""

    quality: tuple[float, ...] = (1.0,)


class _Staged:
    def __init__(self, config: StagedConfig, context: Any = None) -> None:
        self.config, self.now = config, 1.0

    def _train(self, context: Context) -> None:
        moments = snapshot_steps(len(self.config.quality), context.snapshots)
        for step, quality in enumerate(self.config.quality, start=1):
            self.now = quality
            context.log(step, {"loss": 1 - self.now})
            if step in moments and context.snapshot(step, self.save):
                return
            if step == FAIL_AT["step"]:
                raise RuntimeError("killed")

    def save(self, folder: Path) -> None:
        (folder / "quality.json").write_text(json.dumps(self.now))

    def load(self, folder: Path) -> None:
        self.now = json.loads((folder / "quality.json").read_text())


class StagedPainter(_Staged):
    """Paints particles on noise, as strongly as its quality says."""

    def fit(self, label_NHW: Any, image_NHW: Any, context: Context) -> None:
        self._train(context)

    def generate(self, label_NHW: Any, rng: np.random.Generator) -> Any:
        mask = np.stack([label_NHW[i] > 0 for i in range(len(label_NHW))])
        return np.clip(rng.normal(BACKGROUND + 0.9 * self.now * mask, 0.03), 0, 1).astype(np.float32)


class StagedFader(_Staged):
    """Leaves images as they are at quality 1 and drowns them in haze below."""

    def fit(self, source_NHW: Any, target_MHW: Any, context: Context) -> None:
        self._train(context)

    def translate(self, source_NHW: Any, rng: np.random.Generator) -> Any:
        image = np.stack([source_NHW[i] for i in range(len(source_NHW))])
        hazy = image + (0.4 - image) * (1 - self.now)
        return np.clip(rng.normal(hazy, 0.01), 0, 1).astype(np.float32)


def _plugin(name: str, create: str) -> StagePlugin:
    return StagePlugin(name=name, config=StagedConfig, create=f"{HERE}:{create}", summary=name)


@hookimpl
def emgen_morphology_gans() -> list[StagePlugin]:
    return [_plugin("staged-painter", "StagedPainter")]


@hookimpl
def emgen_contrast_gans() -> list[StagePlugin]:
    return [_plugin("staged-fader", "StagedFader")]


def staged_host() -> Host:
    module = types.SimpleNamespace(__name__=HERE)
    module.emgen_morphology_gans, module.emgen_contrast_gans = emgen_morphology_gans, emgen_contrast_gans
    return Host.from_modules([fakes, module])
