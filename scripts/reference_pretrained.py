"""Writes ``domain.json`` of the models that the package ships: what micrographs of their domain look like to them.

    python scripts/reference_pretrained.py plugins/emgen_npssegnet/pretrained
    python scripts/reference_pretrained.py plugins/emgen_npssegnet/pretrained-large

Phantoms as ``train_pretrained.py`` draws them, of another seed: whole micrographs of 256 to 512 px a side in place of
crops, normalised as a microscope's files are, and segmented as any other micrograph. Half of them say where the domain
lies, the other half what a score of one that belongs to it is. What another kind of imaging makes of a micrograph is
learnt from bright-field phantoms as they are; an inverted dark-field one is less like these than it seems.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from train_pretrained import COVERAGES, HELD, INVERTED_SHARE, MEDIANS

from emgen.data.stack import modality_normalise
from emgen.domain import learn_reference
from emgen.host import load_host
from emgen.model import load_model
from emgen.testing.phantoms import Phantom, phantom_micrographs

SIDES = (256, 512)
ALTERED = 60
SEED = 7 * HELD  # far from the training's, and from that of its figures


def draw(index: int, seed: int, modality: str) -> Phantom:
    """One phantom as ``train_pretrained.sample`` draws them."""
    rng = np.random.default_rng([seed, index])
    median = math.exp(rng.uniform(*np.log(MEDIANS)))
    factor = math.exp(rng.uniform(math.log(max(0.35, median / 80)), math.log(min(1.8, median / 5))))
    coverage = math.exp(rng.uniform(*np.log(COVERAGES)))
    height, width = rng.integers(SIDES[0], SIDES[1], 2, endpoint=True)
    (phantom,) = phantom_micrographs(
        1,
        (int(height), int(width)),
        modality=modality,
        seed=seed * 1_000_000 + index,
        diameter=median / factor,
        coverage=coverage,
    )
    return phantom


class Drawn(Sequence[np.ndarray]):
    """Normalised (H, W) images of phantoms 0 ... count - 1, drawn when they are asked for."""

    def __init__(self, count: int, normalise: Callable[[np.ndarray], np.ndarray]) -> None:
        self.count, self.normalise = count, normalise

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        inverted = np.random.default_rng([SEED, index, 1]).random() < INVERTED_SHARE
        image_HW = draw(index, SEED, "bf-tem" if inverted else "haadf-stem").image_HW
        return self.normalise(1 - image_HW if inverted else image_HW)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--micrographs", type=int, default=600)
    a = parser.parse_args()
    model, normalise = load_model(a.model).accelerate(), modality_normalise(load_host(), "haadf-stem")
    done = lambda count: print(f"{count} of {a.micrographs}", flush=True) if count % 50 == 0 else None
    images = Drawn(a.micrographs, normalise)
    instead = {"inverted": lambda index: normalise(draw(index, SEED + 1, "bf-tem").image_HW)}
    reference = learn_reference(images, model, normalise, SEED, altered=ALTERED, instead=instead, done=done)
    print(reference.save(a.model), {alpha: reference.threshold(alpha) for alpha in (0.05, 0.01)})


if __name__ == "__main__":
    main()
