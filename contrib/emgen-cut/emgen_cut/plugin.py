"""Registers "cut". Imports emgen and pydantic only; the networks are imported when a run first uses them."""

from __future__ import annotations

from emgen import hookimpl
from emgen.registration import StagePlugin
from emgen_cut.config import CutConfig


@hookimpl
def emgen_contrast_gans() -> list[StagePlugin]:
    return [
        StagePlugin(
            name="cut",
            config=CutConfig,
            create="emgen_cut.gan:Cut",
            summary="unpaired translation that keeps each patch recognisable: CUT, or FastCUT by a setting",
        )
    ]
