"""Which images of a generation may be trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from emgen.fidelity.correct import correct
from emgen.fidelity.judge import Judged
from emgen.stages import LabelArray

Mode = Literal["report", "quarantine", "correct"]


class Labels(Protocol):
    """(H, W) int32 instances by index."""

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Sifted:
    """``kept``: indices of the images that may be trained on, in order. ``failed``: those that did not pass;
    ``spared``: the best of them, kept because too few would be left."""

    kept: tuple[int, ...]
    failed: tuple[int, ...]
    spared: tuple[int, ...] = ()


def sift(stack: Sequence[Judged], labels: Labels, mode: Mode, tolerated: float, least_kept: float) -> Sifted:
    """``tolerated``: share of particles at fault that an image may hold (in ``correct``, after correction).
    ``least_kept``: share of the images that is kept whatever they show; those without any particle left are not."""
    share = [_share_left(image, labels[index], mode) for index, image in enumerate(stack)]
    passed = [index for index, value in enumerate(share) if value <= tolerated]
    failed = [index for index, value in enumerate(share) if value > tolerated]
    if mode == "report":
        return Sifted(tuple(range(len(stack))), tuple(failed))
    lacking = max(0, int(np.ceil(least_kept * len(stack))) - len(passed))
    best = sorted((index for index in failed if np.isfinite(share[index])), key=lambda index: (share[index], index))
    spared = sorted(best[:lacking])
    return Sifted(tuple(sorted([*passed, *spared])), tuple(failed), tuple(spared))


def training_label(label_HW: LabelArray, image: Judged, mode: Mode) -> LabelArray:
    """(H, W) int32 instances that are trained on: corrected in the mode ``correct``, else as they came."""
    return correct(label_HW, image).label_HW if mode == "correct" else label_HW


def _share_left(image: Judged, label_HW: LabelArray, mode: Mode) -> float:
    """Share of faults that training would see; infinite where not one of an image's particles is to be seen."""
    if mode != "correct":
        return image.share_at_fault
    corrected = correct(label_HW, image)
    left = len(np.unique(corrected.label_HW)) - 1
    if image.verdicts and left <= 0:
        return float("inf")
    return corrected.unlabelled / max(left + corrected.unlabelled, 1)
