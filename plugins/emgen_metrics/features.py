"""Deep and classical features of images, computed once per stack and shared by the metrics.

An extractor has a ``name`` that says what the numbers rest on, and ``extract(stack, device) -> (N, D)``.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emgen.stages import MetricContext, Stack

_KEPT = 16
_cache: OrderedDict[tuple[str, str], NDArray[Any]] = OrderedDict()


class Extractor(Protocol):
    @property
    def name(self) -> str:
        """What a result says about its features: kind, and the weights' hash."""
        ...

    def extract(self, image_NHW: Stack, device: str) -> NDArray[Any]:
        """(N, H, W) in [0, 1] -> (N, D)."""
        ...


def features(extractor: Extractor, image_NHW: Stack, context: MetricContext) -> NDArray[Any]:
    """(N, D): from the context if it shares features, else from this process's memory, else computed."""
    if context.features is not None:
        return context.features(extractor.name, image_NHW)
    key = (extractor.name, _digest(image_NHW))
    if key not in _cache:
        _cache[key] = extractor.extract(image_NHW, context.device)
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]


def _digest(image_NHW: Stack) -> str:
    digest = hashlib.blake2b(repr(tuple(image_NHW.shape)).encode(), digest_size=16)
    for index in range(len(image_NHW)):
        digest.update(np.ascontiguousarray(image_NHW[index]).tobytes())
    return digest.hexdigest()
