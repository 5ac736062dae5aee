"""What a few labelled micrographs gain: the same network with and without them, scored on labels kept apart.

Measured on round 1, as the masks that later rounds begin with come from a model that has seen every label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.artifacts import Artifact, write_json
from emgen.data import Window
from emgen.engine.bench import Bench, Chosen, Step
from emgen.engine.cache import Draft
from emgen.engine.folds import Fold, folds_of
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker
from emgen.engine.run import Run
from emgen.engine.steps_labelled import Labelled, read_labelled
from emgen.engine.tandem import Outcome
from emgen.engine.tiles import divided
from emgen.engine.verdict import LEVEL, MANY, RESAMPLES
from emgen.registration import MetricPlugin
from emgen.stages import Context, MetricContext

FILE = "labelled.json"
WITHOUT = "downstream_task without labels"


def measure_gain(run: Run, outcome: Outcome) -> None:
    """Trains with the labels of all folds but one, and without any; writes ``labelled.json`` into the run folder.

    Nothing where the spec names no labelled micrographs; no measure where ``labelled.folds`` is 0.
    """
    bench, spec = run.bench, run.bench.spec.labelled
    if spec is None:
        (bench.folder / FILE).unlink(missing_ok=True)  # of a run of this folder with other settings
        return
    labelled = read_labelled(bench, outcome.parts, outcome.micrographs)
    guard = bench.spec.split.guard
    folds = folds_of(labelled.windows, labelled.factors, spec.folds, guard, bench.spec.seed)
    document = _about(labelled, len(folds))
    if folds:
        without = _train(run, outcome, (), WITHOUT, "training_set without labels")
        names = [(f"downstream_task fold {n}", f"training_set fold {n}") for n in range(1, len(folds) + 1)]
        models = [_train(run, outcome, fold.train, *pair) for fold, pair in zip(folds, names, strict=True)]
        scored = _compare(bench, labelled, folds, without, models)
        document |= scored.read(FILE) | {"cost_s": _seconds([without, *models, scored])}
    write_json(bench.folder / FILE, document)
    bench.record.update({"labelled": {name: document[name] for name in ("micrographs", "particles", "folds")}})


def _train(run: Run, outcome: Outcome, windows: Sequence[Window], label: str, training_label: str) -> Artifact:
    """With the labels of these windows only."""
    how = outcome.second, outcome.parts, outcome.micrographs, windows
    training = run.training_set(*how, label=training_label)
    return run.train_downstream(training.images, training.labels, label=label)


def _about(labelled: Labelled, folds: int) -> dict[str, Any]:
    names = [pair.image.stem for pair in labelled.pairs]
    rows = [{"name": name, **row} for name, row in zip(names, labelled.rows, strict=True)]
    share = labelled.bench.spec.labelled.share if labelled.bench.spec.labelled else 0.0
    particles = sum(row["particles"] for row in rows)
    return {"format": 1, "micrographs": len(rows), "particles": particles, "share": share, "folds": folds, "each": rows}


def _compare(
    bench: Bench, labelled: Labelled, folds: Sequence[Fold], without: Artifact, models: Sequence[Artifact]
) -> Artifact:
    """Both models of each fold on the windows that it kept apart, tile by tile."""
    metrics = _metrics(bench)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        rows: list[dict[str, Any]] = []
        context.plan(len(folds))
        for number, (fold, model) in enumerate(zip(folds, models, strict=True), start=1):
            check_stop(context, f"stopped at fold {number} of {len(folds)}")
            rows += _fold_rows(bench, labelled, fold.kept, (without, model), metrics)
            context.log(number, {})
        write_json(draft.folder / FILE, summarised(rows, metrics, context.seed))
        return {}

    return bench.perform(
        Step(
            label="gain of labels",
            kind="scores",
            slot="labelled_gain",
            maker=core_maker(1, "emgen.data", "emgen.model", "emgen.multiscale", "emgen.engine.labelled_gain"),
            settings={"metrics": [[m.maker.distribution, m.maker.version, m.plugin.name] for m in metrics]},
            input_keys={
                "labelled": labelled.artifact.key,
                "without": without.key,
                "with": [model.key for model in models],
            },
            inputs=[without, *models, labelled.artifact],
            seed_name="labelled_gain",
            produce=produce,
        )
    )


def _metrics(bench: Bench) -> list[Chosen]:
    """Every installed metric that compares a prediction with truth."""
    found = [(one, one.plugin) for one in bench.host.plugins("metric").values()]
    metrics = [(one, plugin) for one, plugin in found if isinstance(plugin, MetricPlugin)]
    return [Chosen(one, plugin.config(), {}) for one, plugin in metrics if plugin.needs == "prediction"]


def _fold_rows(
    bench: Bench, labelled: Labelled, kept: Sequence[Window], models: Sequence[Artifact], metrics: Sequence[Chosen]
) -> list[dict[str, Any]]:
    """One row a tile: its micrograph, and the scores without and with labels."""
    from emgen.model import load_model

    loaded = [load_model(model.path("model"), host=bench.host, device=bench.device) for model in models]
    rows = []
    for index in sorted({window.index for window in kept}):
        image_HW, true_HW = labelled.read(index)
        factor = labelled.factors[index]
        predicted = [model.segment(image_HW, (factor,)).label_HW for model in loaded]
        for window in kept:
            if window.index != index:
                continue
            for tile in divided(window, round(bench.spec.data.crop / factor)):
                pairs = [(found_HW[tile.slices], true_HW[tile.slices]) for found_HW in predicted]
                scores = [_scores(metrics, *pair) for pair in pairs]
                rows.append({"micrograph": index, "without": scores[0], "with": scores[1]})
    return rows


def _scores(metrics: Sequence[Chosen], found_HW: NDArray[Any], true_HW: NDArray[Any]) -> dict[str, float]:
    values: dict[str, float] = {}
    for metric in metrics:
        context = MetricContext()
        result = metric.registered.create(metric.config, context).compute(found_HW[None], true_HW[None], context)
        values |= {name: float(value) for name, value in result.items() if not isinstance(value, str)}
    return values


def summarised(rows: Sequence[Mapping[str, Any]], metrics: Sequence[Chosen], seed: int) -> dict[str, Any]:
    """Means over the tiles, and the gain with its 90 % interval from resampling tiles, or micrographs if many."""
    sources = [row["micrograph"] for row in rows]
    by_micrograph = len(set(sources)) >= MANY
    units = sorted(set(sources)) if by_micrograph else range(len(rows))
    places = [[n for n, source in enumerate(sources) if source == unit] if by_micrograph else [unit] for unit in units]
    names = [name for name in rows[0]["with"] if not name.endswith(("_low", "_high", "_sd"))]
    scores = {name: _gain(rows, name, places, seed) for name in names}
    better = {m.plugin.headline: m.plugin.better for m in metrics if isinstance(m.plugin, MetricPlugin)}
    return {
        "scores": {name: {**values, "better": better.get(name) or "higher"} for name, values in scores.items()},
        "tiles": len(rows),
        "resampled": "micrographs" if by_micrograph else "tiles",
    }


def _gain(rows: Sequence[Mapping[str, Any]], name: str, places: Sequence[Sequence[int]], seed: int) -> dict[str, float]:
    both_2T = np.array([[row[side][name] for row in rows] for side in ("without", "with")])
    without, with_labels = (float(value) for value in np.nanmean(both_2T, axis=1))
    gain_U = np.array([np.nanmean(both_2T[1, unit] - both_2T[0, unit]) for unit in map(list, places)])
    drawn = np.random.default_rng(seed).integers(len(gain_U), size=(RESAMPLES, len(gain_U)))
    low, high = np.nanquantile(np.nanmean(gain_U[drawn], axis=1), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return {
        "without": without,
        "with": with_labels,
        "gain": with_labels - without,
        "low": float(low),
        "high": float(high),
    }


def _seconds(artifacts: Sequence[Artifact]) -> float:
    return round(sum(float(artifact.manifest["seconds"]) for artifact in artifacts), 1)
