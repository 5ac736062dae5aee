"""Make virtual images: sample masks, paint them, change their contrast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from emgen.artifacts import Artifact, StackRef
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.pieces import fill
from emgen.registration import Kind
from emgen.stages import Context, Stack

Apply = Callable[[Any, Stack, np.random.Generator], Any]


def sample_masks(bench: Bench, sampler: Artifact, *, n: int | None = None, label: str, slot: str = "masks") -> StackRef:
    """Step 4: n instance masks (``virtual.images`` unless given) of the crop's size. Each slot has masks of its own."""
    chosen = bench.maker_of(sampler, "mask_sampler")
    side = bench.spec.data.crop
    count = n or bench.spec.virtual.images

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        stage = bench.trained(sampler, "mask_sampler", context)
        make = lambda start, stop, rng: stage.sample(stop - start, (side, side), rng)
        fill(draft, context, "label", (count, side, side), np.int32, make)
        return {}

    fields = bench.with_plugin(chosen)
    fields["settings"] = {**fields["settings"], "n": count, "shape_HW": [side, side]}
    artifact = bench.perform(
        Step(
            label=label,
            kind="labels",
            slot=slot,
            produce=produce,
            input_keys={"sampler": sampler.key},
            inputs=[sampler],
            seed_name="sample_masks" if slot == "masks" else f"sample_{slot}",
            **fields,
        )
    )
    return artifact.stack("label")


def generate(bench: Bench, morphology: Artifact, labels: StackRef, *, label: str) -> StackRef:
    """Step 4: the 1st generation, one image a mask."""
    paint: Apply = lambda stage, stack, rng: stage.generate(stack, rng)
    return _apply(bench, morphology, "morphology_gan", "first_generation", "generate", labels, label, paint)


def translate(bench: Bench, contrast: Artifact, images: StackRef, *, label: str) -> StackRef:
    """Step 5: the 2nd generation, one image an image."""
    change: Apply = lambda stage, stack, rng: stage.translate(stack, rng)
    return _apply(bench, contrast, "contrast_gan", "second_generation", "translate", images, label, change)


def _apply(
    bench: Bench, model: Artifact, kind: Kind, slot: str, seed_name: str, source: StackRef, label: str, apply: Apply
) -> StackRef:
    chosen = bench.maker_of(model, kind)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        stage, stack = bench.trained(model, kind, context), source.open()
        make = lambda start, stop, rng: apply(stage, stack[start:stop], rng)
        fill(draft, context, "image", (stack.shape[0], stack.shape[1], stack.shape[2]), np.float32, make)
        return {}

    artifact = bench.perform(
        Step(
            label=label,
            kind="images",
            slot=slot,
            produce=produce,
            input_keys={"model": model.key, "source": source.key},
            inputs=[model, source.artifact],
            seed_name=seed_name,
            **bench.with_plugin(chosen),
        )
    )
    return artifact.stack("image")
