"""NPsSegNet as an ONNX graph: all that ``predict`` does, so that a file needs nothing around it."""

from __future__ import annotations

import copy
import inspect
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from emgen.exporting.onnx_task import INPUT, OUTPUT
from emgen_npssegnet.task import Probability
from emgen_torchkit.images import pad_to_multiple

OPSET = 17
"""Of 2022: any onnxruntime since 1.12 reads it."""
_FREE = {0: "N", 2: "H", 3: "W"}


class Whole(nn.Module):
    """(N, 1, H, W) in [0, 1] -> (N, 1, H, W) probability: padded, scaled, through the network, cut back."""

    def __init__(self, net: nn.Module, inverted: bool) -> None:
        super().__init__()
        self.probability = Probability(net, inverted)

    def forward(self, image_N1HW: Tensor) -> Tensor:
        h, w = image_N1HW.shape[-2:]
        probability_NHW: Tensor = self.probability(pad_to_multiple(image_N1HW, 32))
        return probability_NHW[:, None, :h, :w]


def write(net: nn.Module, inverted: bool, path: Path) -> None:
    """Writes the graph with its weights. The network itself stays where and as it is."""
    whole = Whole(copy.deepcopy(net).to("cpu", memory_format=torch.contiguous_format), inverted).eval()
    example_N1HW = torch.full((2, 1, 64, 96), 0.5)  # neither square nor one, so that no size is taken for a constant
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # on sizes that Python sees while tracing; the result is compared afterwards
        torch.onnx.export(
            whole,
            (example_N1HW,),
            str(path),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: _FREE, OUTPUT: _FREE},
            opset_version=OPSET,
            **_by_tracing(),
        )


def _by_tracing() -> dict[str, bool]:
    """torch before 2.5 knows no other way and no such argument."""
    return {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
