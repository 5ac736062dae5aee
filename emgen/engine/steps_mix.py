"""What the downstream task is trained on: virtual images, and among them crops of labelled micrographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.artifacts import create_stack
from emgen.data import Window, resize_labels, resize_to, scaled_shape
from emgen.data.crops import at_least, renumber
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Generation, Micrographs, Parts
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker
from emgen.engine.steps_labelled import Labelled, read_labelled
from emgen.stages import Context


def training_set(
    bench: Bench,
    second: Generation,
    parts: Parts,
    micrographs: Micrographs,
    windows: Sequence[Window] | None = None,
    *,
    label: str = "training_set",
) -> Generation:
    """The 2nd generation, and among it crops of labelled micrographs; as it is where the spec names none.

    ``windows`` of labelled micrographs that may be used, by default all that the split allows; none: no labels.
    """
    spec = bench.spec.labelled
    if spec is None or (windows is not None and not windows):
        return second
    labelled = read_labelled(bench, parts, micrographs)
    used = list(labelled.windows if windows is None else windows)
    added = ceil(len(second) * spec.share / (1 - spec.share))

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        real = _Crops(labelled, used, bench.spec.data.crop)
        rng = np.random.default_rng([context.seed, 0x1AB])
        _mix(draft, context, second, real, added, rng)
        return {}

    artifact = bench.perform(
        Step(
            label=label,
            kind="crops",
            slot="training_set",
            maker=core_maker(1, "emgen.data", "emgen.engine.steps_mix"),
            settings={"share": spec.share, "windows": [asdict(window) for window in used]},
            input_keys={"images": second.images.key, "labels": second.labels.key, "labelled": labelled.artifact.key},
            inputs=[second.labels.artifact, second.images.artifact, labelled.artifact],
            seed_name="training_set",
            produce=produce,
        )
    )
    return Generation(artifact.stack("image"), artifact.stack("label"), second.fidelity)


def _mix(
    draft: Draft, context: Context, second: Generation, real: _Crops, added: int, rng: np.random.Generator
) -> None:
    """Virtual images and ``added`` labelled crops in random order, so that every part of the stack holds some."""
    images, labels = second.images.open(), second.labels.open()
    total = len(images) + added
    order = rng.permutation(total)
    shape = (total, *images.shape[1:])
    image_NHW = create_stack(draft.folder / "image", shape, np.float32)
    label_NHW = create_stack(draft.folder / "label", shape, np.int32)
    context.plan(total)
    for place, source in enumerate(order):
        check_stop(context, f"stopped at {place} of {total}")
        if source < len(images):
            image_NHW[place], label_NHW[place] = images[int(source)], labels[int(source)]
        else:
            image_NHW[place], label_NHW[place] = real.draw(rng)
    context.log(total, {})


class _Crops:
    """Random crops of windows at the working scale, each as likely as its area; smaller windows are reflected."""

    def __init__(self, labelled: Labelled, windows: Sequence[Window], side: int) -> None:
        self._side = side
        self._scaled = [_scaled(labelled, window, side) for window in windows]
        areas = np.array([image_HW.size for image_HW, _ in self._scaled], float)
        self._chance = areas / areas.sum()

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        image_HW, label_HW = self._scaled[int(rng.choice(len(self._scaled), p=self._chance))]
        y, x = (int(rng.integers(length - self._side + 1)) for length in image_HW.shape)
        box = np.s_[y : y + self._side, x : x + self._side]
        return image_HW[box], renumber(label_HW[box])


def _scaled(labelled: Labelled, window: Window, side: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    image_HW, label_HW = labelled.read(window.index)
    shape_HW = scaled_shape((window.height, window.width), labelled.factors[window.index])
    image = resize_to(image_HW[window.slices], shape_HW)
    label = resize_labels(label_HW[window.slices], shape_HW)
    return at_least(image, side), at_least(label, side)
