"""The tandem, from an unlabelled stack to a segmentation model. What stands in each slot is a plugin.

Each step returns a handle of an artifact on disk, and is taken from the store where that stands already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emgen.artifacts import Artifact, StackRef
from emgen.engine.handles import Generation, Micrographs, Parts, RoughLabels
from emgen.engine.steps_score import Scores

if TYPE_CHECKING:
    from emgen.engine.run import Run


@dataclass(frozen=True)
class Outcome:
    """The handles of one tandem."""

    micrographs: Micrographs
    rough: RoughLabels
    parts: Parts
    sampler: Artifact
    morphology: Artifact
    masks: StackRef
    first: Generation
    contrast: Artifact
    second: Generation
    model: Artifact
    scores: Scores


def tandem(run: Run) -> Outcome:
    """Steps as in the paper: 1 split, 2 rough masks, 3 and 4 morphology, 5 contrast, 6 downstream task, 7 scores."""
    micrographs = run.read()
    rough = run.segment_roughly(micrographs)
    parts = run.split(micrographs, rough)  # subset 1 with rough labels, subset 2 without, a held-out part

    sampler = run.fit_sampler(parts)
    morphology = run.train_morphology(parts)
    masks = run.sample_masks(sampler)
    first = run.gate(run.generate(morphology, masks), masks, parts, label="gate first_generation")

    contrast = run.train_contrast(first, parts)
    translated = run.translate(contrast, first.images)
    second = run.gate(translated, first.labels, parts, label="gate second_generation")

    model = run.keep(run.train_downstream(second.images, second.labels))
    scores = run.score(parts, morphology, contrast, first.images, second.images)
    return Outcome(micrographs, rough, parts, sampler, morphology, masks, first, contrast, second, model, scores)
