"""NPsSegNet's prediction on a CPU by OpenVINO: the same network, its layers fused, in bfloat16 where the CPU has it.

Measured in docs/explanation/performance.md. OpenVINO is asked for by ``NPsSegNet.accelerate`` alone: turning a network
into its form takes about a second, which few images are not worth. The network goes there as ONNX, whose equality with
the original ``emgen export`` checks for every model; OpenVINO's own converter would call its makers' server.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emgen.stages import FloatArray

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


def available() -> bool:
    return find_spec("openvino") is not None


class Compiled:
    """(B, 1, H, W) float32 in [0, 1] -> (B, H, W) probability, of any size.

    ``precision``: ``float32``, ``bfloat16``, or ``auto``, which is bfloat16 where the CPU computes it natively. As many
    threads as torch has.
    """

    def __init__(self, net: nn.Module, inverted: bool, precision: str = "auto") -> None:
        import openvino

        from emgen_npssegnet.to_onnx import write

        core = openvino.Core()
        native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = ("bfloat16" if native else "float32") if precision == "auto" else precision
        settings = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            write(net, inverted, path)
            graph = core.read_model(path.read_bytes())
        self._request = core.compile_model(graph, "CPU", settings).create_infer_request()

    def __call__(self, image_B1HW: FloatArray) -> FloatArray:
        probability_B1HW: FloatArray = self._request.infer({0: np.ascontiguousarray(image_B1HW)})[0]
        return probability_B1HW[:, 0].copy()
