"""What both GANs share: discriminators, the least-squares loss, the image pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from emgen_torchkit.networks import PatchDiscriminator, encoder_decoder, initialise

DiscriminatorKind = Literal["unet++", "patch"]


def discriminator(
    kind: DiscriminatorKind,
    in_channels: int,
    *,
    width: int,
    layers: int,
    encoder: str,
    decoder_channels: Sequence[int],
) -> nn.Module:
    """``patch``: a verdict per patch; ``unet++``: a verdict per pixel."""
    if kind == "unet++":
        return encoder_decoder("unet++", encoder, decoder_channels, in_channels=in_channels)
    net = PatchDiscriminator(in_channels, width, layers)
    initialise(net)
    return net


def verdict_loss(verdict: Tensor, real: bool) -> Tensor:
    """Least squares (Mao et al. 2017): mean (D - 1)² against real, mean D² against generated."""
    return torch.mean((verdict - float(real)) ** 2)


class ImagePool:
    """The last images generated, shown again to the discriminator (Shrivastava et al. 2017; CycleGAN, section 4).

    Half of the queries return an older image and keep the new one in its place. ``images`` and ``count`` are part of
    a checkpoint.
    """

    def __init__(self, size: int, shape_CHW: tuple[int, int, int], device: str) -> None:
        self.images = torch.zeros((max(size, 1), *shape_CHW), device=device)
        self.count = torch.zeros((), dtype=torch.int64)
        self.size = size

    def exchange(self, image_BCHW: Tensor, rng: np.random.Generator) -> Tensor:
        if self.size == 0:
            return image_BCHW
        return torch.stack([self._one(image, rng) for image in image_BCHW.detach()])

    def _one(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        count = int(self.count)
        if count < self.size:
            self.images[count] = image
            self.count += 1
            return image
        if rng.random() < 0.5:
            return image
        slot = int(rng.integers(self.size))
        old = self.images[slot].clone()
        self.images[slot] = image
        return old
