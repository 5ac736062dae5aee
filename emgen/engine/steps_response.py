"""What the run's model does to sizes, measured on virtual micrographs that it was not trained on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from emgen.artifacts import Artifact
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Generation, Parts
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker
from emgen.engine.steps_gate import gate
from emgen.engine.steps_virtual import generate, sample_masks, translate
from emgen.errors import NoParticlesError
from emgen.sizes.response import FILE
from emgen.stages import Context, LabelArray

IMAGES = 160
"""About a thousand particles; the uncertainty of what they say goes into every interval that rests on it."""
SLOT = "response"


def measure_response(
    bench: Bench, parts: Parts, sampler: Artifact, morphology: Artifact, contrast: Artifact, model: Artifact
) -> Artifact | None:
    """``response.json`` of a model, kept with the run's own; ``None`` where no virtual micrograph passes the gate."""
    try:
        virtual = _virtual_micrographs(bench, parts, sampler, morphology, contrast)
    except NoParticlesError as error:
        bench.record.note(f"recall and size bias of the model are not known: {error}")
        return None
    artifact = _measure(bench, model, virtual)
    shutil.copyfile(artifact.path(FILE), bench.folder / "model" / FILE)
    return artifact


def _virtual_micrographs(
    bench: Bench, parts: Parts, sampler: Artifact, morphology: Artifact, contrast: Artifact
) -> Generation:
    """New masks, and their 2nd generation as far as the gate lets it through."""
    masks = sample_masks(bench, sampler, n=IMAGES, label="masks of response", slot="response_masks")
    first = generate(bench, morphology, masks, label="first_generation of response")
    second = translate(bench, contrast, first, label="second_generation of response")
    return gate(bench, second, masks, parts, label="gate of response")


def _measure(bench: Bench, model: Artifact, virtual: Generation) -> Artifact:
    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        from emgen.sizes import response

        response.write_response(draft.folder, response.measure_response(_predicted(bench, model, virtual, context)))
        return {}

    return bench.perform(
        Step(
            label="response of the model",
            kind="response",
            slot=SLOT,
            maker=core_maker(1, "emgen.sizes.response", "emgen.multiscale"),
            produce=produce,
            input_keys={"model": model.key, "images": virtual.images.key, "labels": virtual.labels.key},
            inputs=[model, virtual.images.artifact],
        )
    )


def _predicted(
    bench: Bench, model: Artifact, virtual: Generation, context: Context
) -> Iterator[tuple[LabelArray, LabelArray]]:
    from emgen.model import load_model

    loaded = load_model(model.path("model"), host=bench.host, device=bench.device)
    images, labels = virtual.images.open(), virtual.labels.open()
    context.plan(len(images))
    for index in range(len(images)):
        check_stop(context, "stopped while measuring what the model does to sizes")
        found = loaded.segment(np.asarray(images[index], np.float32), factors=(1.0,))
        context.log(index + 1, {})
        yield found.label_HW, np.asarray(labels[index], np.int32)
