"""Between two rounds: the model of one segments the stack, and its masks take the place of the rough ones.

The windows of the split and the scale of each micrograph stay those of round 1, so that what was held out stays held
out, and the crops of all rounds are the same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emgen.artifacts import Artifact, create_stack, write_json
from emgen.data import SplitPlan
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs, Parts, RoughLabels
from emgen.engine.pieces import check_stop, count_particles
from emgen.engine.recipe import core_maker
from emgen.engine.scale import Scale
from emgen.engine.steps_split import cut_all, data_settings
from emgen.stages import Context

LABELS = "model_masks"


def segment_stack(bench: Bench, micrographs: Micrographs, parts: Parts, model: Artifact) -> RoughLabels:
    """Instances of every micrograph at its native size, by a model of this run, at the factors of its training.

    Each micrograph is kept as soon as it is done.
    """
    factors = [float(factor) for factor in parts.plan["scale"]["factors"]]

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        from emgen.model import load_model

        loaded = load_model(model.path("model"), host=bench.host, device=bench.device)
        context.plan(len(micrographs))
        for index in range(draft.done(), len(micrographs)):
            check_stop(context, f"stopped at micrograph {index} of {len(micrographs)}")
            label_HW = loaded.segment(micrographs.images[index].image_HW, (factors[index],)).label_HW
            create_stack(draft.folder / f"labels/{index:05d}", (1, *label_HW.shape), np.int32)[0:1] = label_HW[None]
            draft.mark_done(index + 1)
            context.log(index + 1, {"particles": float(count_particles(label_HW))})
        return {}

    return RoughLabels(
        bench.perform(
            Step(
                label=LABELS,
                kind="labels",
                slot=LABELS,
                maker=core_maker(1, "emgen.data", "emgen.particles", "emgen.model", "emgen.multiscale"),
                settings={"factors": factors},
                input_keys={"micrographs": micrographs.artifact.key, "model": model.key},
                inputs=[micrographs.artifact, model],
                produce=produce,
            )
        )
    )


def relabel(bench: Bench, micrographs: Micrographs, parts: Parts, rough: RoughLabels) -> Parts:
    """The crops of ``parts``, pixel by pixel, with other labels. Raises ``NoParticlesError`` where these are empty."""
    plan, scale = SplitPlan.from_dict(parts.plan), scale_of(parts)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        sources = cut_all(draft, context, micrographs, rough, plan, scale, bench)
        counts = {subset: len(indices) for subset, indices in sources.items()}
        write_json(draft.folder / "split.json", {**parts.plan, "crops": counts, "sources": sources})
        return {name: parts.artifact.facts[name] for name in ("working_diameter", "factors")}

    artifact = bench.perform(
        Step(
            label="split",
            kind="crops",
            slot="split",
            maker=core_maker(1, "emgen.data", "emgen.engine.steps_split", "emgen.engine.steps_rounds"),
            config={"data": data_settings(bench)},
            input_keys={
                "split": parts.artifact.key,
                "micrographs": micrographs.artifact.key,
                "rough": rough.artifact.key,
            },
            inputs=[micrographs.artifact, rough.artifact, parts.artifact],
            seed_name="split",  # the seed of round 1: its random choice of crops is made again
            produce=produce,
        )
    )
    return Parts(artifact)


def scale_of(parts: Parts) -> Scale:
    scale = parts.plan["scale"]
    return Scale(
        counts=tuple(scale["counts"]),
        diameters=tuple(scale["diameters"]),
        factors=tuple(scale["factors"]),
        working_diameter=float(scale["working_diameter"]),
    )
