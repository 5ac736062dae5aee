"""What the gate gives: one network trained on phantoms with planted faults, on what the gate leaves of them, and on
phantoms without a fault; all scored on phantoms that no training saw.

``python -m emgen.testing.gated_training`` prints MIoU and object F1 of the three, and how well the labels fit the
images before and after the gate. Minutes on two CPU cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emgen.fidelity import check, sift, training_label
from emgen.host import load_host
from emgen.stages import Context, FloatArray, LabelArray, MetricContext
from emgen.testing.faults import Fault, plant
from emgen.testing.phantoms import Phantom, phantom_stack

SHARES: Mapping[Fault, float] = {"erased": 0.3, "invented": 0.2}
"""Of the particles: what a careless GAN does."""
DRIFT = 0.4
"""Of a particle's diameter: every image slips so far against its label, as under a contrast GAN that drifts."""
SIDE, DIAMETER, TRAINING, UNSEEN = 64, 11.0, 200, 40
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


def training_data(seed: int) -> dict[str, Training]:
    """By ``DATA``. The gate sees the faulty images and labels, nothing of the truth."""
    phantoms = _stack(seed)[:TRAINING]
    faulty, _ = _spoiled(phantoms, seed)
    gated = _gated(faulty)[0]
    clean = _training((phantom.image_HW, phantom.label_HW) for phantom in phantoms)
    return {"faulty": faulty, "gated": gated, "clean": clean}


def label_quality(seed: int, n: int = TRAINING) -> tuple[float, float]:
    """MIoU of labels against what the images show: as they came, and what the gate leaves of them."""
    faulty, true_NHW = _spoiled(_stack(seed)[:n], seed)
    gated, kept = _gated(faulty)
    return _miou(faulty.labels, true_NHW), _miou(gated.labels, true_NHW[list(kept)])


def _spoiled(phantoms: list[Phantom], seed: int) -> tuple[Training, LabelArray]:
    """Images with faults and the labels that they came with; what the images show."""
    rng = np.random.default_rng(seed)
    planted = [plant(phantom.image_HW, phantom.label_HW, SHARES, rng) for phantom in phantoms]
    faulty = _training((_drifted(one.image_HW), one.label_HW) for one in planted)
    return faulty, np.stack([_drifted(one.true_HW) for one in planted])


def _gated(faulty: Training) -> tuple[Training, Sequence[int]]:
    """As a run's gate in its default mode leaves them, and the indices of the images kept."""
    judged = check(faulty.images, faulty.labels, "bright")
    kept = sift(judged, faulty.labels, "correct", tolerated=0.15, least_kept=0.5).kept
    return _training((faulty.images[i], training_label(faulty.labels[i], judged[i], "correct")) for i in kept), kept


def _miou(predicted_NHW: LabelArray, true_NHW: LabelArray) -> float:
    a, b = predicted_NHW > 0, true_NHW > 0
    return float(np.mean([(x & y).sum() / (x | y).sum() for x, y in ((a, b), (~a, ~b))]))


def compare(seed: int, steps: int = 80, which: Iterable[str] = DATA) -> dict[str, dict[str, float]]:
    """``scores[data][metric]``, each the same network, steps and seed."""
    unseen = _stack(seed)[TRAINING:]
    data = training_data(seed)
    return {name: _score(_trained(data[name], seed, steps), unseen) for name in which}


def _drifted(image_HW: Any) -> Any:
    """(H, W) moved down; what enters above is mirrored."""
    rows = round(DRIFT * DIAMETER)
    return np.pad(image_HW, ((rows, 0), (0, 0)), mode="reflect")[:-rows]


def _stack(seed: int) -> list[Phantom]:
    return phantom_stack(TRAINING + UNSEEN, (SIDE, SIDE), seed=seed, diameter=DIAMETER)


def _training(pairs: Iterable[tuple[FloatArray, LabelArray]]) -> Training:
    images, labels = zip(*pairs, strict=True)
    return Training(np.stack(images), np.stack(labels))


def _trained(data: Training, seed: int, steps: int) -> Any:
    registered = load_host().find("downstream_task", "npssegnet")
    settings: Mapping[str, Any] = {**SETTINGS, "max_steps": steps}
    plugin: Any = registered.plugin
    config = plugin.config(**settings)
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
        plugin: Any = registered.plugin
        metric: Any = registered.create(plugin.config(), None)
        scores[name] = float(metric.compute(predicted, true, MetricContext())[key])
    return scores


def _shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--steps", type=int, default=80)
    given = parser.parse_args()
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        spoiled, mended = label_quality(seed)
        print(f"seed {seed} labels against what images show: faulty {spoiled:.3f}, gated {mended:.3f}", flush=True)
        for name, scores in compare(seed, given.steps).items():
            print(f"seed {seed} trained on {name:<7} {_shown(scores)}", flush=True)


if __name__ == "__main__":
    main()
