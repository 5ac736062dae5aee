"""Networks with plain arguments, usable without emgen.

Shapes: x_BCHW, B images of C channels; H and W multiples of 32 for the UNet family, of 4 for ``ResNetGenerator``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from emgen_torchkit.compact import CompactUNet

Architecture = Literal["unet++", "unet", "deeplabv3+", "compact"]
_NAMES = {"unet++": "unetplusplus", "unet": "unet", "deeplabv3+": "deeplabv3plus"}
FULL_DECODER = (256, 128, 64, 32, 16)


def encoder_decoder(
    architecture: Architecture = "unet++",
    encoder: str = "resnet34",
    decoder_channels: Sequence[int] = FULL_DECODER,
    *,
    in_channels: int = 1,
    out_channels: int = 1,
    weights: str | None = None,
) -> nn.Module:
    """A network of segmentation-models-pytorch giving logits (B, out_channels, H, W).

    The encoder's depth is the number of decoder channels (UNet family); DeepLabV3+ takes its width from the first.
    ``compact`` is our own ``CompactUNet`` of these widths, which has no other encoder.
    """
    if architecture == "compact":
        return CompactUNet(decoder_channels, in_channels, out_channels)
    options: dict[str, object] = {"in_channels": in_channels, "classes": out_channels, "encoder_weights": weights}
    if architecture == "deeplabv3+":
        options["decoder_channels"] = int(decoder_channels[0])
    else:
        options |= {"decoder_channels": tuple(decoder_channels), "encoder_depth": len(decoder_channels)}
    net: nn.Module = smp.create_model(_NAMES[architecture], encoder, **options)
    return net


def _block(inp: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inp, out, 3, stride, 1, padding_mode="reflect"), nn.InstanceNorm2d(out, affine=True), nn.ReLU(True)
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _block(width, width),
            nn.Conv2d(width, width, 3, 1, 1, padding_mode="reflect"),
            nn.InstanceNorm2d(width, affine=True),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW + self.body(x_BCHW)


class ResNetGenerator(nn.Module):
    """The generator of CycleGAN (Zhu et al. 2017, appendix 7.2): strided convolutions, residual blocks, upsampling.

    Upsampling is nearest neighbour and convolution, which leaves no checkerboard. Gives values without activation.
    """

    def __init__(self, in_channels: int = 1, out_channels: int = 1, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        w = width
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, w, 7, 1, 3, padding_mode="reflect"),
            nn.InstanceNorm2d(w, affine=True),
            nn.ReLU(True),
            _block(w, 2 * w, 2),
            _block(2 * w, 4 * w, 2),
            *[_Residual(4 * w) for _ in range(blocks)],
            nn.Upsample(scale_factor=2),
            _block(4 * w, 2 * w),
            nn.Upsample(scale_factor=2),
            _block(2 * w, w),
            nn.Conv2d(w, out_channels, 7, 1, 3, padding_mode="reflect"),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(x_BCHW)
        return out


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017, appendix 6.1.2): a map of verdicts, each on a patch (70 px with three layers)."""

    def __init__(self, in_channels: int = 1, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for i in range(1, layers + 1):
            inp, out = width * min(2 ** (i - 1), 8), width * min(2**i, 8)
            stride = 2 if i < layers else 1
            parts += [nn.Conv2d(inp, out, 4, stride, 1), nn.InstanceNorm2d(out), nn.LeakyReLU(0.2, True)]
        parts.append(nn.Conv2d(width * min(2**layers, 8), 1, 4, 1, 1))
        self.body = nn.Sequential(*parts)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out: Tensor = self.body(x_BCHW)
        return out


def in_one_pass(net: nn.Module, *batches: Tensor) -> tuple[Tensor, ...]:
    """The network's answer to each batch, of one shape: at once, which is faster, where no layer mixes images.

    Batch normalisation does: there each batch goes alone.
    """
    if any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules()):
        return tuple(net(batch) for batch in batches)
    answers: tuple[Tensor, ...] = net(torch.cat(batches)).chunk(len(batches))
    return answers


def zero_last_convolution(net: nn.Module) -> None:
    """Sets the last convolution to zero, so that a residual generator starts as the identity."""
    last = [m for m in net.modules() if isinstance(m, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)


def initialise(net: nn.Module) -> None:
    """Weights from N(0, 0.02), as pix2pix and CycleGAN start."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
