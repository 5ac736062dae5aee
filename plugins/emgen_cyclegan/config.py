"""Settings of the contrast GANs. CycleGAN's defaults follow Zhu et al. 2017 and the schedule of Yuan et al. 2025."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from emgen.registration import StageConfig


class IdentityConfig(StageConfig):
    """No settings: the 2nd generation is the 1st (the paper's morphology-only ablation)."""


class CycleGanConfig(StageConfig):
    generator: Literal["resnet", "unet++"] = "resnet"
    generator_width: PositiveInt = Field(64, description="width of the ResNet generator")
    generator_blocks: PositiveInt = Field(9, description="residual blocks of the ResNet generator")
    encoder: str = Field("resnet34", description="encoder of UNet++ generators and discriminators")
    decoder_channels: tuple[PositiveInt, ...] = Field((256, 128, 64, 32, 16), min_length=2, max_length=5)
    discriminator: Literal["patch", "unet++"] = "patch"
    patch_width: PositiveInt = Field(64, description="width of the PatchGAN")
    patch_layers: PositiveInt = Field(3, description="depth of the PatchGAN; three give patches of 70 px")
    detail: NonNegativeFloat = Field(
        0.0,
        description="the discriminator also sees the image's fine structure, so many times as strong: it then judges "
        "noise and texture within few steps. 0 shows it the image alone, as the papers do",
    )
    cycle_weight: NonNegativeFloat = Field(10.0, description="λ of the cycle loss")
    identity_weight: NonNegativeFloat = Field(0.5, description="identity loss, in units of the cycle loss")
    pool: NonNegativeInt = Field(50, description="images kept to show the discriminators again")
    learning_rate: PositiveFloat = Field(2e-4, description="of Adam, both networks")
    judge_rate: PositiveFloat = Field(
        1.0,
        description="factor of the discriminators' learning rate; more than 1 when steps are few (Heusel et al. 2017)",
    )
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam")
    epochs: PositiveInt = Field(100, description="passes at the full rate")
    decay_epochs: NonNegativeInt = Field(50, description="epochs after these in which the rate falls to zero")
    max_steps: PositiveInt | None = Field(None, description="steps in all, the schedule fitted to them")
    batch: PositiveInt = Field(4, description="images in a step")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "generator_width": 12,
            "generator_blocks": 3,
            "patch_width": 24,
            "patch_layers": 2,
            "detail": 4.0,
            "learning_rate": 5e-4,
            "judge_rate": 4.0,
            "max_steps": 200,
            "batch": 2,
        },
        "check": {
            "generator_width": 4,
            "generator_blocks": 1,
            "patch_width": 4,
            "patch_layers": 1,
            "detail": 4.0,
            "max_steps": 3,
            "batch": 2,
        },
        "paper": {},
    }
