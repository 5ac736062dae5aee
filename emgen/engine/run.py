"""A run's steps as methods: each takes and gives handles, so that other code can call them with other inputs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from emgen.artifacts import Artifact, StackRef
from emgen.engine import steps_bring, steps_data, steps_gate, steps_score, steps_split, steps_train, steps_virtual
from emgen.engine.bench import Bench
from emgen.engine.handles import Generation, Micrographs, Parts, RoughLabels
from emgen.engine.steps_score import Scores
from emgen.stages import Stack


class Run:
    """The steps of the tandem on one bench. ``label`` names a step in the manifest when it is called a second time."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def read(self) -> Micrographs:
        return steps_data.read(self.bench)

    def segment_roughly(self, micrographs: Micrographs) -> RoughLabels:
        return steps_data.segment_roughly(self.bench, micrographs)

    def split(self, micrographs: Micrographs, rough: RoughLabels) -> Parts:
        return steps_split.split(self.bench, micrographs, rough)

    def fit_sampler(self, parts: Parts, *, label: str = "mask_sampler") -> Artifact:
        return steps_train.fit_sampler(self.bench, parts.subset1_labels, label=label)

    def train_morphology(self, parts: Parts, *, label: str = "morphology_gan") -> Artifact:
        return steps_train.train_morphology(self.bench, parts.subset1_labels, parts.subset1_images, label=label)

    def sample_masks(self, sampler: Artifact, n: int | None = None, *, label: str = "masks") -> StackRef:
        return steps_virtual.sample_masks(self.bench, sampler, n=n, label=label)

    def generate(self, morphology: Artifact, labels: StackRef, *, label: str = "first_generation") -> StackRef:
        return steps_virtual.generate(self.bench, morphology, labels, label=label)

    def gate(self, images: StackRef, labels: StackRef, parts: Parts, *, label: str) -> Generation:
        """What of a generation may be trained on: images that show their labels' particles, and their labels."""
        return steps_gate.gate(self.bench, images, labels, parts, label=label)

    def train_contrast(self, first: Generation, parts: Parts, *, label: str = "contrast_gan") -> Artifact:
        return steps_train.train_contrast(self.bench, first.images, parts.subset2_images, label=label)

    def translate(self, contrast: Artifact, images: StackRef, *, label: str = "second_generation") -> StackRef:
        return steps_virtual.translate(self.bench, contrast, images, label=label)

    def train_downstream(
        self, images: StackRef, labels: StackRef, *, label: str = "downstream_task", snapshots: int = 0
    ) -> Artifact:
        """``snapshots``: so many states on the way are kept as model folders ``snapshots/<step>`` of the artifact."""
        return steps_train.train_downstream(self.bench, images, labels, label=label, snapshots=snapshots)

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

    def score(
        self, parts: Parts, morphology: Artifact, contrast: Artifact, first: StackRef, second: StackRef
    ) -> Scores:
        return steps_score.score(self.bench, parts, morphology, contrast, first, second)
