"""Train a stage on stacks and keep it: the sampler, the two GANs, the downstream task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from emgen.artifacts import Artifact, StackRef
from emgen.engine.bench import Bench, Chosen, Produce, Step
from emgen.engine.cache import Draft
from emgen.engine.panel import Panel, Trial, panel_settings, ranking_metrics
from emgen.engine.referee import Referee
from emgen.engine.snapshots import Save, keep_snapshot
from emgen.errors import ModelError, NoImagesError
from emgen.registration import Kind
from emgen.stages import Context, Stack

SMALLER = 0.02
"""Share of the particles of the training labels that lie below the smallest that a model reports."""
AT_MOST = 0.5
"""Working diameters that the smallest particle measures at most: rough masks may hold none but large ones."""
ENOUGH = 50
"""Particles from which on such a quantile means something."""


def fit_sampler(bench: Bench, labels: StackRef, *, label: str) -> Artifact:
    """Step 4: learn what particles look like from rough instances."""
    stacks = {"labels": labels}

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        _fitted(bench, bench.chosen("mask_sampler"), stacks, context).save(draft.empty("model"))
        return {}

    return _perform(bench, "mask_sampler", "fit_sampler", stacks, label, produce)


def train_morphology(bench: Bench, labels: StackRef, images: StackRef, trial: Trial | None, *, label: str) -> Artifact:
    """Step 3: mask -> image, from pairs. ``trial``: what states on the way are judged by; ``None`` keeps the last."""
    stacks = {"labels": labels, "images": images}
    return _train_gan(bench, "morphology_gan", "train_morphology", stacks, label, trial, "generate")


def train_contrast(bench: Bench, source: StackRef, target: StackRef, trial: Trial | None, *, label: str) -> Artifact:
    """Step 5: 1st generation -> real, unpaired. ``trial`` as for the morphology GAN."""
    stacks = {"source": source, "target": target}
    return _train_gan(bench, "contrast_gan", "train_contrast", stacks, label, trial, "translate")


def train_downstream(
    bench: Bench,
    images: StackRef,
    labels: StackRef,
    *,
    label: str,
    snapshots: int = 0,
    start_from: Artifact | None = None,
) -> Artifact:
    """Step 6: the model the user keeps. The seed is the step's, whatever it is trained on, so that data compare.

    ``snapshots``: so many evenly spaced states of the training are kept beside it, as model folders
    ``snapshots/<step>``, for curves by step. ``start_from``: a model of the same task to train on from, where the task
    can.
    """
    chosen = bench.chosen("downstream_task")
    stacks = {"images": images, "labels": labels}
    inputs = _artifacts(stacks)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        smallest = smallest_diameter(labels.open(), _working_diameter(inputs))

        def write(stage: Any, folder: Path) -> None:
            _save_model(bench, draft, stage, chosen, inputs, folder, smallest)

        def keep(step: int, save: Save) -> bool:
            task = SimpleNamespace(save=save)  # what `save_model` takes: something that saves itself
            keep_snapshot(draft.folder, step, lambda folder: write(task, folder))
            return False

        earlier = start_from.path("model") if start_from else None
        stage = _fitted(bench, chosen, stacks, replace(context, snapshots=snapshots, snapshot=keep, start_from=earlier))
        write(stage, draft.empty("model"))
        return {}

    extra: dict[str, Any] = {"modality": bench.spec.modality, "smaller": [SMALLER, AT_MOST]}
    extra |= {"snapshots": snapshots} if snapshots else {}
    return _perform(bench, "downstream_task", "train_downstream", stacks, label, produce, extra, earlier=start_from)


def _train_gan(
    bench: Bench,
    slot: Kind,
    seed_name: str,
    stacks: Mapping[str, StackRef],
    label: str,
    trial: Trial | None,
    apply: str,
) -> Artifact:
    """``apply``: the method that makes images from the trial's probes."""
    chosen = bench.chosen(slot)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        referee = trial and _referee(bench, draft, context, chosen, trial, apply)
        watched = replace(context, snapshots=referee.spec.candidates, snapshot=referee.judge) if referee else context
        stage = _fitted(bench, chosen, stacks, watched)
        folder = draft.empty("model")
        if not (referee and referee.settle(folder)):
            stage.save(folder)
        return {}

    return _perform(bench, slot, seed_name, stacks, label, produce, trial=trial)


def _referee(bench: Bench, draft: Draft, context: Context, chosen: Chosen, trial: Trial, apply: str) -> Referee:
    panel = Panel(bench, trial, context.seed)
    alone = Context(seed=context.seed, device=context.device, precision=context.precision, polarity=context.polarity)

    def make(folder: Path, rng: np.random.Generator) -> Any:
        stage = bench.stage(chosen, alone)
        stage.load(folder)
        return getattr(stage, apply)(panel.probes_NHW, rng)

    return Referee(draft, bench.spec.checkpoints, panel, make)


def _fitted(bench: Bench, chosen: Chosen, stacks: Mapping[str, StackRef], context: Context) -> Any:
    """The stage fitted on the stacks, in the order in which its ``fit`` takes them."""
    _refuse_empty(stacks, [len(ref) for ref in stacks.values()])
    if chosen.registered.kind != "mask_sampler":
        return bench.crew.fit(chosen, list(stacks.values()), context)
    sampler = bench.stage(chosen, context)
    sampler.fit(*[ref.open() for ref in stacks.values()])
    return sampler


def _perform(
    bench: Bench,
    slot: Kind,
    seed_name: str,
    stacks: Mapping[str, StackRef],
    label: str,
    produce: Produce,
    settings: Mapping[str, Any] | None = None,
    trial: Trial | None = None,
    earlier: Artifact | None = None,
) -> Artifact:
    fields = bench.with_plugin(bench.chosen(slot))
    fields["settings"] = {**fields["settings"], **(settings or {})}
    if trial:
        fields["settings"]["checkpoints"] = panel_settings(bench)
        fields["simulated"] |= any(chosen.simulated for chosen in ranking_metrics(bench))
    return bench.perform(
        Step(
            label=label,
            kind="model",
            slot=slot,
            produce=produce,
            input_keys={name: ref.key for name, ref in stacks.items()}
            | (trial.keys if trial else {})
            | ({"start_from": earlier.key} if earlier else {}),
            inputs=[*([earlier] if earlier else []), *_artifacts(stacks), *(trial.artifacts if trial else [])],
            seed_name=seed_name,
            **fields,
        )
    )


def _artifacts(stacks: Mapping[str, StackRef]) -> list[Artifact]:
    return list({ref.artifact.key: ref.artifact for ref in stacks.values()}.values())


def _refuse_empty(stacks: Mapping[str, StackRef], counts: list[int]) -> None:
    for (name, ref), count in zip(stacks.items(), counts, strict=True):
        if not count:
            raise NoImagesError(f"{name} ({ref.artifact.folder.name}/{ref.name}) holds no image; give more micrographs")


def smallest_diameter(label_NHW: Stack, working_diameter: float) -> float | None:
    """Equivalent diameter in px below which a share ``SMALLER`` of the whole particles of (N, H, W) labels lie, but at
    most ``AT_MOST`` working diameters. ``None`` where there are too few to say.
    """
    from emgen.particles import border_labels, equivalent_diameters

    found: list[float] = []
    for index in range(len(label_NHW)):
        label_HW = np.asarray(label_NHW[index])
        whole = np.setdiff1d(np.unique(label_HW), [0, *border_labels(label_HW)])
        found += equivalent_diameters(np.where(np.isin(label_HW, whole), label_HW, 0)).tolist()
    if len(found) < ENOUGH:
        return None
    return min(float(np.quantile(found, SMALLER)), AT_MOST * working_diameter)


def _facts(inputs: list[Artifact]) -> dict[str, Any]:
    return {name: value for artifact in inputs for name, value in artifact.facts.items()}


def _working_diameter(inputs: list[Artifact]) -> float:
    facts = _facts(inputs)
    if "working_diameter" not in facts:
        raise ModelError("the training data do not say how large their particles are (fact working_diameter)")
    return float(facts["working_diameter"])


def _save_model(
    bench: Bench,
    draft: Draft,
    stage: Any,
    chosen: Chosen,
    inputs: list[Artifact],
    folder: Path,
    smallest: float | None,
) -> None:
    """A model folder whose bytes depend on the recipe alone: no date, no path, no device of this run."""
    from emgen.model import save_model

    facts = _facts(inputs)
    finder, reader = bench.chosen("rough_segmenter"), bench.spec.data.reader
    scale = {
        "segmenter": finder.plugin.name,
        "config": finder.config.model_dump(mode="json"),
        "factors": facts.get("factors"),
    }
    save_model(
        folder,
        stage,
        task_name=chosen.plugin.name,
        config=chosen.config.model_dump(mode="json"),
        modality=bench.spec.modality,
        polarity=bench.polarity,
        working_diameter=_working_diameter(inputs),
        scale=scale if facts.get("factors") else None,
        smallest_diameter=smallest,
        finder=bench.taught.path("model") if bench.taught else None,
        reader=reader.model_dump(mode="json") if reader else None,
        provenance={
            "key": draft.recipe.key,
            "recipe": draft.recipe.document,
            "micrographs": facts.get("micrographs"),
            "simulated": chosen.simulated or any(artifact.simulated for artifact in inputs),
        },
    )
