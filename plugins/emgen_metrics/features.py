"""Features of images, deep or classical: what the distances between sets of images are computed on.

A metric that has ``feature_extractors`` shares them: who computes several metrics extracts each once per stack and
hands the result over in ``MetricContext.features``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from emgen.stages import MetricContext, Stack


class Extractor(Protocol):
    @property
    def name(self) -> str:
        """What a result says about its features: kind, and the weights' hash."""
        ...

    def extract(self, image_NHW: Stack, device: str) -> NDArray[Any]:
        """(N, H, W) in [0, 1] -> (N, D)."""
        ...


class FeatureMetric:
    """Base of the metrics that compare features."""

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor

    @property
    def feature_extractors(self) -> dict[str, Callable[[Stack, str], NDArray[Any] | Mapping[str, NDArray[Any]]]]:
        """An extractor with ``extract_all`` yields all that its one pass gives, by name."""
        extract = getattr(self.extractor, "extract_all", self.extractor.extract)
        return {self.extractor.name: extract}

    def features(self, image_NHW: Stack, context: MetricContext) -> NDArray[Any]:
        """(N, D): from the context if it shares features, else computed here."""
        if context.features is not None:
            return context.features(self.extractor.name, image_NHW)
        return self.extractor.extract(image_NHW, context.device)
