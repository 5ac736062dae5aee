"""Fakes for runs of several rounds: a segmenter that misses most, tasks that get better, worse or blind when warm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emgen import hookimpl
from emgen.registration import StageConfig, StagePlugin
from emgen.stages import Context
from emgen.testing.fake_stages import LogisticThreshold, MomentMatcher, OtsuSegmenter
from emgen.testing.fakes import ContrastConfig, SegmenterConfig, TaskConfig

HERE = __name__
broken: list[str] = []
"""While this holds a word, ``breaking-contrast`` fails in later rounds."""


class Sparing(OtsuSegmenter):
    """Otsu's threshold, but every second particle is missed."""

    def segment(self, image_NHW: Any) -> Any:
        label_NHW = super().segment(image_NHW)
        return np.where(label_NHW % 2 == 1, label_NHW, 0).astype(np.int32)


class _Warmed(LogisticThreshold):
    """Knows whether it was trained on from an earlier model, and how often."""

    def fit(self, image_NHW: Any, label_NHW: Any, context: Context) -> None:
        before = 0.0
        if context.start_from is not None:
            earlier = LogisticThreshold(TaskConfig())
            earlier.load(context.start_from)
            before = earlier.moments.get("rounds", 0.0)
        super().fit(image_NHW, label_NHW, context)
        self.moments["rounds"] = before + 1


class Fading(_Warmed):
    """Beside the particles as soon as it was trained a second time."""

    def predict(self, image_NHW: Any) -> Any:
        found = super().predict(image_NHW)
        return np.roll(found, 7, axis=2) if self.moments["rounds"] > 1 else found


class Widening(_Warmed):
    """Blind on the right of each image until it was trained a second time."""

    def predict(self, image_NHW: Any) -> Any:
        found = super().predict(image_NHW)
        if self.moments["rounds"] == 1:
            found[:, :, 3 * found.shape[2] // 4 :] = 0
        return found


class Blind(LogisticThreshold):
    """Finds nothing, ever."""

    def predict(self, image_NHW: Any) -> Any:
        return np.zeros_like(super().predict(image_NHW))


class BreakingContrast(MomentMatcher):
    """Fails once the run is in a later round, as long as ``broken`` says so."""

    def fit(self, source_NHW: Any, target_MHW: Any, context: Context) -> None:
        if broken and broken[0] == "now":
            raise ZeroDivisionError("out of luck")
        if broken:
            broken[0] = "now"
        super().fit(source_NHW, target_MHW, context)


def _stage(name: str, config: type[StageConfig], attribute: str) -> StagePlugin:
    return StagePlugin(name=name, config=config, create=f"{HERE}:{attribute}", summary=name)


@hookimpl
def emgen_rough_segmenters() -> list[StagePlugin]:
    return [_stage("sparing", SegmenterConfig, "Sparing")]


@hookimpl
def emgen_contrast_gans() -> list[StagePlugin]:
    return [_stage("breaking-contrast", ContrastConfig, "BreakingContrast")]


@hookimpl
def emgen_downstream_tasks() -> list[StagePlugin]:
    return [
        _stage("warmed", TaskConfig, "_Warmed"),
        _stage("fading", TaskConfig, "Fading"),
        _stage("widening", TaskConfig, "Widening"),
        _stage("blind", TaskConfig, "Blind"),
    ]


def ledger_of(folder: Path) -> Any:
    from emgen.artifacts import read_json

    return read_json(folder / "rounds.json")
