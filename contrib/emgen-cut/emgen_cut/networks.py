"""The generator, whose first half is also the encoder, and the heads that embed patches. Plain arguments only.

Shapes: x_B1HW, B images in [-1, 1]; L layers of the encoder; P patches of an image; E the width of an embedding.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from emgen_torchkit.images import pad_to_multiple
from emgen_torchkit.networks import ResNetGenerator, initialise, zero_last_convolution

_STRIDE = 4  # two strided convolutions
_STEM = 3  # of ResNetGenerator.body: convolution, norm, activation; then two strided blocks, the residual blocks, …


class Translator(nn.Module):
    """Image to image in [-1, 1]: the input plus what the network changes in it.

    It starts as the identity (its last convolution is zero), so particles start, and are kept, where they are.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.net = ResNetGenerator(1, 1, width, blocks)
        initialise(self.net)
        zero_last_convolution(self.net)
        first, middle = _STEM + 2, _STEM + 2 + (blocks - 1) // 2
        self._taken = sorted({_STEM, _STEM + 1, first, middle})
        self.channels = [1] + [2 * width if i == _STEM else 4 * width for i in self._taken]

    def forward(self, x_B1HW: Tensor) -> Tensor:
        h, w = x_B1HW.shape[-2:]
        out: Tensor = x_B1HW + self.net(pad_to_multiple(x_B1HW, _STRIDE))[..., :h, :w]
        return out

    def features(self, x_B1HW: Tensor) -> Iterator[Tensor]:
        """Pixels, both strided convolutions, the first and the middle residual block: what the paper compares.

        Each (B, C, h, w), C as in ``channels``; H and W must be multiples of 4.
        """
        yield x_B1HW
        for index, layer in enumerate(self.net.body[: self._taken[-1] + 1]):
            x_B1HW = layer(x_B1HW)
            if index in self._taken:
                yield x_B1HW


class Heads(nn.Module):
    """One two-layer perceptron for each layer of the encoder; embeddings have length 1."""

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.of_layer = nn.ModuleList(
            nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width)) for c in channels
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight, gain=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, patch_BPC: Tensor, layer: int) -> Tensor:
        return nn.functional.normalize(self.of_layer[layer](patch_BPC), dim=-1)


def patches_at(feature_BChw: Tensor, place_P: Tensor) -> Tensor:
    """(B, P, C): the features at these places of the flattened map."""
    return feature_BChw.flatten(2)[:, :, place_P].transpose(1, 2)


def patch_nce(query_BPE: Tensor, key_BPE: Tensor, temperature: float) -> Tensor:
    """Park et al. 2020, equations 3 and 4: a patch must find itself among the others of the same image."""
    similarity_BPP = torch.bmm(query_BPE.float(), key_BPE.float().transpose(1, 2)) / temperature
    itself_BP = torch.arange(similarity_BPP.shape[1], device=similarity_BPP.device).expand(len(similarity_BPP), -1)
    return nn.functional.cross_entropy(similarity_BPP.transpose(1, 2), itself_BP)
