"""Data from outside the run, such as exact truth, brought into the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from emgen.artifacts import StackRef, write_stack
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.recipe import core_maker
from emgen.errors import DataError
from emgen.stages import Context, Stack


def bring(
    bench: Bench, images: Stack, labels: Stack, scale: Mapping[str, Any], *, label: str
) -> tuple[StackRef, StackRef]:
    """(N, H, W) images in [0, 1] and their labels, at the working scale, which ``scale`` describes.

    ``scale``: ``working_diameter`` in px and, where known, ``factors`` (see ``emgen.model.save_model``). Raises
    ``DataError`` when images and labels do not pair.
    """
    if tuple(images.shape) != tuple(labels.shape):
        raise DataError(f"{label}: images of shape {images.shape} and labels of shape {labels.shape} do not pair")

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        write_stack(draft.folder / "image", images, np.float32)
        write_stack(draft.folder / "label", labels, np.int32)
        return scale

    artifact = bench.perform(
        Step(
            label=label,
            kind="crops",
            slot="brought",
            maker=core_maker(1, "emgen.engine.steps_bring"),
            settings={"scale": dict(scale)},
            input_keys={"image": _digest(images, np.float32), "label": _digest(labels, np.int32)},
            produce=produce,
        )
    )
    return artifact.stack("image"), artifact.stack("label")


def _digest(stack: Stack, dtype: Any) -> str:
    digest = hashlib.sha256(repr(tuple(stack.shape)).encode())
    for index in range(len(stack)):
        digest.update(np.ascontiguousarray(stack[index], dtype=dtype).tobytes())
    return digest.hexdigest()
