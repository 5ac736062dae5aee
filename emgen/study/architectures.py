"""UNet, UNet++ and DeepLabV3+ on one virtual data set, over seeds: scores, paired tests, recall by size and contrast.

As the paper's Figures S2, S3 and Table S2. The networks of one seed see the same virtual images with the same labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from emgen.engine.tandem import virtual_data
from emgen.study.charts import colours, curves_chart, dots_chart
from emgen.study.evaluation import bring_unseen
from emgen.study.examples import segmentations
from emgen.study.finding import recall_section
from emgen.study.pairs import compare_micrographs
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
from emgen.study.trial import Outcome, Result, Trial
from emgen.study.worker import Workplace

TITLE = "Network architectures"
QUESTION = (
    "Does the network matter, for scores and for which particles are found, when all learn from one virtual data set?"
)
COLUMNS = (
    "miou",
    "pixel_accuracy",
    "dice",
    "object_f1",
    "object_recall",
    "object_precision",
    "diameter_error",
    "steps_to_95",
)
COMPARED = ("miou", "object_f1", "object_recall")


def trials(plan: Plan) -> list[Trial]:
    plan.need_truth("scores networks against labels")
    networks = plan.file.study.networks
    return [
        plan.trial(name, seed, changes={"downstream_task": change})
        for name, change in networks.items()
        for seed in plan.seeds
    ]


def perform(place: Workplace) -> Outcome:
    with place.run() as run:
        unseen = bring_unseen(run, place.trial.material)
        micrographs = run.read()
        second = virtual_data(run, run.split(micrographs, run.segment_roughly(micrographs))).second
        snapshots = int(place.trial.settings["snapshots"])
        return trained_outcome(run, second.images, second.labels, unseen, arm=place.trial.arm, snapshots=snapshots)


def summarise(plan: Plan, results: Sequence[Result]) -> Summary:
    arms = by_arm(results)
    pairs = list(combinations(arms, 2))
    by_seed = {name: compare(pairs, arms, name) for name in COMPARED}
    by_image = {name: compare_micrographs(pairs, arms, name) for name in COMPARED}
    flat = [own for compared in by_seed.values() for own in compared]
    return Summary(_answers(arms, by_seed, by_image), _sections(arms, by_seed, by_image), flat)


def _answers(
    arms: Mapping[str, Sequence[Result]],
    by_seed: Mapping[str, Sequence[Comparison]],
    by_image: Mapping[str, Sequence[Comparison]],
) -> list[str]:
    answers = []
    for name in COMPARED:
        best = _best(arms, name)
        if best and len(arms) > 1:
            sure = [own for own in by_image[name] if own.p_holm < 0.05 and best in (own.arm, own.other)]
            beaten = [
                own.other if own.arm == best else own.arm for own in sure if (own.effect.mean > 0) == (own.arm == best)
            ]
            words = (
                f"surely above {' and '.join(beaten)} micrograph by micrograph"
                if beaten
                else "not surely above the others"
            )
            answers.append(f"Highest {title_of(name)}: {best}, {words} (p < 0.05 after Holm).")
    return answers + [f"{sentence(own)}." for own in by_seed["miou"]]


def _best(arms: Mapping[str, Sequence[Result]], name: str) -> str | None:
    means = {arm: sum(own.values()) / len(own) for arm, r in arms.items() if (own := values_by_seed(r, name))}
    return max(means, key=lambda arm: means[arm]) if means else None


def _sections(
    arms: Mapping[str, Sequence[Result]],
    by_seed: Mapping[str, Sequence[Comparison]],
    by_image: Mapping[str, Sequence[Comparison]],
) -> list[Section]:
    colour = colours(list(arms))
    dots = [
        Chart(
            title_of(name),
            dots_chart(
                {arm: list(values_by_seed(own, name).values()) for arm, own in arms.items()}, title_of(name), colour
            ),
        )
        for name in COMPARED
    ]
    curves = {arm: [r.outcome.curves["miou"] for r in own if r.outcome.curves.get("miou")] for arm, own in arms.items()}
    known = {arm: own for arm, own in curves.items() if own}
    by_step = [Chart("MIoU by step", curves_chart(known, "MIoU", colour))] if known else []
    tables = [
        effects_table([own for name in COMPARED for own in by_seed[name]], "Over seeds"),
        effects_table(
            [own for name in COMPARED for own in by_image[name]],
            "Micrograph by micrograph, for these models",
            "micrograph",
        ),
    ]
    return [
        Section("Scores on unseen micrographs", tables=[scores_table(arms, COLUMNS)], charts=[*dots, *by_step]),
        Section("Effect sizes", tables=tables),
        recall_section(arms, colour),
        Section("Segmentations", "Unseen micrographs of the first seed, spread evenly.", strips=segmentations(arms)),
    ]
