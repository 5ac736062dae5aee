"""How often the 95 % intervals of size distributions hold the truth: phantom stacks of known law, segmented or not.

``python -m emgen.testing.size_coverage OUT`` draws stacks whose particles' diameters follow a log-normal law, another
one for each stack, by turns of several materials under microscopes of their own. Of each the size distribution is made
twice: from the true masks, and from those of a model. The model comes from the tandem on micrographs of the same
microscope with one law, as a user's does, and so do the virtual micrographs that tell what it does to sizes. Nothing of
the stacks is known to it. Several microscopes, since an error of a model is common to all stacks that it segments.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.artifacts import write_json
from emgen.particles import measure
from emgen.sizes import Response, SizeDistribution, read_response, sample_from_table, size_distribution
from emgen.sizes.response import FILE
from emgen.sizes.statistics import NAMES
from emgen.testing.phantoms import Phantom, PhantomSettings, phantom_stack, write_phantoms
from emgen.testing.phantoms.settings import draw_stack_settings

if TYPE_CHECKING:
    from emgen.model import Model

SIDE, MICROGRAPHS = 512, 5
TRAINING = {"micrographs": 16, "diameter": 14.0, "spread": 0.35}
MEDIANS, SPREADS = (11.0, 18.0), (0.2, 0.4)
"""Laws of the stacks: median diameter in px and standard deviation of its logarithm, drawn evenly between these."""
KNOWN = {
    "huge": 0.0,
    "faceted": 0.0,
    "irregular": 0.0,
    "agglomeration": 0.0,
    "coverage": 0.04,
    "visible_snr": 0.0,
    "visible_contrast": 0.0,
}
"""What makes the law of the equivalent diameters known: round particles, no second population, none left out."""
SPEC: dict[str, Any] = {
    "version": 1,
    "name": "size-coverage",
    "modality": "haadf-stem",
    "allow_simulated_weights": False,
    "data": {"crop": 96, "working_diameter": 14, "crops_per_micrograph": 24, "scale": "per-micrograph"},
    "split": {"by": "micrograph", "subset1": 6, "held_out": 0.1},
    "virtual": {"images": 480},
    "rough_segmenter": {"uses": "self-taught", "diameter": 14},
    "mask_sampler": {"uses": "fitted-particles", "other_sizes": 0.2},
    "morphology_gan": {"uses": "pix2pix", "drawing": True, "max_steps": 120, "faintest": 0.5},
    "contrast_gan": {"uses": "cyclegan", "max_steps": 200},
    "downstream_task": {
        "uses": "npssegnet",
        "start_from": None,
        "encoder": "resnet18",
        "decoder_channels": [32, 24, 16],
        "max_steps": 900,
        "batch": 4,
        "learning_rate": 1.0e-3,
    },
}
"""Of the tandem that the model comes from; as ``docs/specs/phantoms.yaml``, with one round."""


@dataclass(frozen=True)
class Law:
    """Log-normal: median in px, sigma of the logarithm within a micrograph and of micrographs' medians."""

    median: float
    sigma: float
    between: float = 0.0

    def truth(self) -> dict[str, float]:
        """Every statistic of the law (moments of the log-normal: Aitchison and Brown 1957)."""
        s2 = self.sigma**2 + self.between**2
        first, second, third, fourth = (self.median**p * np.exp(p**2 * s2 / 2) for p in (1, 2, 3, 4))
        mean, cv = first, np.sqrt(np.exp(s2) - 1)
        d10, d90 = (self.median * np.exp(z * np.sqrt(s2)) for z in (-1.2815515655, 1.2815515655))
        values = {
            "mean": mean,
            "sd": mean * cv,
            "cv": cv,
            "mean_area": third / second,
            "mean_volume": fourth / third,
            "polydispersity": fourth / third / mean,
            "d10": d10,
            "d50": self.median,
            "d90": d90,
            "d50_volume": self.median * np.exp(3 * s2),
            "span": (d90 - d10) / self.median,
        }
        return {name: float(values[name]) for name in NAMES}


def draw_law(seed: int, stack: int, between: float) -> Law:
    rng = np.random.default_rng([seed, stack])
    return Law(float(rng.uniform(*MEDIANS)), float(rng.uniform(*SPREADS)), between)


def microscope(seed: int) -> PhantomSettings:
    """One material under one microscope; the law of sizes is set for each stack."""
    return draw_stack_settings(np.random.default_rng([seed, 1]), "haadf-stem", diameter=14.0, **KNOWN)


def stack_of(law: Law, settings: PhantomSettings, seed: int, stack: int, count: int = MICROGRAPHS) -> list[Phantom]:
    """Micrographs of a law. Where they differ, each has a median of its own about the law's."""
    rng = np.random.default_rng([seed, stack, 1])
    phantoms = []
    for _ in range(count):
        median = law.median * float(np.exp(law.between * rng.standard_normal()))
        own = {**asdict(settings), "diameter": median, "spread": law.sigma}
        phantoms += phantom_stack(1, (SIDE, SIDE), seed=int(rng.integers(2**31)), **own)
    return phantoms


def train(folder: Path, seed: int) -> Path:
    """The tandem on phantoms of this microscope; its model folder. What stands there already is kept."""
    from emgen.engine import run_spec

    if (folder / "run" / "model" / FILE).is_file():
        return folder / "run" / "model"
    law = Law(TRAINING["diameter"], TRAINING["spread"])
    phantoms = stack_of(law, microscope(seed), seed, 2**31 - 1, int(TRAINING["micrographs"]))
    write_phantoms(folder / "micrographs", phantoms)
    spec = {**SPEC, "images": [str((folder / "micrographs").resolve())], "seed": seed}
    return run_spec(spec, folder / "run").model


def true_sizes(phantoms: list[Phantom], seed: int) -> SizeDistribution:
    return _sizes({f"{i}": (phantom.label_HW, 1.0) for i, phantom in enumerate(phantoms)}, None, seed)


def found_sizes(phantoms: list[Phantom], model: Model, response: Response | None, seed: int) -> SizeDistribution:
    """By a model's masks, with its response at the scale it worked at."""
    from emgen.host import load_host, resolve

    modality: Any = load_host().find("modality", model.modality).plugin
    normalise = resolve(modality.normalise)
    found = {}
    for i, phantom in enumerate(phantoms):
        result = model.segment(normalise(np.round(phantom.image_HW * 255).astype(np.uint8)))
        found[f"{i}"] = (result.label_HW, result.factor)
    return _sizes(found, response, seed)


def _sizes(found: Mapping[str, tuple[Any, float]], response: Response | None, seed: int) -> SizeDistribution:
    import pandas as pd

    table = pd.concat([measure(label_HW, name=name) for name, (label_HW, _) in found.items()])
    shapes = {name: label_HW.shape for name, (label_HW, _) in found.items()}
    factors = {name: factor for name, (_, factor) in found.items()}
    sample = sample_from_table(table, shapes, dict.fromkeys(found), factors)
    return size_distribution(sample, response, seed=seed, laws=False)


def rows(law: Law, sizes: SizeDistribution, masks: str, stack: int) -> Iterator[dict[str, Any]]:
    """One row a variant and statistic: truth, value, interval, whether it holds the truth."""
    truth = law.truth()
    for name, variant in sizes.variants.items():
        for statistic, estimate in variant.estimates.items():
            yield {
                "stack": stack,
                "masks": masks,
                "variant": name,
                "statistic": statistic,
                "truth": truth[statistic],
                **asdict(estimate),
                "held": bool(estimate.low <= truth[statistic] <= estimate.high),
            }


def run(
    out: Path, *, stacks: int, seed: int, microscopes: int, between: float, tell: Any = print
) -> list[dict[str, Any]]:
    """All rows; written to ``coverage.jsonl`` stack by stack, so that a second call goes on where the first stopped."""
    from emgen.model import load_model

    out.mkdir(parents=True, exist_ok=True)
    seeds = [seed + k for k in range(microscopes)]
    folders = [train(out / f"microscope{one}", one) for one in seeds]
    models = [
        (load_model(folder), read_response(folder), microscope(one)) for folder, one in zip(folders, seeds, strict=True)
    ]
    path = out / "coverage.jsonl"
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for stack in range(len({row["stack"] for row in done}), stacks):
        model, response, settings = models[stack % microscopes]
        law = draw_law(seed, stack, between)
        phantoms = stack_of(law, settings, seed, stack)
        fresh = [*rows(law, true_sizes(phantoms, stack), "true", stack)]
        fresh += rows(law, found_sizes(phantoms, model, response, stack), "predicted", stack)
        with path.open("a") as file:
            file.writelines(json.dumps({**row, "microscope": seeds[stack % microscopes]}) + "\n" for row in fresh)
        done += fresh
        tell(f"stack {stack + 1} of {stacks}")
    write_json(
        out / "coverage.json",
        {"stacks": stacks, "seed": seed, "microscopes": seeds, "between": between, "table": table_of(done)},
    )
    return done


def table_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per masks, variant and statistic: share of intervals that hold the truth, mean error and width in per cent."""
    import pandas as pd

    frame = pd.DataFrame(found)
    frame["error"] = 100 * (frame["value"] / frame["truth"] - 1)
    frame["width"] = 100 * (frame["high"] - frame["low"]) / frame["truth"]
    grouped = frame.groupby(["masks", "variant", "statistic"], sort=False)
    summary = grouped.agg(coverage=("held", "mean"), error=("error", "mean"), width=("width", "median"))
    return [{str(key): value for key, value in row.items()} for row in summary.reset_index().to_dict("records")]


def shown(table: list[dict[str, Any]]) -> str:
    """As text: coverage in per cent, beside it the mean error of the value in per cent."""
    names = ["mean", "sd", "mean_area", "mean_volume", "d10", "d50", "d90"]
    lines = [f"{'masks':10}{'variant':11}" + "".join(f"{name:>17}" for name in names)]
    for masks, variant in dict.fromkeys((row["masks"], row["variant"]) for row in table):
        cells = {row["statistic"]: row for row in table if (row["masks"], row["variant"]) == (masks, variant)}
        texts = [f"{100 * cells[name]['coverage']:.1f} ({cells[name]['error']:+.1f})" for name in names]
        lines.append(f"{masks:10}{variant:11}" + "".join(f"{text:>17}" for text in texts))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stacks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--between", type=float, default=0.0, help="sd of the micrographs' log medians")
    parser.add_argument("--microscopes", type=int, default=4, help="each has a model of its own, trained first")
    given = parser.parse_args()
    how = {"stacks": given.stacks, "seed": given.seed, "microscopes": given.microscopes, "between": given.between}
    found = run(given.out, **how)
    print(shown(table_of(found)))


if __name__ == "__main__":
    main()
