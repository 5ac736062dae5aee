"""Deep features of micrographs from the shipped encoder: for metrics that need no download."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from emgen.model import LARGE, model_folder
from emgen.stages import FloatArray, Stack
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_npssegnet.task import NPsSegNet, scaled

_BATCH = 16


@lru_cache(maxsize=1)
def _network() -> NPsSegNet:
    task = NPsSegNet(NPsSegNetConfig())
    task.load(model_folder(LARGE))
    return task


def encoder_features(image_NHW: Stack, device: str = "cpu") -> FloatArray:
    """(N, H, W) float32 in [0, 1] -> (N, D): every level of the encoder below the finest, averaged over space.

    The weights were trained on phantom micrographs; say so beside a number made from them.
    """
    net = _network().net.to(device)
    rows = []
    with torch.inference_mode():
        for i in range(0, len(image_NHW), _BATCH):
            x = torch.from_numpy(np.asarray(image_NHW[i : i + _BATCH], dtype=np.float32))[:, None]
            x = torch.nn.functional.pad(x, (0, -x.shape[-1] % 32, 0, -x.shape[-2] % 32), mode="replicate")
            levels = net.encoder(scaled(x).to(device))[2:]
            rows.append(torch.cat([level.mean((2, 3)) for level in levels], 1).cpu().numpy())
    return np.concatenate(rows)
