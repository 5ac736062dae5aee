"""Trains each of the three networks with settings of seconds: alone, or as one of several processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from emgen.stages import Context

STAGES = ("pix2pix", "cyclegan", "npssegnet")
SMALL: dict[str, Any] = {"encoder": "tu-mobilenetv3_small_100", "decoder_channels": (16, 8, 8)}


def fit(stage: str, folder: Path, rank: int = 0, world: int = 1, steps: int = 3) -> None:
    """The trained stage, saved into ``folder``; a step takes four images."""
    context = Context(seed=1, rank=rank, world=world)
    trained = _made(stage, context, steps)
    image_NHW, label_NHW = _pairs()
    stacks = {"pix2pix": (label_NHW, image_NHW), "cyclegan": (image_NHW, 1 - image_NHW)}
    trained.fit(*stacks.get(stage, (image_NHW, label_NHW)), context)
    trained.save(folder)


def _made(stage: str, context: Context, steps: int) -> Any:
    if stage == "pix2pix":
        from emgen_pix2pix.gan import Pix2Pix, Pix2PixConfig

        return Pix2Pix(Pix2PixConfig(**SMALL, max_steps=steps, batch=4, patch_width=4, patch_layers=1), context)
    if stage == "cyclegan":
        from emgen_cyclegan.gan import CycleGan, CycleGanConfig

        small: dict[str, Any] = {"generator_width": 4, "generator_blocks": 1, "patch_width": 4, "patch_layers": 1}
        return CycleGan(CycleGanConfig(**small, max_steps=steps, batch=4, pool=5), context)
    from emgen_npssegnet.task import NPsSegNet, NPsSegNetConfig

    return NPsSegNet(NPsSegNetConfig(**SMALL, start_from=None, encoder_weights=None, max_steps=steps, batch=4), context)


def _pairs() -> tuple[Any, Any]:
    """(16, 64, 64) bright squares on noise, and their labels."""
    rng = np.random.default_rng(0)
    label_NHW = np.zeros((16, 64, 64), np.int32)
    for label_HW in label_NHW:
        for number, corner in enumerate(((4, 4), (36, 30), (10, 44)), start=1):
            y, x = corner + rng.integers(0, 8, 2)
            label_HW[y : y + 11, x : x + 11] = number
    image_NHW = rng.uniform(0.2, 0.4, label_NHW.shape) + 0.4 * (label_NHW > 0)
    return image_NHW.astype(np.float32), label_NHW


def main(out: Path) -> None:
    """One of the processes; each stage into a folder of its name, by the first."""
    import torch.distributed as dist

    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", init_method=f"file://{out}/meeting", rank=rank, world_size=world)
    for stage in STAGES:
        fit(stage, out / f"{stage}-{rank}", rank, world)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
