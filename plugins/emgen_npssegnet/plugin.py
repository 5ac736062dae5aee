"""Registers NPsSegNet."""

from __future__ import annotations

from collections.abc import Iterable

import emgen
from emgen.registration import StagePlugin
from emgen_npssegnet.config import NPsSegNetConfig


@emgen.hookimpl
def emgen_downstream_tasks() -> Iterable[StagePlugin]:
    return [
        StagePlugin(
            name="npssegnet",
            config=NPsSegNetConfig,
            create="emgen_npssegnet.task:NPsSegNet",
            summary="UNet++ (UNet, DeepLabV3+, a compact UNet by setting) with focal and Jaccard loss",
            preflight="emgen_npssegnet.preflight:check",
            simulated_weights="config",
            pretrained="emgen_npssegnet:pretrained",
        )
    ]
