"""Label-free against hand labels, against rough masks without a GAN, and against the rough masks themselves.

As the paper's Figure 4: loss, PA and MIoU by step, and the steps until 95 % of the final MIoU. One network, with one
seed and the same number of steps, is trained on each data set; all are scored on micrographs that no training has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from emgen.engine.handles import Micrographs, Parts
from emgen.engine.rounds import run_rounds
from emgen.engine.run import Run
from emgen.engine.tandem import virtual_data
from emgen.study.charts import colours, curves_chart, dots_chart, forest_chart
from emgen.study.evaluation import Unseen, bring_unseen, evaluate_model, evaluate_rough
from emgen.study.examples import segmentations
from emgen.study.finding import recall_section
from emgen.study.labels import crops_with_labels
from emgen.study.persons import hand_labels, true_labels
from emgen.study.plan import Plan
from emgen.study.summary import (
    Chart,
    Comparison,
    Section,
    Summary,
    Table,
    by_arm,
    compare,
    effects_table,
    scores_table,
    sentence,
    values_by_seed,
)
from emgen.study.training import outcome_of, trained_outcome
from emgen.study.trial import Outcome, Result, Trial
from emgen.study.worker import Workplace

TITLE = "Label-free against hand labels"
QUESTION = (
    "Is a model that was trained without a single label as good as one trained on hand labels of the same "
    "micrographs? What do the GANs add to training on the rough masks?"
)
ROUGH = "rough masks"
ROUGH_TRAINED = "trained on rough masks"
FIRST = "1st generation"
LABEL_FREE = "label-free"
ROUNDS = "label-free, rounds"
FEW = "with few labels"
HAND = "hand labels"
TRUTH = "exact truth"
ARMS: Mapping[str, str] = {
    ROUGH: "the rough segmenter itself, no training",
    ROUGH_TRAINED: "the network trained on subset 1 with its rough masks, no GAN",
    FIRST: "the network trained on the 1st generation, no contrast GAN",
    LABEL_FREE: "the network trained on the 2nd generation, no label anywhere",
    HAND: "the network trained on hand labels of all micrographs that the label-free run looks at",
    ROUNDS: "the same after further rounds, each with the model before as its rough segmenter (rounds of the spec)",
    FEW: "the network trained on the 2nd generation and the few labelled micrographs that the spec names",
    TRUTH: "the network trained on the exact labels of the same micrographs: the ceiling",
}
FEW_HANDS = "the network trained on hand labels of so many of the same micrographs, drawn by the seed, in as many steps"
PAIRS = (
    (LABEL_FREE, HAND),
    (LABEL_FREE, ROUGH_TRAINED),
    (LABEL_FREE, ROUGH),
    (LABEL_FREE, FIRST),
    (TRUTH, LABEL_FREE),
    (ROUNDS, LABEL_FREE),
    (FEW, LABEL_FREE),
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
COMPARED = ("miou", "dice", "object_f1", "diameter_error")


def trials(plan: Plan) -> list[Trial]:
    """Arm by arm, so that workers beside each other do different seeds and seldom wait for the same artifact."""
    plan.need_truth("scores models against labels")
    return [plan.trial(arm, seed) for arm in _arms(plan) for seed in plan.seeds]


def _arms(plan: Plan) -> list[str]:
    """Those of ``ARMS`` for which there are labels, and before all hand labels those of fewer micrographs."""
    fewer = [name for name, count in _few_hands(plan.file.study.hand_counts).items() if count < _stack_size(plan)]
    return [own for arm in ARMS if _can(plan, arm) for own in ([*fewer, arm] if arm == HAND else [arm])]


def _few_hands(counts: Iterable[int]) -> dict[str, int]:
    """The arms of few hand-labelled micrographs, and how many.

    >>> list(_few_hands([3, 1]))
    ['hand labels, 1 micrograph', 'hand labels, 3 micrographs']
    """
    return {f"{HAND}, {count} micrograph{'s' if count > 1 else ''}": count for count in sorted(set(counts))}


def _stack_size(plan: Plan) -> int:
    """Micrographs to train on."""
    return plan.file.study.phantoms.micrographs if plan.file.on_phantoms else len(plan.material(plan.seeds[0]).images)


def perform(place: Workplace) -> Outcome:
    arm, material = place.trial.arm, place.trial.material
    with place.run() as run:
        unseen, micrographs = bring_unseen(run, material), run.read()
        if arm == ROUGH:
            return outcome_of(evaluate_rough(run, unseen), unseen)
        parts = run.split(micrographs, run.segment_roughly(micrographs))
        return _trained(place, run, micrographs, parts, unseen)


def _trained(place: Workplace, run: Run, micrographs: Micrographs, parts: Parts, unseen: Unseen) -> Outcome:
    trial = place.trial
    notes: tuple[str, ...] = ()
    if trial.arm == ROUNDS:
        model = run_rounds(run).model
        return outcome_of(evaluate_model(run, model, unseen, label=ROUNDS), unseen)
    if trial.arm == ROUGH_TRAINED:
        data = parts.subset1_images, parts.subset1_labels
    elif trial.arm in (FIRST, LABEL_FREE, FEW):
        made = virtual_data(run, parts)
        generation = made.first if trial.arm == FIRST else made.second
        if trial.arm == FEW:
            generation = run.training_set(made.second, parts, micrographs)
        data = generation.images, generation.labels
    elif trial.arm.startswith(HAND):
        label_of, whose = hand_labels(run, micrographs, trial.material)
        count = _few_hands(trial.settings["hand_counts"]).get(trial.arm)
        data, notes = crops_with_labels(run, micrographs, parts, label_of, trial.arm, count=count), (whose,)
    else:
        data = crops_with_labels(run, micrographs, parts, true_labels(run, micrographs, trial.material), TRUTH)
    snapshots = int(trial.settings["snapshots"])
    return trained_outcome(run, *data, unseen, arm=trial.arm, snapshots=snapshots, notes=notes)


def summarise(plan: Plan, results: Sequence[Result]) -> Summary:
    arms = by_arm(results)
    pairs = [*PAIRS, *((LABEL_FREE, arm) for arm in arms if arm not in ARMS)]
    compared = {name: compare(pairs, arms, name) for name in COMPARED}
    flat = [own for comparisons in compared.values() for own in comparisons]
    return Summary(_answers(compared["miou"], arms), _sections(arms, compared), flat)


def _answers(miou: Sequence[Comparison], arms: Mapping[str, Sequence[Result]]) -> list[str]:
    notes = dict.fromkeys(note for own in arms.values() for result in own for note in result.outcome.notes)
    whose = [f"The arm “{HAND}” stands for {note}." for note in list(notes)[:1]]
    return [f"{sentence(own)}." for own in miou] + whose


def _sections(arms: Mapping[str, Sequence[Result]], compared: Mapping[str, Sequence[Comparison]]) -> list[Section]:
    colour = colours([*ARMS, *(arm for arm in arms if arm not in ARMS)])
    miou = {arm: list(values_by_seed(own, "miou").values()) for arm, own in arms.items()}
    differences = [
        (f"{c.arm} − {c.other}", 100 * c.effect.mean, 100 * c.effect.low, 100 * c.effect.high) for c in compared["miou"]
    ]
    charts = [Chart("MIoU of each seed", dots_chart(miou, "MIoU on unseen micrographs", colour))]
    if differences:
        charts.append(Chart("Differences of MIoU", forest_chart(differences, "points of MIoU, 95 % interval")))
    return [
        Section(
            "Scores on unseen micrographs",
            tables=[
                scores_table(arms, COLUMNS),
                Table(["arm", "what it is"], [(arm, ARMS.get(arm, FEW_HANDS)) for arm in arms]),
            ],
            charts=charts,
        ),
        Section("Effect sizes", tables=[effects_table([c for name in COMPARED for c in compared[name]])]),
        recall_section(arms, colour),
        Section("By step", "Mean over the seeds; the band is their range.", charts=_curves(arms, colour)),
        Section("Segmentations", "Unseen micrographs of the first seed, spread evenly.", strips=segmentations(arms)),
    ]


def _curves(arms: Mapping[str, Sequence[Result]], colour: Mapping[str, str]) -> list[Chart]:
    losses = [name for own in arms.values() for r in own for name in r.outcome.curves if name.startswith("loss: ")]
    titles = {
        "miou": "MIoU",
        "pixel_accuracy": "PA",
        **{name: name.removeprefix("loss: ") for name in dict.fromkeys(losses)},
    }
    charts = []
    for name, title in titles.items():
        series = {arm: [r.outcome.curves[name] for r in own if r.outcome.curves.get(name)] for arm, own in arms.items()}
        known = {arm: curves for arm, curves in series.items() if curves}
        if known:
            charts.append(Chart(title, curves_chart(known, title, colour, log=name.startswith("loss: "))))
    return charts


def _can(plan: Plan, arm: str) -> bool:
    """Hand labels and truth of the user's own micrographs are there only where they were given."""
    material = plan.material(plan.seeds[0])
    if arm == HAND:
        return bool(material.hand_labels or material.phantoms)
    if arm == ROUNDS:
        return int(plan.file.tree.get("rounds") or 1) > 1
    if arm == FEW:
        return bool(plan.file.tree.get("labelled"))
    return arm != TRUTH or material.phantoms
