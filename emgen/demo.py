"""The demo: the whole tandem on phantom micrographs that it makes, scored against their exact truth.

No weight from elsewhere takes part. Five ways to a segmentation are compared on phantoms that no training has seen: the
rough masks themselves, and one network trained on four different data sets with the same settings and seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emgen.artifacts import Artifact, read_json, write_json
from emgen.engine import opened_run
from emgen.engine.handles import Micrographs, Parts
from emgen.engine.launch import resume_command
from emgen.engine.run import Run
from emgen.engine.tandem import tandem
from emgen.host import Host, load_host
from emgen.model import load_model
from emgen.spec import load_spec
from emgen.stages import FloatArray, LabelArray, MetricContext
from emgen.study.labels import crops_with_labels
from emgen.testing.phantoms import Phantom, phantom_stack, write_phantoms

SIDE, DIAMETER, TRAINING, UNSEEN = 256, 14.0, 24, 8
METRICS = {"MIoU": ("miou", "miou"), "Dice": ("dice", "dice"), "object F1": ("object-f1", "object_f1")}
ROWS = {
    "rough masks": "the rough masks themselves",
    "rough": "trained on the rough masks, no GAN",
    "first": "trained on the 1st generation",
    "second": "trained on the 2nd generation",
    "truth": "trained on exact truth (the ceiling)",
}

COMPACT: Mapping[str, Any] = {
    "architecture": "compact",
    "decoder_channels": [128, 64, 32, 16],
    "batch": 8,
    "learning_rate": 2e-3,
}
SPEC: Mapping[str, Any] = {
    "name": "demo",
    "modality": "haadf-stem",
    "preset": "quick",
    "allow_simulated_weights": False,
    "data": {"crop": 96, "working_diameter": DIAMETER, "crops_per_micrograph": 16, "scale": "stack"},
    "split": {"by": "micrograph", "subset1": 12, "held_out": 0.1},
    "virtual": {"images": 320, "response": 300},
    "checkpoints": {"candidates": 2},
    "rough_segmenter": {"uses": "self-taught", "diameter": DIAMETER, "steps": 200, **COMPACT},
    "mask_sampler": {"uses": "fitted-particles", "other_sizes": 0.2},
    "morphology_gan": {"uses": "pix2pix", "drawing": True, "max_steps": 60, "faintest": 0.5},
    "contrast_gan": {"uses": "cyclegan", "max_steps": 100},
    "downstream_task": {
        "uses": "npssegnet",
        "start_from": None,
        "max_steps": 300,
        **COMPACT,
    },
}
"""Small enough for two CPU cores and a few minutes; everything that is not said here is the preset's."""


@dataclass(frozen=True)
class DemoResult:
    """The folder of the run, and for each row of ``ROWS`` its scores by column."""

    folder: Path
    table: Mapping[str, Mapping[str, float]]


def demo(out: Path, *, seed: int = 0, progress: bool = True, host: Host | None = None) -> DemoResult:
    """Makes phantoms in ``out``, runs the tandem on them, trains the rows to compare with, and scores all."""
    host = host or load_host()
    training = phantom_stack(TRAINING, (SIDE, SIDE), seed=2 * seed, diameter=DIAMETER)
    unseen = phantom_stack(TRAINING + UNSEEN, (SIDE, SIDE), seed=2 * seed, diameter=DIAMETER)[TRAINING:]
    write_phantoms(out / "micrographs", training)
    write_phantoms(out / "unseen", unseen)
    spec = load_spec({**SPEC, "seed": seed, "images": [str(out / "micrographs" / "*.tif")]}, host=host)
    folder = out / "run"
    with opened_run(spec, folder, host=host, progress=progress) as run:
        outcome = tandem(run)
        write_json(folder / "metrics.json", outcome.scores)
        models = {
            "rough": run.train_downstream(
                outcome.parts.subset1_images, outcome.parts.subset1_labels, label="rough only"
            ),
            "first": run.train_downstream(outcome.first.images, outcome.first.labels, label="1st generation"),
            "second": outcome.model,
            "truth": _train_on_truth(run, outcome.micrographs, outcome.parts, [p.label_HW for p in training]),
        }
        table = {"rough masks": _score(host, _segment_roughly(run, unseen), unseen)}
        table |= {name: _score(host, _segment(host, model, unseen), unseen) for name, model in models.items()}
    _write_comparison(folder, table)
    return DemoResult(folder, table)


def _train_on_truth(run: Run, micrographs: Micrographs, parts: Parts, truth: list[LabelArray]) -> Artifact:
    """The same network on the crops of subset 1 and 2, with their exact labels."""
    brought = crops_with_labels(run, micrographs, parts, lambda index: truth[index], "exact truth")
    return run.train_downstream(*brought, label="on exact truth")


def _segment_roughly(run: Run, phantoms: list[Phantom]) -> list[LabelArray]:
    from emgen.stages import Context

    segmenter = run.bench.rough_segmenter(Context(seed=run.bench.spec.seed, polarity=run.bench.polarity))
    return [segmenter.segment(_normalised(run.bench.host, phantom)[None])[0] for phantom in phantoms]


def _segment(host: Host, artifact: Artifact, phantoms: list[Phantom]) -> list[LabelArray]:
    model = load_model(artifact.path("model"), host=host)
    return [model.segment(_normalised(host, phantom)).label_HW for phantom in phantoms]


def _normalised(host: Host, phantom: Phantom) -> FloatArray:
    """As the run sees a micrograph: 8 bit, then the modality's normalisation."""
    from emgen.host import resolve
    from emgen.registration import ModalityPlugin

    modality = host.find("modality", str(SPEC["modality"])).plugin
    assert isinstance(modality, ModalityPlugin)
    image: FloatArray = resolve(modality.normalise)(np.round(phantom.image_HW * 255).astype(np.uint8))
    return image


def _score(host: Host, found: list[LabelArray], phantoms: list[Phantom]) -> dict[str, float]:
    predicted, true = np.stack(found), np.stack([phantom.label_HW for phantom in phantoms])
    scores = {}
    for column, (name, key) in METRICS.items():
        registered = host.find("metric", name)
        plugin: Any = registered.plugin
        metric: Any = registered.create(plugin.config(), None)
        scores[column] = float(metric.compute(predicted, true, MetricContext())[key])
    return scores


def _write_comparison(folder: Path, table: Mapping[str, Mapping[str, float]]) -> None:
    """What the report shows at its top."""
    seconds = sum(step.get("seconds", 0.0) for step in read_json(folder / "manifest.json")["steps"])
    write_json(
        folder / "comparison.json",
        {
            "title": "Five ways to segment phantoms that no training has seen",
            "columns": list(METRICS),
            "rows": [{"name": ROWS[name], **scores} for name, scores in table.items()],
            "notes": [
                f"Scored against exact truth on {UNSEEN} unseen phantoms of {SIDE} x {SIDE} px.",
                f"The steps took {seconds / 60:.1f} minutes. Again: {resume_command(folder, None)}",
            ],
        },
    )
