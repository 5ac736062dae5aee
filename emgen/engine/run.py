"""A run's steps as methods: each takes and gives handles, so that other code can call them with other inputs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emgen.artifacts import Artifact, StackRef
from emgen.data import Window
from emgen.engine import (
    steps_bring,
    steps_data,
    steps_doctor,
    steps_domain,
    steps_evidence,
    steps_gate,
    steps_mix,
    steps_response,
    steps_rounds,
    steps_score,
    steps_split,
    steps_train,
    steps_virtual,
)
from emgen.engine.bench import Bench
from emgen.engine.handles import Generation, Micrographs, Parts, RoughLabels
from emgen.engine.steps_evidence import Evidence
from emgen.engine.steps_score import Scores
from emgen.engine.trials import trial_of_contrast, trial_of_morphology
from emgen.stages import Stack

if TYPE_CHECKING:
    from emgen.engine.tandem import Outcome


class Run:
    """The steps of the tandem on one bench. ``label`` names a step in the manifest when it is called a second time."""

    def __init__(self, bench: Bench, start_from: Artifact | None = None) -> None:
        """``start_from``: the model that the downstream task trains on from, where it can."""
        self.bench = bench
        self.start_from = start_from

    def read(self) -> Micrographs:
        """The stack; what the data doctor finds in it; what a rough segmenter learns from it that learns at all."""
        micrographs = steps_doctor.examined(self.bench, steps_data.read(self.bench))
        steps_data.teach_segmenter(self.bench, micrographs)
        return micrographs

    def segment_roughly(self, micrographs: Micrographs) -> RoughLabels:
        return steps_data.segment_roughly(self.bench, micrographs)

    def split(self, micrographs: Micrographs, rough: RoughLabels) -> Parts:
        parts = steps_split.split(self.bench, micrographs, rough)
        steps_doctor.check_leaks(self.bench, micrographs, parts)
        return parts

    def fit_sampler(self, parts: Parts, *, label: str = "mask_sampler") -> Artifact:
        return steps_train.fit_sampler(self.bench, parts.subset1_labels, label=label)

    def train_morphology(
        self, parts: Parts, sampler: Artifact | None = None, *, label: str = "morphology_gan"
    ) -> Artifact:
        """The states on the way are judged by what they paint on masks of ``sampler``, fitted here unless given."""
        trial = trial_of_morphology(self, parts, sampler, label)
        stacks = parts.subset1_labels, parts.subset1_images
        return steps_train.train_morphology(self.bench, *stacks, trial, label=label)

    def sample_masks(self, sampler: Artifact, n: int | None = None, *, label: str = "masks") -> StackRef:
        return steps_virtual.sample_masks(self.bench, sampler, n=n, label=label)

    def generate(self, morphology: Artifact, labels: StackRef, *, label: str = "first_generation") -> StackRef:
        return steps_virtual.generate(self.bench, morphology, labels, label=label)

    def gate(self, images: StackRef, labels: StackRef, parts: Parts, *, label: str) -> Generation:
        """What of a generation may be trained on: images that show their labels' particles, and their labels."""
        return steps_gate.gate(self.bench, images, labels, parts, label=label)

    def train_contrast(self, first: Generation, parts: Parts, *, label: str = "contrast_gan") -> Artifact:
        trial = trial_of_contrast(self.bench, first, parts)
        return steps_train.train_contrast(self.bench, first.images, parts.subset2_images, trial, label=label)

    def translate(self, contrast: Artifact, images: StackRef, *, label: str = "second_generation") -> StackRef:
        return steps_virtual.translate(self.bench, contrast, images, label=label)

    def train_downstream(
        self, images: StackRef, labels: StackRef, *, label: str = "downstream_task", snapshots: int = 0
    ) -> Artifact:
        """``snapshots``: so many states on the way are kept as model folders ``snapshots/<step>`` of the artifact."""
        how: dict[str, Any] = {"snapshots": snapshots, "start_from": self.start_from}
        return steps_train.train_downstream(self.bench, images, labels, label=label, **how)

    def training_set(
        self,
        second: Generation,
        parts: Parts,
        micrographs: Micrographs,
        windows: Sequence[Window] | None = None,
        *,
        label: str = "training_set",
    ) -> Generation:
        """What the downstream task is trained on: the 2nd generation, and crops of labelled micrographs if any.

        ``windows``: the parts of these that may be used, by default all.
        """
        return steps_mix.training_set(self.bench, second, parts, micrographs, windows, label=label)

    def segment_stack(self, micrographs: Micrographs, parts: Parts, model: Artifact) -> RoughLabels:
        """Every micrograph segmented by a model of this run."""
        return steps_rounds.segment_stack(self.bench, micrographs, parts, model)

    def relabel(self, micrographs: Micrographs, parts: Parts, rough: RoughLabels) -> Parts:
        """The same crops as in ``parts``, with other labels."""
        return steps_rounds.relabel(self.bench, micrographs, parts, rough)

    def gather_evidence(
        self, micrographs: Micrographs, parts: Parts, masks: RoughLabels, *, label: str = "evidence"
    ) -> Evidence:
        """What real micrographs say of masks, without a label."""
        return steps_evidence.gather(self.bench, micrographs, parts, masks, label=label)

    def bring(self, images: Stack, labels: Stack, scale: Mapping[str, Any], *, label: str) -> tuple[StackRef, StackRef]:
        """Images and labels from elsewhere (exact truth, hand labels) as an artifact, known by their contents."""
        return steps_bring.bring(self.bench, images, labels, scale, label=label)

    def keep(self, model: Artifact) -> Artifact:
        """Makes this model the run's own: a copy in ``model/``, there as soon as it is trained."""
        target = self.bench.folder / "model"
        fresh = self.bench.folder / "model.partial"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(model.path("model"), fresh)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
        return model

    def measure_response(self, outcome: Outcome) -> Artifact | None:
        """What the model does to sizes, by virtual micrographs that it was not trained on."""
        return steps_response.measure_response(self.bench, outcome)

    def describe_domain(self, outcome: Outcome) -> Artifact | None:
        """What the micrographs look like to the model, by which it knows one that is not of their kind."""
        return steps_domain.describe_domain(self.bench, outcome)

    def score(
        self, parts: Parts, morphology: Artifact, contrast: Artifact, first: StackRef, second: StackRef
    ) -> Scores:
        return steps_score.score(self.bench, parts, morphology, contrast, first, second)
