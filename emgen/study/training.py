"""A downstream model trained on some data, with its curves: what most arms of the studies have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from emgen.artifacts import Artifact, StackRef
from emgen.engine.losses import read_losses
from emgen.engine.run import Run
from emgen.engine.snapshots import snapshots_of
from emgen.study.evaluation import SCORES, Unseen, evaluate_model
from emgen.study.finding import found_columns
from emgen.study.trial import Outcome, Point, folder_of

SETTLED = 0.95
"""Steps are counted until the score reaches this share of its final value."""
CURVES = ("miou", "pixel_accuracy")


def trained_outcome(
    run: Run,
    images: StackRef,
    labels: StackRef,
    unseen: Unseen,
    *,
    arm: str,
    snapshots: int,
    notes: Iterable[str] = (),
    extra: Mapping[str, float] | None = None,
) -> Outcome:
    """Trains the spec's downstream task and scores it, at the end and on the way."""
    model = run.train_downstream(images, labels, label=f"trained: {arm}", snapshots=snapshots)
    final = evaluate_model(run, model, unseen, label=arm)
    curves = {**loss_curves(model), **score_curves(run, model, unseen, arm, final)}
    return outcome_of(final, unseen, curves=curves, notes=notes, extra=extra)


def outcome_of(
    evaluation: Artifact,
    unseen: Unseen,
    *,
    curves: Mapping[str, list[Point]] | None = None,
    extra: Mapping[str, float] | None = None,
    notes: Iterable[str] = (),
) -> Outcome:
    """An evaluation as the outcome of a trial; ``per_image`` are the scores of each micrograph."""
    scores = evaluation.read(SCORES)
    curves = curves or {}
    values = {**scores["values"], **(extra or {})}
    if "miou" in curves:
        values["steps_to_95"] = steps_to(curves["miou"], SETTLED)
    images = [{"image": name, **own} for name, own in scores["images"].items()]
    particles = {"particles": [found_columns(evaluation, unseen)]} if unseen.has_truth else {}
    return Outcome(
        values=values,
        curves=curves,
        tables={"per_image": images, **particles},
        labels=folder_of(evaluation),
        pictures=folder_of(unseen.artifact),
        notes=tuple(notes),
    )


def score_curves(run: Run, model: Artifact, unseen: Unseen, arm: str, final: Artifact) -> dict[str, list[Point]]:
    """MIoU and PA on the unseen micrographs at each snapshot; the last is the model itself."""
    found: dict[str, list[Point]] = {name: [] for name in CURVES}
    folders = snapshots_of(model.folder)
    for step, folder in folders.items():
        inside = folder.relative_to(model.folder).as_posix()
        state = evaluate_model(run, model, unseen, label=f"{arm}, step {step}", folder=inside)
        values = state.read(SCORES)["values"]
        for name in found:
            if name in values:
                found[name].append((step, values[name]))
    return {name: points for name, points in found.items() if points}


def loss_curves(model: Artifact) -> dict[str, list[Point]]:
    """``loss: <name>`` of everything that the training logged."""
    rows = read_losses(model.folder)
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name != "step"]
    return {f"loss: {name}": [(row["step"], row[name]) for row in rows if name in row] for name in names}


def steps_to(points: Sequence[Point], share: float) -> float:
    """The first step at which a curve has reached this share of its last value; NaN for a curve that ends at 0.

    >>> steps_to([(10, 0.4), (20, 0.69), (30, 0.7)], 0.95)
    20.0
    """
    last = points[-1][1]
    return next((float(step) for step, value in points if value >= share * last > 0), float("nan"))
