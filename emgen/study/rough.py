"""How good must the rough masks be? Segmenters, and exact truth made worse in steps, against the model's final MIoU.

The paper says that high precision is not needed. Everything after the rough masks is the same for all arms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from emgen.engine.handles import Micrographs, Parts, RoughLabels
from emgen.engine.run import Run
from emgen.engine.tandem import virtual_data
from emgen.errors import NoParticlesError
from emgen.report.text import number
from emgen.study.charts import colours, dots_chart, scatter_chart
from emgen.study.evaluation import SCORES, Unseen, bring_unseen, evaluate_rough
from emgen.study.examples import segmentations
from emgen.study.finding import recall_section
from emgen.study.persons import true_labels
from emgen.study.plan import Plan
from emgen.study.roughness import degraded_truth, rough_quality
from emgen.study.statistics import spearman
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
    values_by_seed,
)
from emgen.study.training import trained_outcome
from emgen.study.trial import Outcome, Result, Trial
from emgen.study.worker import Workplace

TITLE = "How good must the rough masks be?"
QUESTION = (
    "How much does the final model lose when step 2, the rough masks, gets worse, and which segmenter is good enough?"
)
EXACT = "exact truth"
COLUMNS = ("rough_miou", "rough_object_f1", "miou", "pixel_accuracy", "dice", "object_f1", "diameter_error")
COMPARED = ("miou", "object_f1")
KEPT = ("miou", "iou_particle", "object_f1", "object_recall", "object_precision", "diameter_bias")
"""Scores of the rough masks themselves, kept with ``rough_`` before their name."""


def trials(plan: Plan) -> list[Trial]:
    """Segmenters whose weights are missing are skipped; truth is degraded where it is known of what is trained on."""
    plan.need_truth("scores models against labels")
    study, found = plan.file.study, []
    for name, value in study.segmenters.items():
        changes = {"rough_segmenter": value, "allow_simulated_weights": True}
        found += [plan.trial(name, seed, changes=changes, optional=True) for seed in plan.seeds]
    if plan.file.on_phantoms:
        for step in study.degraded:
            found += [plan.trial(arm_of(step), seed, factors={"step": step}) for seed in plan.seeds]
    return found


def arm_of(step: int) -> str:
    return f"truth, {step} worse" if step else EXACT


def perform(place: Workplace) -> Outcome:
    trial = place.trial
    with place.run() as run:
        unseen = bring_unseen(run, trial.material)
        micrographs = run.read()
        if "step" in trial.factors:
            truth = true_labels(run, micrographs, trial.material)
            rough = degraded_truth(run, micrographs, truth, int(trial.factors["step"]))
        else:
            rough = run.segment_roughly(micrographs)
        return _trained(place, run, micrographs, rough, unseen)


def _trained(place: Workplace, run: Run, micrographs: Micrographs, rough: RoughLabels, unseen: Unseen) -> Outcome:
    trial = place.trial
    try:
        parts = run.split(micrographs, rough)
        own = _quality(place, run, micrographs, parts, rough, unseen)
        second = virtual_data(run, parts).second
    except NoParticlesError as error:
        return Outcome(notes=(f"{trial.arm}, seed {trial.seed}: nothing to learn from ({error})",))
    simulated = "step" not in trial.factors and run.bench.chosen("rough_segmenter").simulated
    told = f"“{trial.arm}” brings weights trained on phantoms: on phantoms it was told the answer"
    notes = [told] if simulated and trial.material.phantoms else []
    snapshots = int(trial.settings["snapshots"])
    return trained_outcome(
        run, second.images, second.labels, unseen, arm=trial.arm, snapshots=snapshots, notes=notes, extra=own
    )


def _quality(
    place: Workplace, run: Run, micrographs: Micrographs, parts: Parts, rough: RoughLabels, unseen: Unseen
) -> dict[str, float]:
    """Of the masks that are learnt from; of own micrographs, whose truth is not known, of the unseen ones."""
    if place.trial.material.phantoms:
        values = rough_quality(run, micrographs, parts, rough, true_labels(run, micrographs, place.trial.material))
    else:
        values = evaluate_rough(run, unseen).read(SCORES)["values"]
    return {f"rough_{name}": values[name] for name in KEPT if name in values}


def summarise(plan: Plan, results: Sequence[Result]) -> Summary:
    arms = by_arm(results)
    base = EXACT if EXACT in arms else _best(arms)
    pairs = [(arm, base) for arm in arms if arm != base] if base else []
    compared = {name: compare(pairs, arms, name) for name in COMPARED}
    flat = [own for comparisons in compared.values() for own in comparisons]
    return Summary(_answers(arms, compared["miou"]), _sections(arms, compared), flat)


def _best(arms: Mapping[str, Sequence[Result]]) -> str | None:
    means = {arm: np.mean(list(own.values())) for arm, r in arms.items() if (own := values_by_seed(r, "miou"))}
    return max(means, key=lambda arm: float(means[arm])) if means else None


def _answers(arms: Mapping[str, Sequence[Result]], miou: Sequence[Comparison]) -> list[str]:
    answers = []
    points = [point for own in _points(arms).values() for point in own]
    if len(points) > 3:
        rank = spearman([x for x, _ in points], [y for _, y in points])
        if np.isfinite(rank.mean):
            answers.append(
                f"Rank correlation of the rough masks' MIoU with the final one: {rank.mean:.2f} "
                f"(95 % interval {rank.low:.2f} … {rank.high:.2f}, {rank.n} trainings)."
            )
        slope = float(np.polyfit([x for x, _ in points], [y for _, y in points], 1)[0])
        answers.append(
            f"One point of MIoU lost in the rough masks costs {number(slope)} points in the end, by a straight line."
        )
    notes = dict.fromkeys(note for own in arms.values() for result in own for note in result.outcome.notes)
    return [*answers, *(f"{sentence(own)}." for own in miou), *(f"{note}." for note in notes)]


def _points(arms: Mapping[str, Sequence[Result]]) -> dict[str, list[tuple[float, float]]]:
    """(MIoU of the rough masks, MIoU of the model) of each trial."""
    found = {}
    for arm, own in arms.items():
        known = [r.outcome.values for r in own if {"rough_miou", "miou"} <= set(r.outcome.values)]
        found[arm] = [(values["rough_miou"], values["miou"]) for values in known]
    return {arm: points for arm, points in found.items() if points}


def _sections(arms: Mapping[str, Sequence[Result]], compared: Mapping[str, Sequence[Comparison]]) -> list[Section]:
    colour = colours(list(arms))
    points = _points(arms)
    charts = []
    if points:
        scatter = scatter_chart(points, "MIoU of the rough masks", "MIoU of the model", colour, diagonal=True)
        charts.append(
            Chart("Rough masks and what comes of them", scatter, "Dashed: model and rough masks are equally good.")
        )
        dots = {arm: [y for _, y in own] for arm, own in points.items()}
        charts.append(Chart("MIoU of each seed", dots_chart(dots, "MIoU on unseen micrographs", colour)))
    return [
        Section("Rough masks against the final model", tables=[scores_table(arms, COLUMNS)], charts=charts),
        Section("Effect sizes", tables=[effects_table([own for name in COMPARED for own in compared[name]])]),
        recall_section(arms, colour),
        Section(
            "Segmentations", "Of the final models; unseen micrographs of the first seed.", strips=segmentations(arms)
        ),
    ]
