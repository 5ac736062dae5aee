"""Between numpy stacks in [0, 1] and tensors in [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from emgen.stages import FloatArray


def to_tensor(image: np.ndarray, device: str) -> Tensor:
    """[0, 1] -> [-1, 1], on the device."""
    return torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32)).to(device) * 2 - 1


def to_image(tensor: Tensor) -> FloatArray:
    """[-1, 1] -> [0, 1], clipped, as float32 numpy."""
    image: FloatArray = ((tensor.detach().float() + 1) / 2).clamp(0, 1).cpu().numpy()
    return image


def pad_to_multiple(x_BCHW: Tensor, multiple: int) -> Tensor:
    """Pads bottom and right by repeating the border; cut with ``[..., :h, :w]``."""
    h, w = x_BCHW.shape[-2:]
    return torch.nn.functional.pad(x_BCHW, (0, -w % multiple, 0, -h % multiple), mode="replicate")


def flip(image: np.ndarray, code: int) -> np.ndarray:
    """One of the four flips (``code`` 0 … 3) of the last two axes: bit 0 left and right, bit 1 up and down.

    No quarter turns: noise and jitter of a scanned image run along its lines, and turned they run across.
    """
    image = image[..., ::-1] if code & 1 else image
    return image[..., ::-1, :] if code & 2 else image
