"""What both GANs share: discriminators, the least-squares loss, the image pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from emgen_torchkit.networks import PatchDiscriminator, encoder_decoder, initialise

DiscriminatorKind = Literal["unet++", "patch"]
DETAIL_WINDOW = 9  # px


class WithDetail(nn.Module):
    """A discriminator that sees the last channel a second time, without its local mean and ``gain`` times as strong.

    Noise and texture are a few hundredths of a micrograph's range. A fresh discriminator sees only brightness for
    hundreds of steps, in which it can't tell an image too smooth from a real one; with this channel it can in fifty.
    """

    def __init__(self, net: nn.Module, gain: float) -> None:
        super().__init__()
        self.net, self.gain = net, gain

    def forward(self, x_BCHW: Tensor) -> Tensor:
        image = x_BCHW[:, -1:]
        mean = nn.functional.avg_pool2d(image, DETAIL_WINDOW, 1, DETAIL_WINDOW // 2, count_include_pad=False)
        out: Tensor = self.net(torch.cat([x_BCHW, (image - mean) * self.gain], 1))
        return out


def discriminator(
    kind: DiscriminatorKind,
    in_channels: int,
    *,
    width: int,
    layers: int,
    encoder: str,
    decoder_channels: Sequence[int],
    detail: float = 0.0,
) -> nn.Module:
    """``patch``: a verdict per patch; ``unet++``: one per pixel. ``detail``: gain of ``WithDetail``, 0 without it."""
    channels = in_channels + (detail > 0)
    if kind == "unet++":
        net = encoder_decoder("unet++", encoder, decoder_channels, in_channels=channels)
    else:
        net = PatchDiscriminator(channels, width, layers)
        initialise(net)
    return WithDetail(net, detail) if detail else net


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
