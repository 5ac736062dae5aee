"""Settings of the metrics. Most have none: a score that can be tuned is no score."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat

from emgen.registration import StageConfig

INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Of ``pt_inception-2015-12-05-6726825d.pth``; torch-fidelity's copy, ``weights-…``, is the same file."""


class PixelConfig(StageConfig):
    """A metric without settings."""


class InceptionConfig(StageConfig):
    """The Inception network that published figures rest on."""

    weights: Path | None = Field(
        None,
        description="the weights as a local file; null takes torch-fidelity's download",
        json_schema_extra={"cache": False, "format": "path"},  # the hash decides, wherever the file lies
    )
    sha256: str = Field(INCEPTION_SHA256, pattern="^[0-9a-f]{64}$", description="SHA-256 that the weights must have")


class InceptionScoreConfig(InceptionConfig):
    splits: int = Field(10, ge=1, description="the score is the mean over so many parts of the images")


class FeaturesConfig(InceptionConfig):
    features: Literal["classical", "encoder", "inception"] = Field(
        "classical",
        description="`classical`: texture, no weights; `encoder`: the shipped network; `inception`: a download",
    )

    def uses_simulated_weights(self) -> bool:
        """The shipped encoder was trained on phantom micrographs."""
        return self.features == "encoder"


class MmdConfig(FeaturesConfig):
    bandwidths: tuple[PositiveFloat, ...] = Field(
        (0.5, 1.0, 2.0), min_length=1, description="widths of the kernels, times the median distance of the real images"
    )


class NeighbourConfig(FeaturesConfig):
    neighbours: int = Field(3, ge=1, description="an image's surroundings reach to its so many-th nearest neighbour")
