"""Labels from outside a run: exact truth or hand labels of its micrographs, by their names, and what is cut of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emgen.artifacts import StackRef
from emgen.data import SplitPlan, Window, cut_crops
from emgen.engine.handles import Micrographs, Parts
from emgen.engine.run import Run
from emgen.errors import BadImageError, NoImagesError
from emgen.host import Host
from emgen.stages import FloatArray, LabelArray

LabelOf = Callable[[int], LabelArray]
"""(H, W) int32 instances of micrograph i."""


class LabelFolder:
    """Label images of micrographs, found by stem: ``<stem>_labels``, ``<stem>_mask`` or ``<stem>``."""

    def __init__(self, folder: Path | str, host: Host) -> None:
        from emgen.scores.masks import labels_by_stem

        self.folder, self._host = Path(folder), host
        self.files = labels_by_stem(self.folder, host)

    def missing(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self.files]

    def require(self, names: Sequence[str]) -> None:
        """Raises ``NoImagesError`` naming micrographs without labels."""
        if missing := self.missing(names):
            shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
            raise NoImagesError(
                f"{self.folder}: no labels of {len(missing)} of {len(names)} micrographs ({shown}). Name them "
                "<stem>_labels.tif, or leave those micrographs out."
            )

    def read(self, name: str, shape_HW: tuple[int, ...]) -> LabelArray:
        """(H, W) int32. Raises ``BadImageError`` unless the label has its micrograph's size."""
        from emgen.scores.masks import read_labels

        label_HW = read_labels(self.files[name], self._host)
        if label_HW.shape != tuple(shape_HW):
            raise BadImageError(f"{self.files[name]}: shape {label_HW.shape}, its micrograph {name} is {shape_HW}.")
        return label_HW


def crops_with_labels(
    run: Run, micrographs: Micrographs, parts: Parts, label_of: LabelOf, name: str, *, count: int | None = None
) -> StackRefs:
    """The crops of subset 1 and 2 with labels from elsewhere, in the store.

    Everything that the label-free run may look at, cut at the same windows and scale: same stack, same micrographs.
    ``count``: of so many micrographs only, drawn by the run's seed; a larger count holds those of a smaller one.
    """
    plan = SplitPlan.from_dict(parts.plan)
    windows = _drawn((*plan.subset1, *plan.subset2), count, run.bench.spec.seed)
    images, labels = _cut(run, micrographs, windows, parts.plan["scale"]["factors"], label_of)
    scale: Mapping[str, Any] = {key: parts.artifact.facts[key] for key in ("working_diameter", "factors")}
    return run.bring(images, labels, scale, label=name)


StackRefs = tuple[StackRef, StackRef]


def _drawn(windows: Sequence[Window], count: int | None, seed: int) -> Sequence[Window]:
    """Those of the first ``count`` micrographs of an order drawn by ``seed``."""
    indices = sorted({window.index for window in windows})
    kept = np.random.default_rng([seed, len(indices)]).permutation(indices)[:count]
    return [window for window in windows if window.index in kept]


def _cut(
    run: Run, micrographs: Micrographs, windows: Sequence[Window], factors: Sequence[float], label_of: LabelOf
) -> tuple[FloatArray, LabelArray]:
    data = run.bench.spec.data
    rng = np.random.default_rng(run.bench.spec.seed)
    cut = [
        cut_crops(
            micrographs.images[w.index].image_HW,
            label_of(w.index),
            w,
            factors[w.index],
            data.crop,
            data.crops_per_micrograph,
            rng,
        )
        for w in windows
    ]
    return np.concatenate([image for image, _ in cut]), np.concatenate([label for _, label in cut])
