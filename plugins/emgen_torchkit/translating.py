"""What contrast GANs share: the 2nd generation out of a trained network, and that network's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from emgen.errors import ModelError
from emgen.stages import FloatArray, Stack
from emgen_torchkit import state
from emgen_torchkit.images import to_image, to_tensor

_BATCH = 16
_FILE = "weights.safetensors"


def translate(net: nn.Module, source_NHW: Stack, device: str) -> FloatArray:
    """(N, H, W) float32 in [0, 1] -> the same, through a network from (B, 1, H, W) to as much, in [-1, 1]."""
    net.eval()
    parts = []
    for start in range(0, len(source_NHW), _BATCH):
        x_B1HW = to_tensor(source_NHW[start : start + _BATCH], device)[:, None]
        with torch.inference_mode():
            parts.append(to_image(net(x_B1HW))[:, 0])
    return np.concatenate(parts)


def save(net: nn.Module, folder: Path) -> None:
    """All that ``translate`` needs."""
    folder.mkdir(parents=True, exist_ok=True)
    state.save(folder / _FILE, {"translator": net})


def load(net: nn.Module, folder: Path, name: str) -> None:
    """Raises ``ModelError`` where the folder holds no weights of such a network; ``name``: of the plugin."""
    try:
        state.load(folder / _FILE, {"translator": net})
    except (OSError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{folder}: no usable {name} weights ({error}). Was it saved with another width or number of blocks?"
        ) from error
