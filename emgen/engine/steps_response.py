"""What the run's model does to sizes, measured on virtual micrographs that it was not trained on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.artifacts import Artifact
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Generation
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker
from emgen.engine.steps_gate import gate
from emgen.engine.steps_virtual import generate, sample_masks, translate
from emgen.errors import NoParticlesError
from emgen.particles import border_labels
from emgen.sizes.response import FILE
from emgen.stages import Context, LabelArray, Stack

if TYPE_CHECKING:
    from emgen.engine.tandem import Outcome

MOST = 640
"""Virtual micrographs, however few particles they hold."""
_LOOKED_AT = 64
SLOT = "response"


def measure_response(bench: Bench, outcome: Outcome) -> Artifact | None:
    """``response.json`` of a tandem's model, kept in the run's ``model/``.

    ``None`` where the spec wants none, and where no virtual micrograph passes the gate.
    """
    if not bench.spec.virtual.response:
        return None
    try:
        virtual = _virtual_micrographs(bench, outcome)
    except NoParticlesError as error:
        bench.record.note(f"recall and size bias of the model are not known: {error}")
        return None
    artifact = _measure(bench, outcome.model, virtual)
    shutil.copyfile(artifact.path(FILE), bench.folder / "model" / FILE)
    return artifact


def _virtual_micrographs(bench: Bench, outcome: Outcome) -> Generation:
    """New masks, and their 2nd generation as far as the gate lets it through."""
    count = _how_many(outcome.masks.open(), bench.spec.virtual.response)
    masks = sample_masks(bench, outcome.sampler, n=count, label="masks of response", slot="response_masks")
    first = generate(bench, outcome.morphology, masks, label="first_generation of response")
    second = translate(bench, outcome.contrast, first, label="second_generation of response")
    return gate(bench, second, masks, outcome.parts, label="gate of response")


def _how_many(label_NHW: Stack, particles: int) -> int:
    """Masks that hold about so many whole particles, going by those that were trained on."""
    looked = [np.asarray(label_NHW[index]) for index in range(min(len(label_NHW), _LOOKED_AT))]
    whole = sum(len(np.setdiff1d(np.unique(label_HW), [0, *border_labels(label_HW)])) for label_HW in looked)
    return int(np.clip(round(particles * len(looked) / max(whole, 1)), 1, MOST))


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
    from emgen.multiscale import segment_at_best_scale

    loaded = load_model(model.path("model"), host=bench.host, device=bench.device)
    # Not through the tiles of whole micrographs: a crop would be padded to many times its size.
    predict = lambda image_HW: loaded.task.predict(image_HW[None])[0]
    images, labels = virtual.images.open(), virtual.labels.open()
    context.plan(len(images))
    for index in range(len(images)):
        check_stop(context, "stopped while measuring what the model does to sizes")
        image_HW = np.asarray(images[index], np.float32)
        size, least = loaded.working_diameter, loaded.smallest_diameter
        found = segment_at_best_scale(predict, image_HW, size, (1.0,), smallest=least)
        context.log(index + 1, {})
        yield found.label_HW, np.asarray(labels[index], np.int32)
