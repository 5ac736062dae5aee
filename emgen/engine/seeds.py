"""One seed in the spec, one for each step: changing a step's number of draws shifts no other step."""

from __future__ import annotations

import hashlib

import numpy as np


def step_seed(seed: int, step: str) -> int:
    """A 31-bit seed from the spec's seed and the name of the step, the same on every machine.

    >>> step_seed(0, "train_morphology") == step_seed(0, "train_morphology")
    True
    >>> step_seed(0, "train_morphology") == step_seed(0, "train_contrast")
    False
    """
    digest = hashlib.sha256(f"{seed}:{step}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def batch_rng(seed: int, start: int) -> np.random.Generator:
    """The generator of the batch that begins at image ``start``: a resumed step draws what an unbroken one draws."""
    return np.random.default_rng([seed, start])
