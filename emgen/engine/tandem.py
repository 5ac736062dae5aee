"""The tandem, from an unlabelled stack to a segmentation model. What stands in each slot is a plugin.

Each step returns a handle of an artifact on disk, and is taken from the store where that stands already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emgen.artifacts import Artifact, StackRef
from emgen.engine.handles import Generation, Micrographs, Parts, RoughLabels
from emgen.engine.steps_gate import with_fidelity
from emgen.engine.steps_score import Scores

if TYPE_CHECKING:
    from emgen.engine.run import Run


@dataclass(frozen=True)
class VirtualData:
    """What steps 3 to 5 make of the split stack."""

    sampler: Artifact
    morphology: Artifact
    masks: StackRef
    first: Generation
    contrast: Artifact
    second: Generation


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

    made = virtual_data(run, parts)
    training = run.training_set(made.second, parts, micrographs)  # with labelled crops where the spec has some
    model = run.keep(run.train_downstream(training.images, training.labels))
    return Outcome(micrographs, rough, parts, **vars(made), model=model, scores=scored(run, parts, made))


def virtual_data(run: Run, parts: Parts) -> VirtualData:
    """Steps 3 to 5: from subset 1 with rough labels and subset 2 without to both generations."""
    sampler = run.fit_sampler(parts)
    morphology = run.train_morphology(parts, sampler)
    masks = run.sample_masks(sampler)
    first = run.gate(run.generate(morphology, masks), masks, parts, label="gate first_generation")

    contrast = run.train_contrast(first, parts)
    translated = run.translate(contrast, first.images)
    second = run.gate(translated, first.labels, parts, label="gate second_generation")
    return VirtualData(sampler, morphology, masks, first, contrast, second)


def scored(run: Run, parts: Parts, made: VirtualData) -> Scores:
    """Step 7: both generations against real crops, and what the gate found in them."""
    scores = run.score(parts, made.morphology, made.contrast, made.first.images, made.second.images)
    return with_fidelity(scores, first_generation=made.first, second_generation=made.second)
