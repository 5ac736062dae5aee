"""How far is the state that the ranking keeps from the one that truth would keep?

On phantoms, where truth is known: both GANs of the tandem are trained with all their states kept, the downstream task
is trained on the images of each state, with the same settings and seed, and scored on phantoms that no training saw.

``python -m emgen.testing.checkpoint_regret OUT`` prints, for each GAN, MIoU by state; the regret of the state kept (the
best MIoU less its own), of the last one, and of one drawn by lot; and the rank correlation between table and truth.
``--scale demo`` has the settings of ``emgen demo``: minutes a seed on two CPU cores, half an hour with all trainings.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emgen import demo
from emgen.artifacts import Artifact, write_json
from emgen.engine import opened_run
from emgen.engine.handles import Generation
from emgen.engine.referee import TABLE
from emgen.engine.run import Run
from emgen.engine.snapshots import snapshots_of
from emgen.host import Host, load_host
from emgen.model import load_model
from emgen.registration import Kind
from emgen.spec import Spec, load_spec
from emgen.stages import Context, MetricContext
from emgen.testing.phantoms import Phantom, phantom_stack, write_phantoms

APPLY: Mapping[Kind, str] = {"morphology_gan": "generate", "contrast_gan": "translate"}
UNSEEN = 8
SCALES: Mapping[str, Mapping[str, Any]] = {
    "demo": {},
    "small": {
        "data": {"crop": 64, "working_diameter": 10.0, "crops_per_micrograph": 16, "scale": "stack"},
        "split": {"by": "micrograph", "subset1": 5, "held_out": 0.1},
        "virtual": {"images": 120},
        "morphology_gan": {"uses": "pix2pix", "max_steps": 80, "background_sigma": 2.0},
        "contrast_gan": {"uses": "cyclegan", "max_steps": 60, "cycle_weight": 2.0, "identity_weight": 0.2},
        "downstream_task": {**demo.SPEC["downstream_task"], "max_steps": 80},
    },
}
MICROGRAPHS: Mapping[str, tuple[int, int]] = {"demo": (demo.TRAINING, demo.SIDE), "small": (14, 192)}


@dataclass(frozen=True, slots=True)
class Regret:
    """One GAN. ``truth``: MIoU of the task trained on each state's images; ``order``: the table's, best first."""

    gan: str
    truth: Mapping[int, float]
    order: Sequence[int]

    @property
    def of_choice(self) -> float:
        return max(self.truth.values()) - self.truth[self.order[0]]

    @property
    def of_last(self) -> float:
        """Of what is kept without any ranking."""
        return max(self.truth.values()) - self.truth[max(self.truth)]

    @property
    def by_lot(self) -> float:
        """The mean over all states."""
        return max(self.truth.values()) - float(np.mean(list(self.truth.values())))

    @property
    def correlation(self) -> float:
        """Kendall's tau-b between the table's order and truth; 1: the same order."""
        from scipy.stats import kendalltau

        place = [-list(self.order).index(step) for step in self.truth]
        return float(kendalltau(place, list(self.truth.values())).statistic)

    def to_dict(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in ("of_choice", "of_last", "by_lot", "correlation")}
        return {**asdict(self), **numbers}


def measure(
    out: Path, seed: int, *, scale: str = "small", candidates: int = 4, host: Host | None = None
) -> list[Regret]:
    """Trains and scores everything in ``out``; what stands there is taken from the store."""
    host = host or load_host()
    count, side = MICROGRAPHS[scale]
    diameter = SCALES[scale].get("data", demo.SPEC["data"])["working_diameter"]
    phantoms = phantom_stack(count + UNSEEN, (side, side), seed=2 * seed, diameter=diameter)
    write_phantoms(out / "micrographs", phantoms[:count])
    spec = load_spec(
        {
            **demo.SPEC,
            **SCALES[scale],
            "name": "checkpoint regret",
            "seed": seed,
            "images": [str(out / "micrographs" / "*.tif")],
            "checkpoints": {"candidates": candidates, "patience": None, "keep": True},
        },
        host=host,
    )
    return regrets(spec, out / "run", phantoms[count:], host)


def regrets(spec: Spec, folder: Path, unseen: Sequence[Phantom], host: Host) -> list[Regret]:
    with opened_run(spec, folder, host=host, progress=False) as run:
        micrographs = run.read()
        parts = run.split(micrographs, run.segment_roughly(micrographs))
        sampler = run.fit_sampler(parts)
        morphology = run.train_morphology(parts, sampler)
        masks = run.sample_masks(sampler)
        first = run.gate(run.generate(morphology, masks), masks, parts, label="gate first_generation")
        contrast = run.train_contrast(first, parts)
        found = [
            _regret(run, morphology, "morphology_gan", Generation(masks, masks), unseen, host),
            _regret(run, contrast, "contrast_gan", first, unseen, host),
        ]
    write_json(folder / "regret.json", [each.to_dict() for each in found])
    return found


def _regret(run: Run, gan: Artifact, kind: Kind, source: Generation, unseen: Sequence[Phantom], host: Host) -> Regret:
    truth = {}
    for step, folder in snapshots_of(gan.folder).items():
        made = _made(run, gan, kind, folder, source, f"{kind} step {step}")
        model = run.train_downstream(made.images, made.labels, label=f"trained on {kind} step {step}")
        truth[step] = _miou(host, model, unseen)
    return Regret(kind, truth, gan.read(TABLE)["order"])


def _made(run: Run, gan: Artifact, kind: Kind, folder: Path, source: Generation, label: str) -> Generation:
    """What the state in ``folder`` makes of the source, with its labels."""
    bench = run.bench
    context = Context(seed=bench.spec.seed, device=bench.device, polarity=bench.polarity)
    stage = bench.stage(bench.maker_of(gan, kind), context)
    stage.load(folder)
    image_NHW = getattr(stage, APPLY[kind])(source.images.open(), np.random.default_rng(bench.spec.seed))
    scale = {name: gan.facts[name] for name in ("working_diameter", "factors")}
    images, labels = run.bring(image_NHW, source.labels.open(), scale, label=label)
    return Generation(images, labels)


def _miou(host: Host, model: Artifact, unseen: Sequence[Phantom]) -> float:
    from emgen.host import resolve

    loaded = load_model(model.path("model"), host=host)
    modality: Any = host.find("modality", str(demo.SPEC["modality"])).plugin
    normalise = resolve(modality.normalise)
    images = [normalise(np.round(phantom.image_HW * 255).astype(np.uint8)) for phantom in unseen]
    predicted = np.stack([loaded.segment(image).label_HW for image in images])
    true = np.stack([phantom.label_HW for phantom in unseen])
    registered = host.find("metric", "miou")
    plugin: Any = registered.plugin
    metric: Any = registered.create(plugin.config(), None)
    return float(metric.compute(predicted, true, MetricContext())["miou"])


def shown(found: Sequence[Regret]) -> str:
    """As text, in points of MIoU."""
    lines = []
    for each in found:
        by_step = ", ".join(f"step {step} {100 * miou:.1f}" for step, miou in each.truth.items())
        lines.append(f"{each.gan}: MIoU by state: {by_step}; table: {' > '.join(map(str, each.order))}")
        lines.append(
            f"  regret of the choice {100 * each.of_choice:.1f}, of the last {100 * each.of_last:.1f}, "
            f"by lot {100 * each.by_lot:.1f} points; rank correlation {each.correlation:.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", choices=list(SCALES), default="small")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--candidates", type=int, default=4)
    given = parser.parse_args()
    for seed in range(given.seeds):
        found = measure(given.out / f"seed{seed}", seed, scale=given.scale, candidates=given.candidates)
        print(f"seed {seed}\n{shown(found)}", flush=True)


if __name__ == "__main__":
    main()
