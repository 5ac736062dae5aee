"""What every metric asks of its two stacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.errors import BadImageError, NoImagesError
from emgen.stages import Stack


def need_images(metric: str, least: int, **stacks: Stack) -> None:
    """Raises ``NoImagesError`` naming the stack that has fewer than ``least`` images."""
    for name, stack in stacks.items():
        if len(stack) < least:
            raise NoImagesError(
                f"{metric}: {len(stack)} {name} images are too few; it needs at least {least}. "
                "Give more images or leave the metric out."
            )


def pairs(metric: str, a: Stack, b: Stack) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """``(a[i], b[i])``, both (H, W). Raises ``BadImageError`` unless counts and shapes agree."""
    if len(a) != len(b):
        raise BadImageError(f"{metric} compares image by image, but there are {len(a)} and {len(b)}.")
    need_images(metric, 1, paired=a)
    for index in range(len(a)):
        first, second = np.asarray(a[index]), np.asarray(b[index])
        if first.shape != second.shape:
            raise BadImageError(
                f"{metric}: image {index} is {first.shape} on one side and {second.shape} on the other."
            )
        yield first, second
