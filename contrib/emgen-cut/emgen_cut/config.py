"""Settings. Defaults are those of Park et al. 2020, appendix C.1; what emgen adds to the paper starts switched off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from emgen.registration import StageConfig

FAST: Mapping[str, Any] = {
    "nce_weight": 10.0,
    "identity_weight": 0.0,
    "flip_equivariance": True,
    "epochs": 100,
    "decay_epochs": 100,
}
"""What the paper's FastCUT has in the place of CUT's values."""


class CutConfig(StageConfig):
    variant: Literal["cut", "fast"] = Field(
        "cut",
        description="the paper's two recipes; `fast` sets nce_weight 10, identity_weight 0, flip_equivariance true and "
        "200 epochs in all, wherever they are not given",
    )
    generator_width: PositiveInt = Field(64, description="width of the ResNet generator")
    generator_blocks: PositiveInt = Field(9, description="its residual blocks; features are taken up to the middle one")
    patch_width: PositiveInt = Field(64, description="width of the PatchGAN")
    patch_layers: PositiveInt = Field(3, description="depth of the PatchGAN; three give patches of 70 px")
    detail: NonNegativeFloat = Field(
        0.0,
        description="the discriminator also sees the image's fine structure, so many times as strong; "
        "0 shows it the image alone, as the paper does",
    )
    nce_weight: NonNegativeFloat = Field(1.0, description="λ_X of the contrastive loss on translated images")
    identity_weight: NonNegativeFloat = Field(1.0, description="λ_Y of the same loss on target images, sent through")
    temperature: PositiveFloat = Field(0.07, description="τ of the contrastive loss")
    locations: int = Field(256, ge=2, description="patches compared in each layer of an image")
    embedding: PositiveInt = Field(256, description="width of the two-layer heads that embed a patch")
    flip_equivariance: bool = Field(False, description="half of the images go mirrored through the generator")
    learning_rate: PositiveFloat = Field(2e-4, description="of Adam, all networks; CycleGAN's")
    judge_rate: PositiveFloat = Field(1.0, description="factor of the discriminator's learning rate")
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam")
    epochs: PositiveInt = Field(200, description="passes at the full rate")
    decay_epochs: NonNegativeInt = Field(200, description="epochs after these in which the rate falls to zero")
    max_steps: PositiveInt | None = Field(None, description="steps in all, the schedule fitted to them")
    batch: PositiveInt = Field(1, description="images in a step")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "quick": {
            "generator_width": 12,
            "generator_blocks": 3,
            "patch_width": 24,
            "patch_layers": 2,
            "detail": 4.0,
            "embedding": 64,
            "learning_rate": 5e-4,
            "judge_rate": 4.0,
            "max_steps": 300,
            "batch": 2,
        },
        "check": {
            "generator_width": 4,
            "generator_blocks": 1,
            "patch_width": 4,
            "patch_layers": 1,
            "detail": 4.0,
            "locations": 16,
            "embedding": 8,
            "max_steps": 3,
            "batch": 2,
        },
        "paper": {},
    }

    @model_validator(mode="before")
    @classmethod
    def _with_the_variants_values(cls, given: Any) -> Any:
        """The values of FastCUT become part of the settings, so that a spec and a cache key show them."""
        return {**FAST, **given} if isinstance(given, dict) and given.get("variant") == "fast" else given
