"""CycleGAN on images that make it stumble."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emgen.stages import Context  # noqa: E402
from emgen_cyclegan.config import CycleGanConfig  # noqa: E402
from emgen_cyclegan.gan import CycleGan  # noqa: E402


@pytest.mark.parametrize("seed", [1, 2])
def test_flat_crops_of_vacuum_do_not_break_the_training(seed: int) -> None:
    """Without dither the losses of these seeds were not finite at step 4."""
    source = np.random.default_rng(seed).random((4, 64, 64), np.float32)
    config = CycleGanConfig(**{**CycleGanConfig.presets["quick"], "max_steps": 8})
    context = Context(seed=seed)
    gan = CycleGan(config, context)
    gan.fit(source, np.zeros((4, 64, 64), np.float32), context)
    assert np.isfinite(gan.translate(source, np.random.default_rng(0))).all()
