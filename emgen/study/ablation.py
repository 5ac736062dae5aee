"""The morphology GAN trained on few and on many images, with and without the contrast GAN.

As the paper's Figures 3 and S1, which take 5 … 72 images: distances of the generated images from real ones (FID, KID,
MMD), IS where its weights are, SSIM and PSNR of held-out pairs. Needs no truth. The question: does the tandem on the
fewest images beat the morphology GAN alone on all?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from emgen.artifacts import StackRef, open_stack
from emgen.engine.device import pick_device
from emgen.engine.run import Run
from emgen.engine.steps_score import Scores
from emgen.engine.tandem import VirtualData, scored, virtual_data
from emgen.errors import EmgenError
from emgen.registration import MetricPlugin
from emgen.report.meanings import MEANINGS
from emgen.report.pictures import Strip, grey, spread
from emgen.report.text import number
from emgen.study.ablation_data import compared_with, few_of_subset1
from emgen.study.charts import colours, lines_chart
from emgen.study.evaluation import bring_unseen
from emgen.study.plan import Plan
from emgen.study.summary import (
    Chart,
    Comparison,
    Section,
    Summary,
    Table,
    compare,
    done,
    effects_table,
    interval,
    title_of,
)
from emgen.study.trial import Outcome, Result, Trial, folder_of
from emgen.study.worker import Workplace

if TYPE_CHECKING:
    from emgen.spec import Spec

TITLE = "Few images, and what the contrast GAN adds"
QUESTION = (
    "How many images with rough masks does the morphology GAN need, and does the tandem on the fewest beat the "
    "morphology GAN alone on all?"
)
ALONE, TANDEM = "morphology GAN alone", "tandem"
GENERATIONS = {ALONE: "first_generation", TANDEM: "second_generation"}
FEWEST, MOST = "tandem, fewest", "alone, all"


def trials(plan: Plan) -> list[Trial]:
    """Both arms of one count share all but the scores; the arm that comes first makes what they share."""
    counts = sorted(set(plan.file.study.counts))
    return [
        plan.trial(arm, seed, changes=_with_metrics(plan, seed), factors={"share": share})
        for arm in (ALONE, TANDEM)
        for share in counts
        for seed in plan.seeds
    ]


def _with_metrics(plan: Plan, seed: int) -> dict[str, Any]:
    """The spec's metrics, and those that compare images and whose weights are here."""
    spec = plan.spec(seed, plan.material(seed))
    named = {value.uses for value in spec.metrics}
    more = [name for name in plan.host.plugins("metric") if name not in named and _ready(plan, spec, name)]
    return {"metrics": [*(value.model_dump(mode="json") for value in spec.metrics), *more]}


def _ready(plan: Plan, spec: Spec, name: str) -> bool:
    registered = plan.host.find("metric", name)
    plugin = registered.plugin
    assert isinstance(plugin, MetricPlugin)
    if plugin.needs == "prediction" or (plugin.simulated_weights is True and not spec.allow_simulated_weights):
        return False
    if plugin.downloads is None:
        return False  # the preset has those already; the user left it out
    try:
        registered.preflight(plugin.config(), pick_device(spec.device))
    except EmgenError:
        return False
    return True


def perform(place: Workplace) -> Outcome:
    trial = place.trial
    with place.run() as run:
        unseen = bring_unseen(run, trial.material) if trial.material.unseen else None
        micrographs = run.read()
        rough = run.segment_roughly(micrographs)
        whole = run.split(micrographs, rough)
        parts = few_of_subset1(run, micrographs, rough, whole, float(trial.factors["share"]))
        made = virtual_data(run, parts)
        compared, words = compared_with(run, parts, unseen)
        scores = scored(run, compared, made)
        return _outcome(run, trial, scores, made, len(parts.plan["subset1"]), compared.real, words)


def _outcome(
    run: Run, trial: Trial, scores: Scores, made: VirtualData, count: int, real: StackRef, words: str
) -> Outcome:
    generation = GENERATIONS[trial.arm]
    values, rows = headline_values(run, scores[generation])
    images = made.first.images if trial.arm == ALONE else made.second.images
    return Outcome(
        values={"images": float(count), **values},
        tables={"metrics": rows, "pictures": [{"generated": _place(images), "real": _place(real)}]},
        notes=(f"generated images are compared with {words}",),
    )


def headline_values(run: Run, scores: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """The main value of each metric by its key, with the ends of its interval; and what a reader must know of each."""
    values: dict[str, float] = {}
    rows = []
    for name, own in scores.items():
        plugin: Any = (
            run.bench.host.plugins("metric")[name].plugin if name in run.bench.host.plugins("metric") else None
        )
        key = (plugin.headline if plugin else "pass_rate") or next(iter(own), "")
        if not isinstance(own.get(key), int | float):
            continue
        values |= {found: float(own[found]) for found in (key, f"{key}_low", f"{key}_high") if found in own}
        better = plugin.better if plugin else "higher"
        rows.append({"key": key, "metric": name, "better": better, "features": own.get("features")})
    return values, rows


def _place(stack: StackRef) -> dict[str, str]:
    return {"folder": folder_of(stack.artifact), "name": stack.name}


def summarise(plan: Plan, results: Sequence[Result]) -> Summary:
    kept = done(results)
    metrics = {row["key"]: row for result in kept for row in result.outcome.tables.get("metrics", ())}
    question = _fewest_against_all(kept)
    compared = {key: compare([(FEWEST, MOST)], question, key) for key in metrics}
    flat = [own for comparisons in compared.values() for own in comparisons]
    notes = dict.fromkeys(note for result in kept for note in result.outcome.notes)
    answers = [*_verdicts(metrics, compared, question), *(f"Scores: {note}." for note in list(notes)[:1])]
    return Summary(answers, _sections(kept, metrics, flat), flat)


def _fewest_against_all(results: Sequence[Result]) -> dict[str, list[Result]]:
    shares = sorted({result.trial.factors["share"] for result in results})
    if len(shares) < 2:
        return {}
    return {FEWEST: _of(results, TANDEM, shares[0]), MOST: _of(results, ALONE, shares[-1])}


def _of(results: Sequence[Result], arm: str, share: float) -> list[Result]:
    return [result for result in results if result.trial.arm == arm and result.trial.factors["share"] == share]


def _verdicts(
    metrics: Mapping[str, Mapping[str, Any]],
    compared: Mapping[str, Sequence[Comparison]],
    question: Mapping[str, Sequence[Result]],
) -> list[str]:
    """The question's answer first, then one sentence a score."""
    asked = [own for comparisons in compared.values() for own in comparisons]
    if not asked:
        return []
    few, most = (_mean_of(question[arm], "images") for arm in (FEWEST, MOST))
    told = [_standing(own, metrics[own.measure]["better"] or "lower") for own in asked]
    leads, sure = sum(word.startswith("ahead") for word in told), sum(word == "ahead, surely" for word in told)
    behind = sum(word == "behind, surely" for word in told)
    first = (
        f"Does the tandem on {few:.0f} images beat the morphology GAN alone on {most:.0f}? It is ahead in {leads} of "
        f"{len(told)} scores, surely in {sure}, and surely behind in {behind}."
    )
    return [first, *(_score_sentence(own, word, metrics) for own, word in zip(asked, told, strict=True))]


def _standing(own: Comparison, better: Literal["higher", "lower"]) -> str:
    place = "ahead" if (own.effect.mean > 0) == (better == "higher") else "behind"
    return f"{place}, surely" if own.effect.distinguishable else place


def _score_sentence(own: Comparison, standing: str, metrics: Mapping[str, Mapping[str, Any]]) -> str:
    sure = interval(own.effect, points=False)
    known = f"95 % interval {sure}" if sure != "–" else "fewer than three seeds, so no interval"
    better = metrics[own.measure]["better"] or "lower"
    size = number(abs(own.effect.mean))
    return f"{title_of(own.measure)}: {standing} by {size} ({better} is better; difference: {known})."


def _mean_of(results: Sequence[Result], name: str) -> float:
    return float(np.mean([result.outcome.values[name] for result in results])) if results else float("nan")


def _sections(
    results: Sequence[Result], metrics: Mapping[str, Mapping[str, Any]], comparisons: Sequence[Comparison]
) -> list[Section]:
    colour = colours([ALONE, TANDEM])
    charts = []
    for key, about in metrics.items():
        series = {arm: _by_share(results, arm, key) for arm in (ALONE, TANDEM)}
        title = f"{title_of(key)} ({about['better'] or '?'} is better)"
        svg = lines_chart(series, "images with rough masks", title_of(key), colour)
        charts.append(Chart(title, svg, _words(key, about["features"])))
    text = "Mean and range of the seeds. “Images” are the micrographs (or regions of them) of subset 1 that are used."
    title = "Tandem on the fewest against the morphology GAN alone on all"
    return [
        Section("Scores by number of images", text, [_table(results, metrics)], charts),
        Section(title, tables=[effects_table(comparisons)]),
        Section("Images", "Spread evenly over each set, none chosen; first seed.", strips=_strips(results)),
    ]


def _by_share(results: Sequence[Result], arm: str, key: str) -> list[tuple[float, list[float]]]:
    own = [result for result in results if result.trial.arm == arm and key in result.outcome.values]
    shares = sorted({result.trial.factors["share"] for result in own})
    groups = [_of(own, arm, share) for share in shares]
    return [(_mean_of(group, "images"), [result.outcome.values[key] for result in group]) for group in groups]


def _table(results: Sequence[Result], metrics: Mapping[str, Mapping[str, Any]]) -> Table:
    from emgen.study.summary import spread as mean_and_spread

    rows = []
    for arm in (ALONE, TANDEM):
        for share in sorted({result.trial.factors["share"] for result in results}):
            own = _of(results, arm, share)
            cells = [
                mean_and_spread([r.outcome.values[key] for r in own if key in r.outcome.values]) for key in metrics
            ]
            rows.append([f"{arm}, {_mean_of(own, 'images'):.0f} images", *cells])
    return Table(["", *(title_of(key) for key in metrics)], rows)


def _words(key: str, features: str | None) -> str:
    """What a score says, and the features that it rests on."""
    said = MEANINGS[key].words if key in MEANINGS else ""
    return " ".join(part for part in (said, f"Features: {features}." if features else "") if part)


def _strips(results: Sequence[Result]) -> list[Strip]:
    first = [r for r in results if r.trial.seed == results[0].trial.seed and r.outcome.tables.get("pictures")]
    if not first:
        return []
    strips = [Strip("real", "", _pictures(first[0].outcome.tables["pictures"][0]["real"]))]
    for result in first:
        title = f"{result.trial.arm}, {result.outcome.values['images']:.0f} images"
        strips.append(Strip(title, "", _pictures(result.outcome.tables["pictures"][0]["generated"])))
    return strips


def _pictures(place: Mapping[str, str]) -> tuple[str, ...]:
    stack = open_stack(Path(place["folder"]) / place["name"])
    return tuple(grey(stack[index]) for index in spread(len(stack), 4))
