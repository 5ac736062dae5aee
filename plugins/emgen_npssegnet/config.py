"""Settings of NPsSegNet. Defaults are the paper's (Yuan et al. 2025, Methods and Table S1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from emgen.registration import StageConfig

SMALL_ENCODER = "tu-mobilenetv3_small_100"
SMALL_DECODER = (64, 48, 32, 16, 12)


class NPsSegNetConfig(StageConfig):
    architecture: Literal["unet++", "unet", "deeplabv3+", "compact"] = Field(
        "unet++", description="network family; `compact` is a small UNet for the speed of live work"
    )
    encoder: str = Field(
        "resnet34",
        description="encoder name of segmentation-models-pytorch, or `tu-` and a timm name; `compact` has its own",
    )
    decoder_channels: tuple[PositiveInt, ...] = Field(
        (256, 128, 64, 32, 16), min_length=3, max_length=5, description="widths of the decoder, coarse to fine"
    )
    encoder_weights: str | None = Field(None, description="`imagenet` fetches published weights; null starts at random")
    start_from: str | None = Field(
        None,
        description="a model folder, or `pretrained` (the shipped weights): train on from there, in its architecture",
    )
    epochs: PositiveInt = Field(150, description="passes over the virtual images")
    max_steps: PositiveInt | None = Field(None, description="stop after so many steps, the schedule fitted to them")
    batch: PositiveInt = Field(4, description="images in a step")
    learning_rate: PositiveFloat = Field(3e-4, description="of AdamW, at the start")
    start_rate: float = Field(
        0.25, gt=0, le=1, description="factor of the learning rate when training on from `start_from`"
    )
    weight_decay: float = Field(5e-4, ge=0, description="of AdamW")
    schedule: Literal["step", "cosine"] = Field("step", description="`step`: times `step_gamma` every `step_epochs`")
    step_epochs: PositiveInt = Field(5, description="epochs between two reductions of the rate")
    step_gamma: float = Field(0.9, gt=0, le=1, description="factor of each reduction")
    focal_alpha: float = Field(0.25, gt=0, lt=1, description="alpha of the focal loss")
    validation: float = Field(0.2, gt=0, lt=1, description="share of the images kept for choosing the epoch (4:1)")
    augment: tuple[Literal["flip", "rotate90", "shift-scale-rotate", "gauss-noise", "contrast"], ...] = Field(
        ("flip", "shift-scale-rotate", "gauss-noise"), description="each with probability 0.5"
    )
    noise: tuple[float, float] = Field((0.012, 0.028), description="range of the noise's standard deviation, of 1")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "encoder": SMALL_ENCODER,
            "decoder_channels": SMALL_DECODER,
            "max_steps": 400,
            "batch": 8,
            "learning_rate": 2e-3,
            "schedule": "cosine",
            "augment": ("flip", "rotate90", "gauss-noise", "contrast"),
        },
        "check": {"encoder": SMALL_ENCODER, "decoder_channels": (16, 8, 8), "max_steps": 3, "batch": 2},
        "paper": {"start_from": None},
    }

    def uses_simulated_weights(self) -> bool:
        """The shipped weights come from phantom micrographs; a model folder says itself what it comes from."""
        if self.start_from is None:
            return False
        from emgen.model import read_info

        return bool(read_info(self.start_from).get("simulated", False))
