"""What the service has found in a frame, as it goes from the process that segments to the journal and to scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Of one frame.

    Attributes
    ----------
    shape_HW: of the micrograph without its data bar. factor: working scale of the model over the micrograph's own.
    pixel_size_nm: ``None`` where nobody gave one. particles: all, also those that the frame's edge cuts.
    diameter_K: px, float32, of whole particles. coverage: share of the area, 0 to 1.
    table: of ``emgen.particles.measure`` (``table_bytes``). seconds: by stage.
    domain_score: how far from what the model was trained on (``emgen.domain``), ``domain_words`` in what; ``None``
        where the model has no reference.
    """

    frame: int
    name: str
    shape_HW: tuple[int, int]
    factor: float
    pixel_size_nm: float | None
    particles: int
    diameter_K: NDArray[np.float32]
    coverage: float
    table: bytes
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()
    domain_score: float | None = None
    domain_words: tuple[str, ...] = field(default=())

    @property
    def mean_px(self) -> float | None:
        return float(self.diameter_K.mean()) if len(self.diameter_K) else None

    @property
    def median_px(self) -> float | None:
        return float(np.median(self.diameter_K)) if len(self.diameter_K) else None

    def columns(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return {
            "height": self.shape_HW[0],
            "width": self.shape_HW[1],
            "pixel_size_nm": self.pixel_size_nm,
            "factor": self.factor,
            "particles": self.particles,
            "mean_px": self.mean_px,
            "median_px": self.median_px,
            "coverage": self.coverage,
            "domain_score": self.domain_score,
            "seconds": json.dumps({stage: round(value, 5) for stage, value in self.seconds.items()}),
            "notes": json.dumps([*self.notes, *self.domain_words]),
            "sizes": self.diameter_K.astype("<f4").tobytes(),
        }

    def told(self) -> dict[str, Any]:
        """As scripts get it: the event ``frame``."""
        size, mean, median = self.pixel_size_nm, self.mean_px, self.median_px
        return {
            "frame": self.frame,
            "name": self.name,
            "state": "done",
            "particles": self.particles,
            "pixel_size_nm": size,
            "mean_diameter_px": mean,
            "median_diameter_px": median,
            "mean_diameter_nm": None if mean is None or size is None else mean * size,
            "median_diameter_nm": None if median is None or size is None else median * size,
            "coverage": self.coverage,
            "domain_score": self.domain_score,
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
        }
