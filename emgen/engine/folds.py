"""Which labelled windows a model is trained on, and which are kept apart to see what the labels gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from emgen.data import Window


@dataclass(frozen=True, slots=True)
class Fold:
    """Windows of labelled micrographs; ``index`` of a window counts the labelled micrographs."""

    train: tuple[Window, ...]
    kept: tuple[Window, ...]


def folds_of(windows: Sequence[Window], factors: Sequence[float], count: int, guard: int, seed: int) -> list[Fold]:
    """Every micrograph is kept apart once, in ``count`` groups; of a single one the two halves are, in turn.

    ``guard``: pixels at the working scale between two halves. Empty where there is nothing to keep apart.
    """
    micrographs = sorted({window.index for window in windows})
    if count < 2 or not micrographs:
        return []
    if len(micrographs) == 1:
        return _halves(max(windows, key=lambda window: window.area), ceil(guard / factors[micrographs[0]]))
    order = np.random.default_rng([seed, 0xF01D]).permutation(micrographs)
    groups = [set(order[start :: min(count, len(order))].tolist()) for start in range(min(count, len(order)))]
    return [
        Fold(tuple(w for w in windows if w.index not in group), tuple(w for w in windows if w.index in group))
        for group in groups
    ]


def _halves(window: Window, guard: int) -> list[Fold]:
    w, along_x = window, window.width >= window.height
    length = (w.width if along_x else w.height) - guard
    if length < 2:
        return []
    near, far = length // 2, length - length // 2
    if along_x:
        one, other = Window(w.index, w.y, w.x, w.height, near), Window(w.index, w.y, w.x + w.width - far, w.height, far)
    else:
        one, other = Window(w.index, w.y, w.x, near, w.width), Window(w.index, w.y + w.height - far, w.x, far, w.width)
    return [Fold((one,), (other,)), Fold((other,), (one,))]
