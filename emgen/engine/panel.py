"""Who judges the states of a GAN's training, and on what: judges set up for one step of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.artifacts import Artifact, StackRef
from emgen.engine.bench import Bench, Chosen
from emgen.engine.features import FeatureMemo
from emgen.engine.judges import Judge, MetricJudge, SizeJudge, cut_apart, side_by_side
from emgen.engine.judges_fidelity import Check, ContrastJudge, FidelityJudge
from emgen.engine.pieces import checked
from emgen.engine.recipe import core_maker
from emgen.errors import NoImagesError, NoParticlesError
from emgen.registration import MetricPlugin
from emgen.selection import Criterion
from emgen.stages import Context, FloatArray, LabelArray, MetricContext

REAL_PER_PROBE = 2
CODE = (
    "emgen.fidelity",
    "emgen.selection",
    "emgen.engine.judges",
    "emgen.engine.judges_fidelity",
    "emgen.engine.panel",
    "emgen.engine.referee",
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What every state is tried on.

    Attributes
    ----------
    probes: what the stage makes images from: masks, or images of the 1st generation.
    labels: the instances that those images should show.
    real: crops that they should look like.
    rough_images, rough_labels: crops with their rough instances, whose particles are as strong as theirs should be.
    """

    probes: StackRef
    labels: StackRef
    real: StackRef
    rough_images: StackRef
    rough_labels: StackRef

    @property
    def keys(self) -> dict[str, str]:
        return {f"checkpoint {each.name}": getattr(self, each.name).key for each in fields(self)}

    @property
    def artifacts(self) -> list[Artifact]:
        return [getattr(self, each.name).artifact for each in fields(self)]


@dataclass(frozen=True)
class Panel:
    """The judges of one step. Made when the first state comes, so that a stage that offers none costs nothing."""

    bench: Bench
    trial: Trial
    seed: int

    @cached_property
    def probes_NHW(self) -> NDArray[Any]:
        return spread(self.trial.probes, self.bench.spec.checkpoints.probes)

    @cached_property
    def labels_NHW(self) -> LabelArray:
        labels: LabelArray = spread(self.trial.labels, self.bench.spec.checkpoints.probes).astype(np.int32)
        return labels

    @cached_property
    def real_MHW(self) -> FloatArray:
        real: FloatArray = spread(self.trial.real, REAL_PER_PROBE * self.bench.spec.checkpoints.probes)
        return real

    @cached_property
    def judges(self) -> list[Judge]:
        return self._set_up[0]

    @property
    def notes(self) -> list[str]:
        """Which criteria are left out, and why."""
        return self._set_up[1]

    @cached_property
    def _set_up(self) -> tuple[list[Judge], list[str]]:
        memo = FeatureMemo(self.bench.device)
        judges: list[Judge] = [self._metric(chosen, memo) for chosen in ranking_metrics(self.bench)]
        notes: list[str] = []
        check = Check(self.labels_NHW, self.bench.polarity)
        try:
            judges.append(ContrastJudge(check, *self._rough_pairs()))
        except NoImagesError as error:
            notes.append(f"contrast is left out: {error}")
        judges.append(FidelityJudge(check))
        if self.bench.spec.checkpoints.sizes:
            try:
                judges.append(SizeJudge(self._segmenter(), self.real_MHW))
            except (NoImagesError, NoParticlesError) as error:
                notes.append(f"sizes are left out: {error}")
        return judges, notes

    def _metric(self, chosen: Chosen, memo: FeatureMemo) -> Judge:
        plugin = chosen.plugin
        assert isinstance(plugin, MetricPlugin)
        assert plugin.headline
        assert plugin.better
        context = MetricContext(seed=self.seed, device=self.bench.device)
        metric = chosen.registered.create(chosen.config, context)
        criterion = Criterion(plugin.name, plugin.headline, plugin.better)
        return MetricJudge(criterion, metric, plugin.headline, self.real_MHW, context, memo.of(metric))

    def _rough_pairs(self) -> tuple[FloatArray, LabelArray]:
        count = REAL_PER_PROBE * self.bench.spec.checkpoints.probes
        labels: LabelArray = spread(self.trial.rough_labels, count).astype(np.int32)
        return spread(self.trial.rough_images, count), labels

    def _segmenter(self) -> Any:
        """(N, H, W) crops -> (N, H, W) instances, by the run's rough segmenter on all crops as one micrograph."""
        context = Context(seed=self.seed, device=self.bench.device, polarity=self.bench.polarity)
        stage = self.bench.rough_segmenter(context)

        def segment(image_NHW: FloatArray) -> LabelArray:
            sheet_HW = side_by_side(image_NHW)
            label_NHW = checked(stage.segment(sheet_HW[None]), (1, *sheet_HW.shape), np.int32)
            n, h, w = image_NHW.shape
            apart: LabelArray = cut_apart(label_NHW[0], n, (h, w))
            return apart

        return segment


def ranking_metrics(bench: Bench) -> list[Chosen]:
    return [bench.of_slot_value("metric", value) for value in bench.spec.checkpoints.by]


def panel_settings(bench: Bench) -> Mapping[str, Any]:
    """What of the judging decides which state is kept; part of the key."""
    spec = bench.spec.checkpoints
    who = [*ranking_metrics(bench), *([bench.chosen("rough_segmenter")] if spec.sizes else [])]
    return {
        **spec.model_dump(mode="json", exclude={"by"}),
        "judges": [{"maker": asdict(chosen.maker), "config": chosen.key_settings} for chosen in who],
        "code": asdict(core_maker(1, *CODE)),
    }


def spread(stack: StackRef, count: int) -> NDArray[Any]:
    """Up to ``count`` images of a stack, spread evenly over it."""
    opened = stack.open()
    index = np.unique(np.linspace(0, len(opened) - 1, min(count, len(opened))).round().astype(int))
    return np.stack([opened[int(i)] for i in index])
