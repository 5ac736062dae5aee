"""Train a stage on stacks and keep it: the sampler, the two GANs, the downstream task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from emgen.artifacts import Artifact, StackRef
from emgen.engine.bench import Bench, Chosen, Step
from emgen.engine.cache import Draft
from emgen.engine.snapshots import Save, keep_snapshot
from emgen.errors import ModelError, NoImagesError
from emgen.registration import Kind
from emgen.stages import Context


def fit_sampler(bench: Bench, labels: StackRef, *, label: str) -> Artifact:
    """Step 4: learn what particles look like from rough instances."""
    return _train(bench, "mask_sampler", "fit_sampler", {"labels": labels}, label)


def train_morphology(bench: Bench, labels: StackRef, images: StackRef, *, label: str) -> Artifact:
    """Step 3: mask -> image, from pairs."""
    return _train(bench, "morphology_gan", "train_morphology", {"labels": labels, "images": images}, label)


def train_contrast(bench: Bench, source: StackRef, target: StackRef, *, label: str) -> Artifact:
    """Step 5: 1st generation -> real, unpaired."""
    return _train(bench, "contrast_gan", "train_contrast", {"source": source, "target": target}, label)


def train_downstream(bench: Bench, images: StackRef, labels: StackRef, *, label: str, snapshots: int = 0) -> Artifact:
    """Step 6: the model the user keeps. The seed is the step's, whatever it is trained on, so that data compare.

    ``snapshots``: so many evenly spaced states of the training are kept beside it, as model folders
    ``snapshots/<step>``, for curves by step.
    """
    stacks = {"images": images, "labels": labels}
    return _train(bench, "downstream_task", "train_downstream", stacks, label, snapshots)


def _train(
    bench: Bench, slot: Kind, seed_name: str, stacks: Mapping[str, StackRef], label: str, snapshots: int = 0
) -> Artifact:
    """The stage fitted on the stacks, in the order in which its ``fit`` takes them."""
    chosen = bench.chosen(slot)
    inputs = _artifacts(stacks)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        opened = [ref.open() for ref in stacks.values()]
        _refuse_empty(stacks, [len(stack) for stack in opened])
        stage = bench.stage(chosen, context)

        def keep(step: int, save: Save) -> bool:
            task = SimpleNamespace(save=save)  # what `save_model` takes: something that saves itself
            keep_snapshot(draft, step, lambda folder: _save_model(bench, draft, task, chosen, inputs, folder))
            return False

        if snapshots:
            context = replace(context, snapshots=snapshots, snapshot=keep)
        stage.fit(*opened) if slot == "mask_sampler" else stage.fit(*opened, context)
        folder = draft.empty("model")
        if slot == "downstream_task":
            _save_model(bench, draft, stage, chosen, inputs, folder)
        else:
            stage.save(folder)
        return {}

    fields = bench.with_plugin(chosen)
    if slot == "downstream_task":
        fields["settings"] = {**fields["settings"], "modality": bench.spec.modality}
    if snapshots:
        fields["settings"] = {**fields["settings"], "snapshots": snapshots}
    return bench.perform(
        Step(
            label=label,
            kind="model",
            slot=slot,
            produce=produce,
            input_keys={name: ref.key for name, ref in stacks.items()},
            inputs=inputs,
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


def _save_model(bench: Bench, draft: Draft, stage: Any, chosen: Chosen, inputs: list[Artifact], folder: Path) -> None:
    """A model folder whose bytes depend on the recipe alone: no date, no path, no device of this run."""
    from emgen.model import save_model

    facts = {name: value for artifact in inputs for name, value in artifact.facts.items()}
    if "working_diameter" not in facts:
        raise ModelError("the training data do not say how large their particles are (fact working_diameter)")
    finder = bench.chosen("rough_segmenter")
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
        working_diameter=float(facts["working_diameter"]),
        scale=scale if facts.get("factors") else None,
        provenance={
            "key": draft.recipe.key,
            "recipe": draft.recipe.document,
            "micrographs": facts.get("micrographs"),
            "simulated": chosen.simulated or any(artifact.simulated for artifact in inputs),
        },
    )
