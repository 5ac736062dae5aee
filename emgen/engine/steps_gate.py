"""The gate after each GAN stage: only images that show what their labels say go on.

The check is ``emgen.fidelity``. Images are measured piece by piece, so that a kill loses little; what the numbers mean
is settled over the whole stack, as the stack's own background and particles set the thresholds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.artifacts import Artifact, StackRef, create_stack, write_json
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Generation, Parts
from emgen.engine.pieces import BATCH, check_stop
from emgen.engine.recipe import core_maker
from emgen.engine.steps_score import Scores
from emgen.errors import NoParticlesError
from emgen.stages import Context, Stack

if TYPE_CHECKING:
    from emgen.fidelity import Judged, Measured, Sifted, Sizes

REAL_CROPS = 64
"""Real crops that are checked against their rough masks, to compare with: enough for a rate within some per cent."""
REAL = "fidelity of rough masks"
"""Label of that step."""
LEAST_SOUND = 0.1
"""Share of sound particles below which a generation is refused: bare background gives nearly as many by chance."""
SUMMARY, DETAILS = "fidelity.json", "fidelity.jsonl"


def gate(bench: Bench, images: StackRef, labels: StackRef, parts: Parts, *, label: str) -> Generation:
    """(N, H, W) images and their instances -> those that may be trained on, with their labels.

    Raises ``NoParticlesError`` when no image shows any particle of its label.
    """
    if bench.spec.gate.mode == "off":
        return Generation(images, labels)
    if REAL not in bench.record.steps and len(parts.subset1_images):
        _check_real(bench, parts)
    artifact = _perform(bench, images, labels, label, bench.spec.gate.mode)
    scores = _on_record(bench, artifact, label)
    if bench.spec.gate.mode == "report":
        return Generation(images, labels, scores)
    return Generation(artifact.stack("image"), artifact.stack("label"), scores)


def _on_record(bench: Bench, artifact: Artifact, label: str) -> Mapping[str, float]:
    """The rates, in the run's manifest too; what is alarming is told."""
    summary = artifact.read(SUMMARY)
    bench.record.update({"fidelity": {**bench.record.facts.get("fidelity", {}), label: summary["scores"]}})
    for text in summary["notes"]:
        bench.record.note(f"{label}: {text}")
        bench.progress.note(f"{label}: {text}")
    scores: Mapping[str, float] = summary["scores"]
    return scores


def with_fidelity(scores: Scores, **generations: Generation) -> Scores:
    """The scores, and beside those of each generation what its gate found."""
    checked = {name: generation.fidelity for name, generation in generations.items() if generation.fidelity}
    merged: Scores = {name: dict(scores.get(name, {})) for name in dict.fromkeys([*scores, *checked])}
    for name, fidelity in checked.items():
        merged[name]["label-fidelity"] = {score: fidelity[score] for score in ("pass_rate", "quarantined")}
    return merged


def _check_real(bench: Bench, parts: Parts) -> None:
    """The same check of real crops and their rough masks: what rate to expect where masks are only roughly right."""
    artifact = _perform(bench, parts.subset1_images, parts.subset1_labels, REAL, "report", most=REAL_CROPS)
    _on_record(bench, artifact, REAL)


def _perform(
    bench: Bench, images: StackRef, labels: StackRef, label: str, mode: str, most: int | None = None
) -> Artifact:
    settings = bench.spec.gate.model_dump(mode="json") | {"mode": mode}

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        image_NHW, label_NHW = images.open(), labels.open()
        indices = _spread(len(image_NHW), most)
        stack = _measured(draft, context, image_NHW, label_NHW, indices)
        _write(draft, image_NHW, label_NHW, indices, stack, settings)
        return {}

    return bench.perform(
        Step(
            label=label,
            kind="crops",
            slot="gate",
            maker=core_maker(1, "emgen.fidelity", "emgen.engine.steps_gate"),
            config=settings,
            full_config=settings,
            settings={"polarity": bench.polarity, "most": most},
            input_keys={"images": images.key, "labels": labels.key},
            inputs=list({ref.artifact.key: ref.artifact for ref in (images, labels)}.values()),
            seed_name="gate",
            produce=produce,
        )
    )


def _spread(count: int, most: int | None) -> list[int]:
    """All, or ``most`` of them spread evenly."""
    if most is None or count <= most:
        return list(range(count))
    return [int(index) for index in np.linspace(0, count - 1, most).round()]


def _measured(draft: Draft, context: Context, images: Stack, labels: Stack, indices: Sequence[int]) -> list[Measured]:
    """Each piece is kept in the scratch folder as soon as it is measured."""
    from emgen.fidelity import sizes_of
    from emgen.fidelity.check import areas_of

    sizes = sizes_of(areas_of(labels))
    if sizes is None:
        raise NoParticlesError("the labels hold no particle, so that nothing can be checked; look at the mask sampler")
    context.plan(len(indices))
    found: list[Measured] = []
    for start in range(0, len(indices), BATCH):
        check_stop(context, f"stopped at {start} of {len(indices)}")
        found += _piece(
            draft.scratch / f"{start:06d}.npz", context, images, labels, sizes, indices[start : start + BATCH]
        )
        context.log(min(start + BATCH, len(indices)), {})
    return found


def _piece(
    path: Path, context: Context, images: Stack, labels: Stack, sizes: Sizes, indices: Sequence[int]
) -> list[Measured]:
    from emgen.fidelity import Measured
    from emgen.fidelity.check import measure_stack

    names = [field.name for field in fields(Measured)]
    if path.exists():
        with np.load(path) as kept:
            return [Measured(*(kept[f"{place}.{name}"] for name in names)) for place in range(len(indices))]
    made = measure_stack(images, labels, context.polarity, sizes, indices, context.seed)
    fresh = path.with_suffix(".writing.npz")
    np.savez(fresh, **{f"{place}.{name}": getattr(one, name) for place, one in enumerate(made) for name in names})
    fresh.rename(path)
    return made


def _write(
    draft: Draft,
    images: Stack,
    labels: Stack,
    indices: Sequence[int],
    stack: list[Measured],
    settings: Mapping[str, Any],
) -> None:
    """The verdicts, the rates, and unless only reported the stacks to train on."""
    from emgen.fidelity import Limits, judge, sift

    judged, thresholds = judge(stack, Limits(chance=settings["chance"], shift=settings["shift"]))
    chosen = _Chosen(labels, indices)
    sifted = sift(judged, chosen, settings["mode"], settings["tolerated"], settings["least_kept"])
    summary = _summary(judged, sifted, settings) | {"thresholds": thresholds.to_dict()}
    if settings["mode"] != "report":
        _require_particles(summary["counts"], sifted)
        _write_stacks(draft, images, labels, judged, sifted, settings["mode"])
    lines = [json.dumps(_line(indices[place], place in sifted.kept, one)) for place, one in enumerate(judged)]
    (draft.folder / DETAILS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(draft.folder / SUMMARY, summary)


class _Chosen:
    """The labels of the images that were checked."""

    def __init__(self, labels: Stack, indices: Sequence[int]) -> None:
        self._labels, self._indices = labels, indices

    def __getitem__(self, place: int) -> Any:
        return self._labels[self._indices[place]]


def _write_stacks(draft: Draft, images: Stack, labels: Stack, judged: list[Judged], sifted: Sifted, mode: Any) -> None:
    from emgen.fidelity import training_label

    shape = (len(sifted.kept), *images.shape[1:])
    image_NHW = create_stack(draft.folder / "image", shape, np.float32)
    label_NHW = create_stack(draft.folder / "label", shape, np.int32)
    for place, index in enumerate(sifted.kept):
        image_NHW[place] = images[index]
        label_NHW[place] = training_label(labels[index], judged[index], mode)


def _require_particles(counts: Mapping[str, int], sifted: Sifted) -> None:
    """Raises ``NoParticlesError`` where images and labels have nothing to do with each other."""
    judged = counts["labelled"] - counts["unknown"]
    if counts["sound"] < LEAST_SOUND * judged or not sifted.kept:
        raise NoParticlesError(
            f"only {counts['sound']} of {judged} particles show where their labels say, so that nothing can be "
            "learnt from these images. `gate.mode: report` lets all pass, and the report shows them: too few steps of "
            "the GAN, or the wrong polarity?"
        )


def _line(index: int, kept: bool, image: Judged) -> dict[str, Any]:
    """One image's row of ``fidelity.jsonl``."""
    return {"image": index, "kept": kept, **asdict(image)}


def _summary(judged: list[Judged], sifted: Sifted, settings: Mapping[str, Any]) -> dict[str, Any]:
    from emgen.fidelity import counts, rates

    quarantined = len(judged) - len(sifted.kept)
    scores = {**rates(judged), "quarantined": quarantined / max(len(judged), 1)}
    found = {**counts(judged), "kept": len(sifted.kept), "failed": len(sifted.failed), "spared": len(sifted.spared)}
    return {"mode": settings["mode"], "scores": scores, "counts": found, "notes": _notes(sifted, len(judged))}


def _notes(sifted: Sifted, total: int) -> list[str]:
    if not sifted.spared:
        return []
    return [
        f"only {total - len(sifted.failed)} of {total} images pass; the best {len(sifted.spared)} of those that fail "
        "were kept as well (gate.least_kept). Images and labels of this generation do not fit well: look at them"
    ]
