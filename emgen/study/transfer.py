"""A model of one modality as the rough segmenter of another (the paper's HAADF to BF), with and without inversion.

Beside it stands the spec's own rough segmenter. With truth all are scored against it; without, by what real micrographs
say of masks without a label (as the rounds of a run are judged).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emgen.artifacts import open_stack
from emgen.engine.handles import Micrographs, Parts, RoughLabels
from emgen.engine.run import Run
from emgen.engine.steps_evidence import FILE as EVIDENCE
from emgen.engine.tandem import virtual_data
from emgen.engine.verdict import summary as particles_of
from emgen.errors import NoParticlesError, SpecError
from emgen.model import SHIPPED, model_folder
from emgen.report.pictures import Strip, outlined
from emgen.study.charts import colours, dots_chart
from emgen.study.evaluation import SCORES, Unseen, bring_unseen, evaluate_rough
from emgen.study.examples import segmentations
from emgen.study.finding import recall_section
from emgen.study.material import write_phantom_material
from emgen.study.plan import Plan
from emgen.study.summary import (
    Chart,
    Comparison,
    Section,
    Summary,
    by_arm,
    compare,
    effects_table,
    scores_table,
    sentence,
    title_of,
    values_by_seed,
)
from emgen.study.training import trained_outcome
from emgen.study.trial import Outcome, Result, Trial, folder_of
from emgen.study.worker import Workplace

TITLE = "A model of one modality for another"
QUESTION = (
    "Can a model that was trained on other micrographs make the rough masks of these, and is inverting the image "
    "for it what makes that work?"
)
OWN, FLIP, PLAIN = "own rough segmenter", "transfer, image inverted", "transfer, as it is"
ARMS = {
    OWN: "the rough segmenter that the spec names",
    FLIP: "the source's model, the image inverted for it where particles have the opposite contrast",
    PLAIN: "the source's model on the image as it is",
}
PAIRS = ((FLIP, PLAIN), (FLIP, OWN))
SCORED = ("rough_miou", "rough_object_f1", "miou", "pixel_accuracy", "dice", "object_f1", "diameter_error")
EVIDENT = ("rough_evidence", "rough_particles", "evidence", "particles", "coverage", "diameter")
COMPARED = ("miou", "object_f1", "rough_miou", "evidence", "rough_evidence")


def trials(plan: Plan) -> list[Trial]:
    source = plan.file.study.source
    if source is None:
        raise SpecError(
            "study.source: the model to start from is missing. Give a model or run folder (--source), or in the spec, "
            "under `study:`, the changes that make the source's spec: source: {modality: haadf-stem, images: a/*.tif}."
        )
    sources = {seed: _source(plan, seed) for seed in plan.seeds}
    return [plan.trial(arm, seed, factors={"source": sources[seed]}) for arm in ARMS for seed in plan.seeds]


def _source(plan: Plan, seed: int) -> Any:
    """The model's folder, or the changes to the spec with the images that the source is trained on."""
    source = plan.file.study.source
    if not isinstance(source, Mapping):
        return str(model_folder(source if source in SHIPPED else plan.file.path(str(source)), plan.host).resolve())
    if source.get("images") or not plan.file.on_phantoms:
        images = source.get("images")
        if not images:
            raise SpecError("study.source.images: which micrographs is the source's model trained on?")
        patterns = [images] if isinstance(images, str) else list(images)
        return {**source, "images": [str(plan.file.path(pattern)) for pattern in patterns]}
    modality = str(source.get("modality", plan.file.tree.get("modality")))
    settings = plan.file.study.phantoms.model_copy(update={"imaging": source.get("imaging")})
    folder = plan.out / "phantoms" / f"source-seed-{seed}"
    material = write_phantom_material(folder, settings, modality, seed)
    own = {name: value for name, value in source.items() if name != "imaging"}
    return {**own, "images": list(material.images)}


def perform(place: Workplace) -> Outcome:
    arm = place.trial.arm
    changes: dict[str, Any] = {}
    if arm != OWN:
        segmenter = {"uses": "npssegnet", "model": _source_model(place), "polarity_flip": arm == FLIP}
        changes = {"rough_segmenter": segmenter}
        if arm == PLAIN:  # what it finds may well have the other polarity, which is the point
            changes["data"] = {"polarity_check": False}
    with place.run(changes) as run:
        unseen = bring_unseen(run, place.trial.material) if place.trial.material.unseen else None
        micrographs = run.read()
        rough = run.segment_roughly(micrographs)
        try:
            return _outcome(place, run, micrographs, rough, unseen)
        except NoParticlesError as error:
            return Outcome(notes=(f"{arm}, seed {place.trial.seed}: no model, as nothing was found ({error})",))


def _source_model(place: Workplace) -> str:
    """The source's model: given, or trained here on the source's micrographs by the tandem."""
    source = place.trial.factors["source"]
    if isinstance(source, str):
        return source
    with place.run(source, name="source") as run:
        micrographs = run.read()
        parts = run.split(micrographs, run.segment_roughly(micrographs))
        second = virtual_data(run, parts).second
        model = run.train_downstream(second.images, second.labels, label="source's model")
        return str(model.path("model").resolve())


def _outcome(
    place: Workplace, run: Run, micrographs: Micrographs, rough: RoughLabels, unseen: Unseen | None
) -> Outcome:
    parts = run.split(micrographs, rough)
    extra = _evident(run, micrographs, parts, rough, "rough_")
    second = virtual_data(run, parts).second
    arm = place.trial.arm
    if unseen is not None:
        own = evaluate_rough(run, unseen).read(SCORES)["values"]
        extra |= {f"rough_{name}": own[name] for name in ("miou", "object_f1") if name in own}
        snapshots = int(place.trial.settings["snapshots"])
        return trained_outcome(run, second.images, second.labels, unseen, arm=arm, snapshots=snapshots, extra=extra)
    model = run.train_downstream(second.images, second.labels)
    masks = run.segment_stack(micrographs, parts, model)
    values = {**extra, **_evident(run, micrographs, parts, masks, "")}
    evidence = run.gather_evidence(micrographs, parts, masks, label="evidence of the model's masks")
    return Outcome(values=values, tables={"pictures": [{"folder": folder_of(evidence.artifact)}]})


def _evident(run: Run, micrographs: Micrographs, parts: Parts, masks: RoughLabels, prefix: str) -> dict[str, float]:
    """What the micrographs say of masks: the share that fits as F1, and how many particles of which size there are."""
    label = "evidence of rough masks" if prefix else "evidence of the model's masks"
    evidence = run.gather_evidence(micrographs, parts, masks, label=label)
    counts = evidence.artifact.read(EVIDENCE)["counts"]
    sound, fault, missed = (sum(tile[name] for tile in counts) for name in ("sound", "at_fault", "missed"))
    score = 2 * sound / max(1, 2 * sound + fault + missed)
    return {f"{prefix}evidence": score, **{f"{prefix}{name}": value for name, value in particles_of(evidence).items()}}


def summarise(plan: Plan, results: Sequence[Result]) -> Summary:
    arms = by_arm(results)
    compared = {name: compare(PAIRS, arms, name) for name in COMPARED}
    flat = [own for comparisons in compared.values() for own in comparisons]
    main = "miou" if compared["miou"] else "evidence"
    notes = dict.fromkeys(note for own in arms.values() for result in own for note in result.outcome.notes)
    answers = [f"{sentence(own)}." for name in (main, f"rough_{main}") for own in compared.get(name, ())]
    return Summary([*answers, *(f"{note}." for note in notes)], _sections(arms, compared), flat)


def _sections(arms: Mapping[str, Sequence[Result]], compared: Mapping[str, Sequence[Comparison]]) -> list[Section]:
    colour = colours(list(ARMS))
    charts = []
    for name in ("miou", "rough_miou", "evidence", "rough_evidence"):
        values = {arm: list(values_by_seed(own, name).values()) for arm, own in arms.items()}
        if any(values.values()):
            charts.append(Chart(title_of(name), dots_chart(values, title_of(name), colour)))
    text = "; ".join(f"{arm}: {words}" for arm, words in ARMS.items() if arm in arms) + "."
    without = (
        "What real micrographs say of the masks, without a label: “evidence” is the F1 of the masks on which a "
        "particle shows and of the particles that have a mask, by the fidelity check; higher is better. Coverage is "
        "a share of the area."
    )
    scores, evident = scores_table(arms, SCORED), scores_table(arms, EVIDENT)
    return [
        Section("Scores against truth", text, [scores] if len(scores.columns) > 1 else [], []),
        Section("Evidence without labels", without, [evident] if len(evident.columns) > 1 else [], charts),
        Section("Effect sizes", tables=[effects_table([own for name in COMPARED for own in compared[name]])]),
        recall_section(arms, colour),
        Section(
            "Segmentations", "Of the final models, first seed.", strips=segmentations(arms) or _evidence_strips(arms)
        ),
    ]


def _evidence_strips(arms: Mapping[str, Sequence[Result]]) -> list[Strip]:
    """Real crops with the model's outlines, of studies without micrographs to score on."""
    strips = []
    for arm, own in arms.items():
        places = own[0].outcome.tables.get("pictures", ()) if own else ()
        if places:
            folder = Path(places[0]["folder"])
            strips.append(Strip(arm, f"seed {own[0].trial.seed}", _outlined(folder)))
    return strips


def _outlined(folder: Path) -> tuple[str, ...]:
    image_NHW, label_NHW = open_stack(folder / "image"), open_stack(folder / "label")
    return tuple(outlined(image_NHW[index], label_NHW[index]) for index in range(min(4, len(image_NHW))))
