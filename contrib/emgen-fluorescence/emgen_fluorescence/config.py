"""Settings. Lengths in pixels at the working scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat

from emgen.registration import StageConfig


class ChannelConfig(StageConfig):
    """Which of a file's images are the micrographs."""

    channel: NonNegativeInt | str = Field(
        0,
        description="number of the channel, from 0, or its name in the file (by OME or ImageJ; `red`, `green`, `blue`)",
    )
    pages: Literal["frames", "channels"] = Field(
        "frames", description="what the pages of a TIFF are that does not say: micrographs, or channels of one"
    )
    z: Literal["max", "mean", "middle"] = Field("max", description="how z planes become one image")


class NucleiConfig(StageConfig):
    """What is left open (null) is measured in the rough masks."""

    density: PositiveFloat = Field(1.0, le=4, description="sampled over measured nuclei per mask")
    smoothing: float = Field(
        0.5, ge=0, le=2, description="width of the kernel around measured sizes, times Silverman's rule"
    )
    touching: float | None = Field(
        None, ge=0, le=1, description="share placed in touch with another; null: as measured"
    )
    deformation: float = Field(0.06, ge=0, le=0.3, description="how far outlines leave the ellipse, over the radius")
    squeeze: float = Field(
        0.12, ge=0, le=0.4, description="how far nuclei in touch press into each other, over the sum of their radii"
    )

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"density": 1.25}, "paper": {}}
