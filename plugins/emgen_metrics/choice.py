"""The features that a metric's settings name."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from emgen_metrics.classical import Classical
from emgen_metrics.config import FeaturesConfig
from emgen_metrics.features import Extractor
from emgen_metrics.kernels import Features, standardised


def extractor(config: FeaturesConfig) -> Extractor:
    """Imported by need: two of them bring torch."""
    if config.features == "encoder":
        from emgen_metrics.encoder import ShippedEncoder

        return ShippedEncoder()
    if config.features == "inception":
        from emgen_metrics.inception import POOLED, Inception

        return Inception(config, POOLED)
    return Classical()


def as_published(config: FeaturesConfig, x_ND: NDArray[Any], y_MD: NDArray[Any]) -> tuple[Features, Features]:
    """Inception's features as they are, so that a number can be held against published ones; others are standardised
    by the real set (y), as each has a unit of its own."""
    if config.features == "inception":
        return x_ND.astype("float64"), y_MD.astype("float64")
    return standardised(x_ND, y_MD)
