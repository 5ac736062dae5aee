"""Settings of the rough segmenters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from emgen.registration import StageConfig


class ThresholdConfig(StageConfig):
    """Sizes and thresholds are estimated from each image; these settings bound the estimate."""

    method: Literal["local", "global"] = Field(
        "local",
        description="`local`: spots against their own surroundings; `global`: one threshold (Otsu) for the smoothed "
        "image, for strong particles on an even background",
    )
    smoothing: PositiveFloat = Field(4.0, description="`global`: standard deviation of the Gaussian before it, px")
    diameter: PositiveFloat | None = Field(None, description="typical particle diameter in px; null estimates it")
    smallest: float = Field(4.0, ge=3, description="smallest diameter looked for, px")
    largest: float = Field(160.0, gt=4, description="largest diameter looked for, px")
    false_rate: float = Field(
        0.15, gt=0, lt=1, description="accepted share of false particles, estimated from spots of the opposite contrast"
    )
    size_range: float = Field(3.0, gt=1, description="particles this many times smaller or larger than typical stay")
    edge: float = Field(0.4, gt=0, lt=1, description="the outline stands at this fraction of a particle's contrast")

    @model_validator(mode="after")
    def _sizes_rise(self) -> Self:
        if self.smallest >= self.largest:
            raise ValueError(f"smallest ({self.smallest:g} px) must lie below largest ({self.largest:g} px)")
        return self


class SelfTaughtConfig(StageConfig):
    """A network learns on the stack itself; these settings say how long and of what."""

    diameter: PositiveFloat | None = Field(
        None, description="typical particle diameter in px of the micrographs; null estimates it of each (slower)"
    )
    start_from: str | None = Field(
        None,
        json_schema_extra={"format": "path"},
        description="a model folder, or `pretrained` (the shipped weights): learn on from there, in its architecture",
    )
    passes: PositiveInt = Field(
        3, description="trainings: the first on drawn particles alone, each next one with those found"
    )
    steps: PositiveInt = Field(250, description="steps of a training")
    images: PositiveInt = Field(320, description="micrograph pieces with drawn particles that a training learns from")
    crop: int = Field(96, ge=64, multiple_of=32, description="side of such a piece, px at the working scale")
    batch: PositiveInt = Field(4, description="pieces in a step")
    learning_rate: PositiveFloat = Field(1e-3, description="of AdamW, at the start")
    architecture: Literal["unet++", "compact"] = Field(
        "unet++", description="network family; `compact` learns in a fifth of the time"
    )
    encoder: str = Field("resnet18", description="encoder of the UNet++; `compact` has its own")
    decoder_channels: tuple[PositiveInt, ...] = Field((32, 24, 16), min_length=3, max_length=5)
    contrast: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.5, 12.0), description="range of the drawn particles' contrast, over the image's own structure at their size"
    )
    sure: float = Field(0.85, gt=0, lt=1, description="mean probability from which a particle counts as found")
    smallest: float = Field(
        5.0, ge=3, description="smallest particle kept, px of diameter at the working scale (14 px typical)"
    )

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "check": {
            "encoder": "tu-mobilenetv3_small_100",
            "decoder_channels": (16, 8, 8),
            "diameter": 10.0,
            "passes": 2,
            "steps": 2,
            "images": 8,
            "crop": 64,
            "batch": 2,
        }
    }

    def uses_simulated_weights(self) -> bool:
        """As what it starts from says of itself."""
        if self.start_from is None:
            return False
        from emgen.model import read_info

        return bool(read_info(self.start_from).get("simulated", False))

    @model_validator(mode="after")
    def _contrasts_rise(self) -> Self:
        if self.contrast[0] >= self.contrast[1]:
            raise ValueError(f"contrast {self.contrast}: the first must lie below the second")
        return self


class NPsSegNetSegmenterConfig(StageConfig):
    """A trained model segments at the size at which its particles have the diameter that it was trained at."""

    model: str = Field(
        "pretrained",
        json_schema_extra={"format": "path"},
        description="a model folder, a run folder, or shipped weights: `pretrained`, `pretrained-large`",
    )
    polarity_flip: bool = Field(
        True, description="invert the image when the model was trained on particles of the opposite contrast"
    )
    factors: tuple[PositiveFloat, ...] | None = Field(
        None, min_length=1, description="sizes to try, as factors on the image's own; null chooses them"
    )

    def uses_simulated_weights(self) -> bool:
        """True when ``model.json`` says that simulated images had a part in the weights."""
        from emgen.model import read_info

        return bool(read_info(self.model).get("simulated", False))


class SamConfig(StageConfig):
    """Segment Anything in its automatic mode, then filters that leave the particles."""

    model: str = Field(
        "facebook/sam-vit-base",
        json_schema_extra={"format": "path"},
        description="Hugging Face id (SAM or SAM 2), or a local folder in its format",
    )
    points_per_side: PositiveInt = Field(32, description="prompt points along each side of a tile")
    points_per_batch: PositiveInt = Field(64, json_schema_extra={"cache": False})
    tile: PositiveInt = Field(
        512, description="the image is cut in tiles of about this side (px), a quarter overlapping"
    )
    min_score: float = Field(0.8, ge=0, le=1, description="the model's own estimate of a mask's quality (IoU)")
    min_stability: float = Field(0.9, ge=0, le=1, description="IoU of a mask under a shift of its threshold")
    min_area: float = Field(12.0, ge=1, description="smallest particle, px")
    max_area_fraction: float = Field(0.05, gt=0, le=1, description="largest particle, as a fraction of the image")
    min_contrast: float = Field(
        0.02,
        ge=-1,
        le=1,
        description="particle against its surroundings, in the modality's direction, of the range 0 … 1",
    )
    max_overlap: float = Field(0.5, gt=0, lt=1, description="of two masks that overlap more (IoU) the better stays")
    border: Literal["keep", "drop"] = Field("keep", description="particles cut by the border of the image")
