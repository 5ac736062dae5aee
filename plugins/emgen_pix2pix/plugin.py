"""Registers pix2pix."""

from __future__ import annotations

from collections.abc import Iterable

import emgen
from emgen.registration import StagePlugin
from emgen_pix2pix.config import Pix2PixConfig


@emgen.hookimpl
def emgen_morphology_gans() -> Iterable[StagePlugin]:
    return [
        StagePlugin(
            name="pix2pix",
            config=Pix2PixConfig,
            create="emgen_pix2pix.gan:Pix2Pix",
            summary="paired mask-to-image GAN: UNet++ generator, least-squares GAN + L1 loss",
        )
    ]
