"""What the gate gives: one network trained on phantoms with planted faults, on what the gate leaves of them, and on
phantoms without a fault; all scored on phantoms that no training saw.

``python -m emgen.testing.gated_training`` prints MIoU and object F1 of the three. Minutes on two CPU cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emgen.fidelity import check, rates, sift, training_label
from emgen.host import load_host
from emgen.stages import Context, FloatArray, LabelArray, MetricContext, Polarity
from emgen.testing.faults import Fault, plant
from emgen.testing.phantoms import Phantom, phantom_stack

SHARES: Mapping[Fault, float] = {"erased": 0.3, "invented": 0.2}
"""Of the particles: what a careless GAN does."""
SIDE, DIAMETER, TRAINING, UNSEEN = 96, 14.0, 160, 24
SETTINGS: Mapping[str, Any] = {
    "start_from": None,
    "encoder": "resnet18",
    "decoder_channels": [32, 24, 16],
    "batch": 4,
    "learning_rate": 1e-3,
}
METRICS = {"miou": "miou", "object-f1": "object_f1"}
DATA = ("faulty", "gated", "clean")


@dataclass(frozen=True, slots=True)
class Training:
    """(N, H, W) images and labels to train on."""

    images: FloatArray
    labels: LabelArray


def training_data(seed: int, polarity: Polarity = "bright", modality: str = "haadf-stem") -> dict[str, Training]:
    """By ``DATA``. The gate sees the faulty images and labels, nothing of the truth."""
    phantoms = _stack(seed, modality)[:TRAINING]
    rng = np.random.default_rng(seed)
    planted = [plant(phantom.image_HW, phantom.label_HW, SHARES, rng) for phantom in phantoms]
    faulty = _training((one.image_HW, one.label_HW) for one in planted)
    judged = check(faulty.images, faulty.labels, polarity)
    kept = sift(judged, faulty.labels, "correct", tolerated=0.15, least_kept=0.5).kept
    gated = ((faulty.images[i], training_label(faulty.labels[i], judged[i], "correct")) for i in kept)
    clean = ((phantom.image_HW, phantom.label_HW) for phantom in phantoms)
    print(f"seed {seed}: {len(kept)} of {TRAINING} images kept; {_shown(rates(judged))}", flush=True)
    return {"faulty": faulty, "gated": _training(gated), "clean": _training(clean)}


def compare(seed: int, steps: int = 150, which: Iterable[str] = DATA) -> dict[str, dict[str, float]]:
    """``scores[data][metric]``, each the same network, steps and seed."""
    unseen = _stack(seed, "haadf-stem")[TRAINING:]
    data = training_data(seed)
    return {name: _score(_trained(data[name], seed, steps), unseen) for name in which}


def _stack(seed: int, modality: str) -> list[Phantom]:
    return phantom_stack(TRAINING + UNSEEN, (SIDE, SIDE), seed=seed, modality=modality, diameter=DIAMETER)


def _training(pairs: Iterable[tuple[FloatArray, LabelArray]]) -> Training:
    images, labels = zip(*pairs, strict=True)
    return Training(np.stack(images), np.stack(labels))


def _trained(data: Training, seed: int, steps: int) -> Any:
    registered = load_host().find("downstream_task", "npssegnet")
    config = registered.plugin.config(**SETTINGS, max_steps=steps)  # type: ignore[union-attr]
    context = Context(seed=seed)
    task: Any = registered.create(config, context)
    task.fit(data.images, data.labels, context)
    return task


def _score(task: Any, unseen: list[Phantom]) -> dict[str, float]:
    from emgen.particles import split_instances

    found = [split_instances(task.predict(phantom.image_HW[None])[0]) for phantom in unseen]
    predicted, true = np.stack(found), np.stack([phantom.label_HW for phantom in unseen])
    scores = {}
    for name, key in METRICS.items():
        registered = load_host().find("metric", name)
        metric: Any = registered.create(registered.plugin.config(), None)  # type: ignore[union-attr]
        scores[name] = float(metric.compute(predicted, true, MetricContext())[key])
    return scores


def _shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        for name, scores in compare(seed, given.steps).items():
            print(f"seed {seed} trained on {name:<7} {_shown(scores)}", flush=True)


if __name__ == "__main__":
    main()
