"""Registers CycleGAN and the identity."""

from __future__ import annotations

from collections.abc import Iterable

import emgen
from emgen.registration import StagePlugin
from emgen_cyclegan.config import CycleGanConfig, IdentityConfig


@emgen.hookimpl
def emgen_contrast_gans() -> Iterable[StagePlugin]:
    return [
        StagePlugin(
            name="cyclegan",
            config=CycleGanConfig,
            create="emgen_cyclegan.gan:CycleGan",
            summary="unpaired translation with cycle and identity losses",
        ),
        StagePlugin(
            name="identity",
            config=IdentityConfig,
            create="emgen_cyclegan.identity:Identity",
            summary="changes nothing: the tandem without its second half",
        ),
    ]
