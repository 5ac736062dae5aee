"""What napari takes for a layer, and the pixel size in it. No Qt here.

napari has a scale and a unit for each axis; emgen knows the side of a pixel in nanometres, or that nobody knows it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emgen.errors import DataError

LayerData = tuple[Any, dict[str, Any], str]
"""(data, settings of the layer, kind of the layer), as readers of napari return it."""
SQUARE = 0.01
"""Sides of a pixel that differ by less than this share count as equal."""


def calibration(pixel_size_nm: float | None, ndim: int) -> dict[str, Any]:
    """``scale`` and ``units`` of a layer whose last two axes are the picture; a stack's first axis counts frames."""
    before = ndim - 2
    if pixel_size_nm is None:
        return {"scale": (1.0,) * ndim, "units": ("pixel",) * ndim}
    return {"scale": (1.0,) * before + (pixel_size_nm,) * 2, "units": ("pixel",) * before + ("nm",) * 2}


def pixel_size_nm(layer: Any) -> float | None:
    """Side of a pixel of a layer, in nm; ``None`` where its units are no lengths.

    Raises ``DataError`` for pixels that are not square, and for a scale that is no size.
    """
    sides = []
    for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        length = scale * unit
        if not length.check("[length]"):
            return None
        sides.append(float(length.to("nm").magnitude))
    if not all(np.isfinite(sides)) or min(sides) <= 0:
        raise DataError(
            f'The layer "{layer.name}" has pixels of {sides} nm. Correct its scale, or set its units to pixel.'
        )
    if max(sides) > (1 + SQUARE) * min(sides):
        raise DataError(
            f'The pixels of the layer "{layer.name}" are not square: {sides[0]:g} by {sides[1]:g} nm. '
            "Resample it, or set its units to pixel and measure in pixels."
        )
    return sides[-1]


def features_of(table: Any) -> Any:
    """A particle table as the features of a Labels layer, which finds its rows by ``index``, the label."""
    features = table.copy()
    features.insert(0, "index", features.pop("label"))
    return features
