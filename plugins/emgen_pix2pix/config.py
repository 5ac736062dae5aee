"""Settings of pix2pix. Defaults are the paper's (Yuan et al. 2025, Methods and Table S1) where it gives one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from emgen.registration import StageConfig


class Pix2PixConfig(StageConfig):
    encoder: str = Field("resnet34", description="encoder of the UNet++ generator (and discriminator)")
    decoder_channels: tuple[PositiveInt, ...] = Field(
        (256, 128, 64, 32, 16), min_length=2, max_length=5, description="widths of the UNet++ decoders, coarse to fine"
    )
    discriminator: Literal["unet++", "patch"] = Field("unet++", description="verdict per pixel, or PatchGAN")
    patch_width: PositiveInt = Field(64, description="width of the PatchGAN")
    patch_layers: PositiveInt = Field(3, description="depth of the PatchGAN; three give patches of 70 px")
    detail: NonNegativeFloat = Field(
        0.0,
        description="the discriminator also sees the image's fine structure, so many times as strong: it then judges "
        "noise and texture within few steps. 0 shows it the image alone, as the papers do",
    )
    drawing: bool = Field(
        False,
        description="the network corrects particles that are drawn for it, as bright and as sharp as the rough ones "
        "are on average, instead of making them from nothing: needs few steps, and masks whose outlines are right",
    )
    l1_weight: NonNegativeFloat = Field(10.0, description="λ of the L1 loss beside the least-squares GAN loss")
    learning_rate: PositiveFloat = Field(2e-4, description="of Adam, both networks")
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam")
    epochs: PositiveInt = Field(100, description="passes at the full rate")
    decay_epochs: NonNegativeInt = Field(50, description="epochs after these in which the rate falls to zero")
    max_steps: PositiveInt | None = Field(None, description="steps in all, the schedule fitted to them")
    batch: PositiveInt = Field(4, description="images in a step")
    background_sigma: PositiveFloat = Field(
        1.0,
        description="px: the painted-out background shown to the generator is smoothed by this Gaussian. 1 keeps the "
        "support's texture, so that a network learns what is no particle; more hides particles that rough masks miss",
    )
    faintest: PositiveFloat = Field(
        0.7,
        le=1,
        description="virtual particles have the contrast measured for their size times a factor from here to 1.1: "
        "rough masks hold the bright particles, the stack holds fainter ones too",
    )
    margin: NonNegativeFloat = Field(2.0, description="px around rough particles that are painted out with them")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "encoder": "tu-mobilenetv3_small_100",
            "decoder_channels": (48, 32, 24, 16),
            "discriminator": "patch",
            "patch_width": 24,
            "patch_layers": 2,
            "detail": 4.0,
            "learning_rate": 1e-3,
            "max_steps": 250,
            "batch": 6,
        },
        "check": {
            "encoder": "tu-mobilenetv3_small_100",
            "decoder_channels": (16, 8),
            "discriminator": "patch",
            "patch_width": 8,
            "patch_layers": 1,
            "detail": 4.0,
            "max_steps": 3,
            "batch": 2,
        },
        "paper": {},
    }
