"""Between numpy stacks in [0, 1] and tensors in [-1, 1]."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emgen.stages import Context, FloatArray, Stack
from emgen_torchkit.parallel import share

IntArray = NDArray[np.int64]
_DITHER = 0.5 / 255


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


def flip_codes(count: int, augmentations: Collection[str] | None, rng: np.random.Generator) -> IntArray:
    """(count,) codes for ``flip``, drawn evenly; all 0 where the modality's augmentations hold no flip."""
    drawn: IntArray = rng.integers(4, size=count)
    return drawn if augmentations is None or "flip" in augmentations else np.zeros_like(drawn)


def draw_dithered(stack: Stack, count: int, rng: np.random.Generator, context: Context) -> Tensor:
    """(count, 1, H, W): distinct images where there are enough, flipped at random, dithered by half a grey level.

    Where several processes train together, this process's share of them.

    Without dither a discriminator would tell a micrograph by its grey levels of 8 bit, and in a flat crop (vacuum)
    every instance normalisation would meet a variance of zero: over a cycle, gradients multiply to infinity.
    """
    chosen = rng.choice(len(stack), count, replace=len(stack) < count)
    codes = flip_codes(count, context.augmentations, rng)
    dither = share(rng.uniform(-_DITHER, _DITHER, (count, *stack.shape[1:])))
    pairs = zip(share(chosen), share(codes), strict=True)
    images = [flip(np.asarray(stack[int(i)], np.float32), int(c)) for i, c in pairs]
    return to_tensor(np.stack(images) + dither, context.device)[:, None]


def flip(image: np.ndarray, code: int) -> np.ndarray:
    """One of the four flips (``code`` 0 … 3) of the last two axes: bit 0 left and right, bit 1 up and down.

    No quarter turns: noise and jitter of a scanned image run along its lines, and turned they run across.
    """
    image = image[..., ::-1] if code & 1 else image
    return image[..., ::-1, :] if code & 2 else image
