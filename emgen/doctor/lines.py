"""Scan lines of unequal brightness: emission that flickers, or a detector that drifts."""

from __future__ import annotations

import numpy as np

from emgen.stages import FloatArray


def line_noise(image_HW: FloatArray) -> float:
    """Spread of the brightness of rows against their neighbours, in units of that of columns: about 1 without fault."""
    rows, columns = (_spread(image_HW, axis) for axis in (1, 0))
    return float(rows / columns) if columns > 0 else 1.0


def _spread(image_HW: FloatArray, axis: int) -> float:
    """Median second difference of the line means, so that slow changes and single bright things do not count."""
    step = max(1, image_HW.shape[axis] // 512)
    thinned = image_HW[:, ::step] if axis == 1 else image_HW[::step]
    means = thinned.mean(axis=axis, dtype=np.float64)
    return float(np.median(np.abs(np.diff(means, 2)))) if len(means) > 8 else 0.0
