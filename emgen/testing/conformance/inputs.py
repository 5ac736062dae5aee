"""Small inputs for checks, and what the checks say about outputs. Shapes as in ``emgen.stages``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray, LabelArray


class PlainStack:
    """A stack with nothing but ``len``, ``shape`` and indexing by an integer or a slice, as the contract promises."""

    def __init__(self, array_NHW: NDArray[Any]) -> None:
        self._array = array_NHW
        self.shape: tuple[int, ...] = array_NHW.shape

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index: int | slice) -> NDArray[Any]:
        if not isinstance(index, (int, slice)):
            raise TypeError(f"a stack is indexed by an integer or a slice, not by {index!r}")
        return self._array[index].copy()


def labels(n: int, shape_HW: tuple[int, int], seed: int = 0) -> LabelArray:
    """(n, H, W) int32: discs of 8 to 14 px that do not touch, at least one in each image."""
    rng = np.random.default_rng(seed)
    return np.stack([_discs(shape_HW, rng) for _ in range(n)])


def _discs(shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
    label_HW = np.zeros(shape_HW, np.int32)
    rows, columns = np.ogrid[: shape_HW[0], : shape_HW[1]]
    for _ in range(max(3, shape_HW[0] * shape_HW[1] // 500)):
        radius = rng.uniform(4, 7)
        y, x = rng.uniform(radius, np.array(shape_HW) - radius)
        squared = (rows - y) ** 2 + (columns - x) ** 2
        if not label_HW[squared < (radius + 2) ** 2].any():
            label_HW[squared < radius**2] = label_HW.max() + 1
    return label_HW


def images(label_NHW: LabelArray, polarity: str = "bright", seed: int = 0) -> FloatArray:
    """Particles of those labels on a noisy, slightly uneven support: (N, H, W) float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    slope_W = np.linspace(0.2, 0.3, label_NHW.shape[2])
    bright = slope_W + 0.45 * (label_NHW > 0) + rng.normal(0, 0.04, label_NHW.shape)
    image_NHW = np.clip(bright, 0, 1).astype(np.float32)
    return image_NHW if polarity == "bright" else 1 - image_NHW


def require(condition: bool, text: str) -> None:
    """``assert`` that also speaks outside pytest and under ``python -O``."""
    if not condition:
        raise AssertionError(text)


def require_array(found: object, shape: tuple[int, ...], dtype: type[Any], what: str) -> NDArray[Any]:
    """``found`` if it is a numpy array of that shape and dtype."""
    require(isinstance(found, np.ndarray), f"{what} must be a numpy array, not {type(found).__name__}")
    assert isinstance(found, np.ndarray)
    require(found.shape == shape, f"{what} has the shape {found.shape}, it must be {shape}")
    require(found.dtype == np.dtype(dtype), f"{what} is {found.dtype}, it must be {np.dtype(dtype).name}")
    return found


def require_unit_range(found: object, shape: tuple[int, ...], what: str) -> None:
    """float32 of that shape, finite, in [0, 1]."""
    array = require_array(found, shape, np.float32, what)
    require(bool(np.isfinite(array).all()), f"{what} holds NaN or infinite values")
    low, high = float(array.min()), float(array.max())
    require(low >= 0 and high <= 1, f"{what} ranges over [{low:.3g}, {high:.3g}], it must stay in [0, 1]")


def require_labels(found: object, shape: tuple[int, ...], what: str) -> None:
    """int32 of that shape; in each image 0 and the ids 1 … K without a gap."""
    for i, label_HW in enumerate(require_array(found, shape, np.int32, what)):
        ids = np.unique(label_HW)
        ids = ids[ids != 0]
        gapless = np.array_equal(ids, np.arange(1, len(ids) + 1))
        require(gapless, f"{what}, image {i}: the ids are {ids[:8].tolist()} …, they must be 1 … K without a gap")


def require_equal(first: object, second: object, what: str) -> None:
    """Equal to the last bit."""
    a, b = np.asarray(first), np.asarray(second)
    require(a.shape == b.shape, f"{what}: the shapes {a.shape} and {b.shape} differ")
    difference = float(np.abs(a.astype(np.float64) - b).max()) if a.size else 0.0
    require(np.array_equal(a, b), f"{what}: the outputs differ, by up to {difference:.3g}")
