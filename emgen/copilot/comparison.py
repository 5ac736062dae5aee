"""Which of two models fits micrographs better? Without a label, by what the micrographs themselves show.

The evidence is the check that compares rounds of the tandem (``emgen.engine.verdict``): of each mask, whether a
particle shows where it lies, and of each spot like a particle, whether it has a mask; both models are judged on the
same frames by the same thresholds. What was trained on is not looked at: frames of the comparison are kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.engine.steps_evidence import about, measure_tiles
from emgen.engine.verdict import Comparison, compare
from emgen.stages import Context, FloatArray, LabelArray, Polarity

SIDE = 256
"""Px at the working scale: of a tile."""
TILES = 8
"""Of one frame at most, spread evenly."""


@dataclass(frozen=True, slots=True)
class Masks:
    """What one model finds on the tiles, with the interface of ``emgen.engine.steps_evidence.Evidence``."""

    label_TSS: list[LabelArray]
    tiles: list[dict[str, Any]]
    found: list[Any]

    @property
    def masks(self) -> NDArray[np.bool_]:
        return np.concatenate([label_HW.ravel() > 0 for label_HW in self.label_TSS])

    def measured(self) -> list[Any]:
        return self.found


def compare_on_frames(
    image_FHW: Sequence[FloatArray],
    new_FHW: Sequence[LabelArray],
    old_FHW: Sequence[LabelArray],
    *,
    factor_F: Sequence[float],
    polarity: Polarity,
    seed: int = 0,
) -> Comparison:
    """F frames, float32 in [0, 1], and the instances of both models in them, each of any size.

    ``factor_F``: working scale over each frame's own. ``polarity``: of the particles.
    """
    windows = [_windows(image.shape, factor) for image, factor in zip(image_FHW, factor_F, strict=True)]
    images = [
        _image(image[window], factor)
        for image, factor, own in zip(image_FHW, factor_F, windows, strict=True)
        for window in own
    ]
    sides = [_masks(images, labels, windows, factor_F, polarity, seed) for labels in (new_FHW, old_FHW)]
    return compare(sides[0], sides[1], seed)  # type: ignore[arg-type]  # what it needs of evidence, Masks has


def is_better(comparison: Comparison) -> tuple[bool, str]:
    """Only a model that is clearly better takes over by itself; in words, why or why not."""
    c = comparison
    told = f"{c.score:.2f} after {c.before:.2f}; difference {c.difference:+.2f} ({c.low:+.2f} to {c.high:+.2f})"
    if c.low > 0:
        return True, f"the new model's masks fit the frames better: {told}"
    if c.high < 0:
        return False, f"the new model's masks fit the frames worse: {told}"
    return False, f"no clear difference between the models: {told}"


def _windows(shape_HW: tuple[int, ...], factor: float) -> list[tuple[slice, slice]]:
    side = max(1, round(SIDE / factor))
    rows, columns = (max(1, length // side) for length in shape_HW[:2])
    places = [(row, column) for row in range(rows) for column in range(columns)]
    chosen = np.unique(np.linspace(0, len(places) - 1, TILES).round().astype(int))
    return [
        (slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side))
        for row, column in (places[index] for index in chosen)
    ]


def _image(image_HW: FloatArray, factor: float) -> FloatArray:
    from emgen.data import resize_to, scaled_shape

    return resize_to(image_HW, scaled_shape((image_HW.shape[0], image_HW.shape[1]), factor))


def _masks(
    images: Sequence[FloatArray],
    label_FHW: Sequence[LabelArray],
    windows: Sequence[Sequence[tuple[slice, slice]]],
    factor_F: Sequence[float],
    polarity: Polarity,
    seed: int,
) -> Masks:
    from emgen.data import resize_labels, scaled_shape

    labels: list[LabelArray] = []
    tiles: list[dict[str, Any]] = []
    for index, (label_HW, factor, own) in enumerate(zip(label_FHW, factor_F, windows, strict=True)):
        for window in own:
            part = label_HW[window]
            labels.append(resize_labels(part, scaled_shape((part.shape[0], part.shape[1]), factor)))
            tiles.append({"index": index, **about(labels[-1])})
    context = Context(seed=seed, polarity=polarity)
    return Masks(labels, tiles, measure_tiles(context, images, labels))
