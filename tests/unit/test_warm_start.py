"""NPsSegNet goes on from the weights of an earlier training, if it is told where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emgen.stages import Context
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_npssegnet.task import NPsSegNet

SETTINGS = {**NPsSegNetConfig.presets["check"], "max_steps": 1, "learning_rate": 1e-8, "weight_decay": 0.0}


def test_a_warm_start_has_the_weights_of_the_earlier_training_and_a_cold_one_has_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((4, 32, 32)).astype(np.float32)
    labels = (images > 0.5).astype(np.int32)

    def trained(seed: int, start_from: Path | None = None) -> NPsSegNet:
        context = Context(seed=seed, start_from=start_from)
        task = NPsSegNet(NPsSegNetConfig(**SETTINGS), context)
        task.fit(images, labels, context)
        return task

    earlier = trained(1)
    earlier.save(tmp_path)
    names = [name for name, _ in earlier.net.named_parameters()]
    warm, cold = (dict(task.net.named_parameters()) for task in (trained(2, tmp_path), trained(2)))
    before = dict(earlier.net.named_parameters())
    assert all(np.allclose(warm[name].detach(), before[name].detach(), atol=1e-6) for name in names)
    assert not all(np.allclose(cold[name].detach(), before[name].detach(), atol=1e-3) for name in names)
