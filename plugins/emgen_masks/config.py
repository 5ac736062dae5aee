"""Settings of the mask samplers. Lengths in pixels at the working scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from emgen.registration import StageConfig


class RandomParticlesConfig(StageConfig):
    diameter: PositiveFloat = Field(14.0, description="mean diameter (of the disc of equal area)")
    diameter_sd: NonNegativeFloat = Field(4.0, description="standard deviation of the diameter")
    size_law: Literal["log-normal", "normal"] = Field("log-normal", description="law of the diameter")
    shapes: tuple[Literal["ellipse", "polygon", "irregular"], ...] = Field(
        ("ellipse", "irregular"), min_length=1, description="kinds of outline, drawn in equal parts"
    )
    aspect: float = Field(1.2, ge=1, le=10, description="mean ratio of the long to the short axis")
    irregularity: float = Field(0.1, ge=0, le=0.5, description="relative roughness of `irregular` outlines")
    density: NonNegativeFloat = Field(8.0, description="particles per 100 x 100 px, on average")
    coverage: float | None = Field(None, ge=0, le=0.8, description="covered share of the area; goes over `density`")
    touching: float = Field(0.1, ge=0, le=1, description="share of the particles placed in touch with another")
    overlap: float = Field(0.0, ge=0, le=1, description="share of the particles that may lie partly under another")


class FittedParticlesConfig(StageConfig):
    smoothing: float = Field(
        0.5, ge=0, le=2, description="width of the kernel around measured sizes and shapes, times Silverman's rule"
    )
    density: PositiveFloat = Field(
        1.0,
        le=8,
        description="sampled over measured particles per mask. Rough masks miss particles, and a network that sees few "
        "learns to find few: more than 1 trains better than the measured count",
    )
    other_sizes: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the particles whose diameter is the measured one times 0.6 to 2.5. Rough masks break up "
        "large particles and miss small ones, and a network finds no size that it has not seen; for a morphology GAN "
        "that draws such sizes well (pix2pix with `drawing`)",
    )
    trials: PositiveInt = Field(24, description="settings of the spacing that are compared with the measured distances")
    check_masks: PositiveInt = Field(100, description="masks sampled for the distances reported in fit.json")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"density": 1.5}, "paper": {}}


class ShapeBankConfig(StageConfig):
    size: PositiveInt = Field(1000, description="most outlines that are kept")
    scale: float = Field(0.1, ge=0, lt=1, description="outlines are scaled by up to this share, up or down")
