"""Labels made to say what the images show: particles that are not there dropped, shifted ones moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emgen.fidelity.judge import Judged
from emgen.stages import LabelArray

LEAST_WHOLE = 0.8
"""Share of a moved particle that must lie within the image and outside other particles."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """(H, W) int32 instances that keep their numbers, and how many particles the image shows without a label."""

    label_HW: LabelArray
    unlabelled: int


def correct(label_HW: LabelArray, judged: Judged) -> Corrected:
    """Erased and inverted particles are dropped, shifted ones moved to where they are, if there is room."""
    wrong = [number for number, verdict in judged.verdicts.items() if verdict in ("erased", "inverted", "shifted")]
    corrected = np.where(np.isin(label_HW, wrong), 0, label_HW).astype(np.int32)
    lost = 0
    for number, (dy, dx) in sorted(judged.moves.items()):
        ys, xs = np.nonzero(label_HW == number)
        inside = (ys + dy >= 0) & (ys + dy < label_HW.shape[0]) & (xs + dx >= 0) & (xs + dx < label_HW.shape[1])
        to = (ys[inside] + dy, xs[inside] + dx)
        free = corrected[to] == 0
        if free.sum() >= LEAST_WHOLE * len(ys):
            corrected[to[0][free], to[1][free]] = number
        else:
            lost += 1
    return Corrected(corrected, lost + len(judged.invented))
