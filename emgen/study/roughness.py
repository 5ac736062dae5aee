"""Rough masks of a study: exact truth made worse in steps, and how good any rough masks are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from emgen.artifacts import create_stack, write_json
from emgen.data import SplitPlan
from emgen.engine.bench import Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs, Parts, RoughLabels
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker
from emgen.engine.run import Run
from emgen.stages import Context
from emgen.study.degrade import degrade
from emgen.study.evaluation import SCORED_BY, SCORES
from emgen.study.labels import LabelOf
from emgen.study.persons import digest_of
from emgen.study.scoring import score_labels, scorers_of


def degraded_truth(run: Run, micrographs: Micrographs, truth: LabelOf, step: int) -> RoughLabels:
    """Exact instances as a segmenter of this quality would find them: 0 exact, 4 the worst."""

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        for index in range(draft.done(), len(micrographs)):
            check_stop(context, f"stopped at micrograph {index} of {len(micrographs)}")
            rng = np.random.default_rng([context.seed, index])
            label_HW = degrade(truth(index), micrographs.images[index].image_HW, step, rng)
            create_stack(draft.folder / f"labels/{index:05d}", (1, *label_HW.shape), np.int32)[0:1] = label_HW[None]
            draft.mark_done(index + 1)
        return {}

    artifact = run.bench.perform(
        Step(
            label="rough_segmenter",
            kind="labels",
            slot="degraded",
            maker=core_maker(1, "emgen.particles", "emgen.study.agreement", "emgen.study.degrade", "emgen.study.scene"),
            settings={"step": step},
            input_keys={"micrographs": micrographs.artifact.key, "truth": digest_of(truth, len(micrographs))},
            inputs=[micrographs.artifact],
            seed_name="degrade",
            produce=produce,
        )
    )
    return RoughLabels(artifact)


def rough_quality(
    run: Run, micrographs: Micrographs, parts: Parts, rough: RoughLabels, truth: LabelOf
) -> dict[str, float]:
    """Scores of the rough masks that GAN and sampler learn from: those of the micrographs of subset 1."""
    indices = sorted({window.index for window in SplitPlan.from_dict(parts.plan).subset1})
    scorers = scorers_of(run.bench.host)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        found, true = [rough[index] for index in indices], [truth(index) for index in indices]
        names: Sequence[str] = [micrographs.names[index] for index in indices]
        write_json(draft.folder / SCORES, score_labels(found, true, scorers, names))
        return {}

    artifact = run.bench.perform(
        Step(
            label="quality of rough masks",
            kind="scores",
            slot="evaluation",
            maker=core_maker(1, *SCORED_BY),
            settings={"scorers": {name: asdict(scorer.maker) for name, scorer in scorers.items()}, "indices": indices},
            input_keys={"rough": rough.artifact.key, "truth": digest_of(truth, len(micrographs))},
            inputs=[rough.artifact],
            produce=produce,
        )
    )
    values: dict[str, float] = artifact.read(SCORES)["values"]
    return values
