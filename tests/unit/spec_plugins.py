"""A small plugin for the tests of the spec: settings of every kind, presets, preflights that pass and fail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

import emgen
from emgen.errors import PreflightError
from emgen.registration import MetricPlugin, ModalityPlugin, StageConfig, StagePlugin


class Optimiser(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    learning_rate: float = Field(1e-3, gt=0, description="step size")
    log_every: int = Field(10, json_schema_extra={"cache": False})


class GanConfig(StageConfig):
    steps: int = Field(1000, ge=1, description="steps of training")
    loss: Literal["least-squares", "hinge"] = "least-squares"
    optimiser: Optimiser = Optimiser()
    workers: int = Field(0, json_schema_extra={"cache": False})
    model: Path | None = None
    start: str = Field("pretrained", json_schema_extra={"format": "path"})

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"steps": 50}, "paper": {"steps": 9000}}

    def uses_simulated_weights(self) -> bool:
        return self.start == "pretrained"


class PlainConfig(StageConfig):
    """No settings."""


CREATE = "emgen.testing.fake_stages:Painter"


def fails(config: StageConfig, device: str) -> None:
    raise PreflightError(f"no weights for {device}. Fetch them.")


def crashes(config: StageConfig, device: str) -> None:
    raise ZeroDivisionError("oops")


@emgen.hookimpl
def emgen_modalities() -> list[ModalityPlugin]:
    defaults = {
        "rough_segmenter": "fake-segmenter",
        "mask_sampler": "fake-masks",
        "morphology_gan": "fake-morphology",
        "contrast_gan": {"uses": "gan", "loss": "hinge", "steps": 7},
        "downstream_task": "fake-task",
    }
    return [
        ModalityPlugin(
            name="test-stem", polarity="bright", normalise="emgen.testing.fake_stages:normalise", defaults=defaults
        )
    ]


@emgen.hookimpl
def emgen_contrast_gans() -> list[StagePlugin]:
    return [
        StagePlugin(name="gan", config=GanConfig, create=CREATE, summary="a GAN", simulated_weights="config"),
        StagePlugin(name="failing", config=PlainConfig, create=CREATE, summary="s", preflight="spec_plugins:fails"),
        StagePlugin(name="crashing", config=PlainConfig, create=CREATE, summary="s", preflight="spec_plugins:crashes"),
        StagePlugin(name="no-code", config=StageConfig, create="no_such_module:Thing", summary="s"),
    ]


@emgen.hookimpl
def emgen_metrics() -> list[MetricPlugin]:
    return [
        MetricPlugin(
            name="fetching",
            config=PlainConfig,
            create=CREATE,
            summary="s",
            needs="generated-vs-real",
            downloads="weights (1 MB)",
        ),
        MetricPlugin(
            name="simulated", config=GanConfig, create=CREATE, summary="s", needs="paired", simulated_weights=True
        ),
    ]
