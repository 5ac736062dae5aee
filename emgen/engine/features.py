"""Features that several metrics share: computed once per stack in a run.

A metric that wants this has ``feature_extractors``: by name, a function ``(stack, device) -> (N, D)``. Where one pass
yields several features, the function returns them all by name, its own among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from emgen.stages import Stack

Extract = Callable[[Stack, str], NDArray[Any] | Mapping[str, NDArray[Any]]]


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
            found = extract(stack, self._device)
            by_name = found if isinstance(found, Mapping) else {name: found}
            self._kept |= {(other, id(stack)): (stack, features) for other, features in by_name.items()}
        return self._kept[key][1]
