"""A UNet made for the clock: plain 3 x 3 convolutions only, none of them at full resolution.

Depthwise convolutions save multiplications but wait for memory; on a CPU plain ones on few channels are several times
faster. Most time goes into the finest level of a UNet, so this one begins at half the resolution: the 2 x 2 pixels
there are channels (pixel unshuffle), and the last layer gives four pixels back (Shi et al. 2016, section 3.2), so
outlines keep their full resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

STRIDE = 2
"""Of the finest level."""


class CompactUNet(nn.Module):
    """(B, in, H, W) -> logits (B, out, H, W), H and W multiples of 32. ``widths``: channels, coarse to fine.

    Two convolutions a level and one at the finest; skip connections are added, not concatenated.
    """

    def __init__(self, widths: Sequence[int], in_channels: int = 1, out_channels: int = 1) -> None:
        super().__init__()
        fine_first = list(widths)[::-1]
        self.first = _block(in_channels * STRIDE**2, fine_first[0])
        self.down = nn.ModuleList([_block(fine_first[0], fine_first[0])])
        for fine, coarse in pairwise(fine_first):
            self.down.append(nn.Sequential(_block(fine, coarse, stride=2), _block(coarse, coarse)))
        self.narrow = nn.ModuleList()
        self.up = nn.ModuleList()
        for coarse, fine in pairwise(widths):
            self.narrow.append(nn.Conv2d(coarse, fine, 1))
            self.up.append(_block(fine, fine))
        self.last = nn.Conv2d(fine_first[0], out_channels * STRIDE**2, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x = self.first(nn.functional.pixel_unshuffle(x_BCHW, STRIDE))
        levels = []
        for down in self.down:
            x = down(x)
            levels.append(x)
        for narrow, up, skip in zip(self.narrow, self.up, levels[-2::-1], strict=True):
            x = up(nn.functional.interpolate(narrow(x), scale_factor=2.0, mode="bilinear") + skip)
        logits: Tensor = nn.functional.pixel_shuffle(self.last(x), STRIDE)
        return logits


def _block(inp: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inp, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))
