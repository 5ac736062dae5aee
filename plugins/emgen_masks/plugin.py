"""Registers the mask samplers that come with emgen."""

from __future__ import annotations

from emgen import hookimpl
from emgen.registration import StagePlugin
from emgen_masks.config import FittedParticlesConfig, RandomParticlesConfig, ShapeBankConfig


@hookimpl
def emgen_mask_samplers() -> list[StagePlugin]:
    return [
        StagePlugin(
            name="fitted-particles",
            config=FittedParticlesConfig,
            create="emgen_masks.fitted_particles:FittedParticles",
            summary="sizes, shapes, counts and spacing as measured in the rough masks",
        ),
        StagePlugin(
            name="random-particles",
            config=RandomParticlesConfig,
            create="emgen_masks.random_particles:RandomParticles",
            summary="sizes, shapes, density and overlap set by hand",
        ),
        StagePlugin(
            name="shape-bank",
            config=ShapeBankConfig,
            create="emgen_masks.shape_bank:ShapeBank",
            summary="measured outlines, placed anew",
        ),
    ]
