"""Settings of the sampler of agglomerates. Lengths in pixels at the working scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, PositiveFloat

from emgen.registration import StageConfig


class AgglomeratesConfig(StageConfig):
    """What is left open (null) is measured in the rough masks."""

    smoothing: float = Field(
        0.5, ge=0, le=2, description="width of the kernel around measured sizes and shapes, times Silverman's rule"
    )
    density: PositiveFloat = Field(1.0, le=4, description="covered area over that measured")
    overlap: float | None = Field(
        None,
        ge=0,
        le=0.7,
        description="how deep neighbours in a heap lie over each other, over the sum of their radii; null: as measured",
    )
    heap: PositiveFloat | None = Field(None, description="mean number of particles in a heap; null: as measured")
    compactness: float = Field(
        0.5, ge=0, le=1, description="0: chains and branches, 1: round heaps; share of particles that fill a hollow"
    )
    least_visible: float = Field(
        0.25, ge=0, le=1, description="a particle of which less than this share would show is left out"
    )

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"density": 1.25}, "paper": {}}


class RimsConfig(StageConfig):
    """Lengths in pixels of the micrograph."""

    smoothing: PositiveFloat = Field(1.5, description="standard deviation of the Gaussian before gradients are taken")
    smallest: float = Field(8.0, ge=4, description="smallest diameter looked for")
    largest: PositiveFloat | None = Field(None, description="largest diameter; null: a third of the shorter side")
    size_range: float = Field(2.0, gt=1, description="particles this many times smaller or larger than typical stay")
    circle: float = Field(0.15, gt=0, le=1, description="share of a circle that must vote for a particle")
