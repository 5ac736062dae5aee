"""Trains a model that the package ships: NPsSegNet on phantom micrographs alone.

    python scripts/train_pretrained.py OUT --network compact --images 8000 --steps 6000     # pretrained
    python scripts/train_pretrained.py OUT --network large --images 4000 --steps 3000       # pretrained-large

Each phantom is another material under another microscope. It is drawn at a random scale and resized, so that the
network sees the noise of magnified and of reduced micrographs; bright-field phantoms are inverted, so that particles
are always bright. The figures it prints, on phantoms of another seed, are recorded in the model's provenance.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import emgen
from emgen.data.resize import resize_labels, resize_to
from emgen.model import save_model
from emgen.stages import Context
from emgen.testing.phantoms import phantom_micrographs

CROP = 128
WORKING_DIAMETER = 14.0
MEDIANS = (6.0, 32.0)  # px at the working scale: a network for about a factor of two either way
COVERAGES = (0.03, 0.2)  # of the support by particles
INVERTED_SHARE = 0.25
NETWORKS: dict[str, dict[str, Any]] = {
    "compact": {"architecture": "compact", "encoder": "", "decoder_channels": (128, 64, 32, 16), "batch": 16},
    "large": {},
}
"""What differs from the preset ``quick``."""
HELD = 1_000_003  # added to the seed for the phantoms that figures are measured on


def sample(index: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One crop: image (CROP, CROP) float32, labels (CROP, CROP) int32."""
    rng = np.random.default_rng([seed, index])
    modality = "bf-tem" if rng.random() < INVERTED_SHARE else "haadf-stem"
    median = math.exp(rng.uniform(*np.log(MEDIANS)))
    factor = math.exp(rng.uniform(math.log(max(0.35, median / 80)), math.log(min(1.8, median / 5))))
    side = math.ceil(CROP / factor)
    coverage = math.exp(rng.uniform(*np.log(COVERAGES)))
    (phantom,) = phantom_micrographs(
        1,
        (side, side),
        modality=modality,
        seed=seed * 1_000_000 + index,
        diameter=median / factor,
        coverage=coverage,
    )
    image, label = resize_to(phantom.image_HW, (CROP, CROP)), resize_labels(phantom.label_HW, (CROP, CROP))
    return (1 - image if modality == "bf-tem" else image), label


def samples(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    with ProcessPoolExecutor(2) as pool:
        pairs = list(pool.map(partial(sample, seed=seed), range(count), chunksize=32))
    images = np.stack([a for a, _ in pairs]).astype(np.float16)  # 8 bit are as much as they hold
    return images.astype(np.float32), np.stack([b for _, b in pairs])


def figures(task: object, seed: int) -> dict[str, float]:
    """Dice and mean IoU, pooled over 600 phantoms of another seed."""
    image_NHW, label_NHW = samples(600, seed + HELD)
    found, true = task.predict(image_NHW) > 0.5, label_NHW > 0  # type: ignore[attr-defined]
    both, either = (found & true).sum(), (found | true).sum()
    ground = (~found & ~true).sum() / (~found | ~true).sum()
    return {"dice": float(2 * both / (found.sum() + true.sum())), "miou": float((both / either + ground) / 2)}


def main() -> None:
    from emgen_npssegnet.config import NPsSegNetConfig
    from emgen_npssegnet.task import NPsSegNet

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", choices=NETWORKS, default="compact")
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=6000)
    a = parser.parse_args()
    config = NPsSegNetConfig(
        **NPsSegNetConfig.presets["quick"] | {"max_steps": a.steps, "validation": 0.03} | NETWORKS[a.network]
    )
    print(f"drawing {a.images} phantoms", flush=True)
    image_NHW, label_NHW = samples(a.images, a.seed)

    def log(step: int, values: object) -> None:
        if step % 100 == 1 or "validation loss" in values:  # type: ignore[operator]
            print(step, values, flush=True)

    context = Context(seed=a.seed, log=log, scratch=a.out.with_suffix(".partial"))
    task = NPsSegNet(config, context)
    task.fit(image_NHW, label_NHW, context)
    measured = figures(task, a.seed)
    print(measured, flush=True)
    save_model(
        a.out,
        task,
        task_name="npssegnet",
        config=config.model_dump(mode="json"),
        modality="haadf-stem",
        polarity="bright",
        working_diameter=WORKING_DIAMETER,
        provenance={
            "made_by": "scripts/train_pretrained.py",
            "simulated": True,
            "network": a.network,
            "seed": a.seed,
            "images": a.images,
            "steps": a.steps,
            "phantoms": {"crop": CROP, "median_diameters": MEDIANS, "bright_field_share": INVERTED_SHARE},
            "figures_on_unseen_phantoms": measured,
            "emgen": emgen.__version__,
        },
    )


if __name__ == "__main__":
    main()
