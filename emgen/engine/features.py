"""Features that several metrics share: computed once per stack in a run.

A metric that wants this has ``feature_extractors``: by name, a function ``(stack, device) -> (N, D)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from emgen.stages import Stack

Extract = Callable[[Stack, str], NDArray[Any]]


class FeatureMemo:
    """Keeps the stacks too, so that no two of them can have one ``id``."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._kept: dict[tuple[str, int], tuple[Stack, NDArray[Any]]] = {}

    def of(self, metric: Any) -> Callable[[str, Stack], NDArray[Any]] | None:
        """What ``MetricContext.features`` is for this metric; ``None`` when it brings no extractor."""
        extractors: Mapping[str, Extract] | None = getattr(metric, "feature_extractors", None)
        if not extractors:
            return None
        return lambda name, stack: self._features(extractors[name], name, stack)

    def _features(self, extract: Extract, name: str, stack: Stack) -> NDArray[Any]:
        key = (name, id(stack))
        if key not in self._kept:
            self._kept[key] = (stack, extract(stack, self._device))
        return self._kept[key][1]
