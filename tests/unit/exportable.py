"""Plugins of the export tests: the fake downstream task with an ONNX graph, made without torch; and some that fail."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from emgen import hookimpl
from emgen.host import Host
from emgen.model import save_model
from emgen.registration import ModalityPlugin, StagePlugin
from emgen.testing import fakes
from emgen.testing.fake_stages import LogisticThreshold
from emgen.testing.fakes import TaskConfig

MOMENTS = {"inside": 0.7, "outside": 0.3, "noise": 0.05}


class Exportable(LogisticThreshold):
    """The logistic curve as an ONNX graph."""

    error = 0.0

    def export_onnx(self, path: Path) -> None:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        inside, outside = self.moments["inside"], self.moments["outside"]
        slope = self.sharpness / (inside - outside)
        numbers = {"slope": slope, "offset": -slope * (inside + outside) / 2 + self.error}
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1, "H", "W"])
            for name in ("image", "probability")
        ]
        nodes = [
            helper.make_node("Mul", ["image", "slope"], ["scaled"]),
            helper.make_node("Add", ["scaled", "offset"], ["moved"]),
            helper.make_node("Sigmoid", ["moved"], ["probability"]),
        ]
        constants = [numpy_helper.from_array(np.float32(value), name) for name, value in numbers.items()]
        graph = helper.make_graph(nodes, "curve", ends[:1], ends[1:], constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


class Inexact(Exportable):
    """Exports a curve that is not quite its own."""

    error = 0.01


class Unsettled(Inexact):
    """Takes the last bit of a pixel for a difference, as a hardly trained network may."""

    def predict(self, image_NHW):
        return (super().predict(image_NHW) + 0.1 * (image_NHW.view(np.int32) & 1)).clip(0, 1).astype(np.float32)


class Failing(Exportable):
    """Cannot write what it says it can."""

    def export_onnx(self, path: Path) -> None:
        raise RuntimeError("an operator is missing")


def gamma(image_HW: np.ndarray) -> np.ndarray:
    """A normalisation that is no line between percentiles."""
    low, high = float(image_HW.min()), float(image_HW.max())
    return np.sqrt((image_HW.astype(np.float32) - low) / (high - low))


@hookimpl
def emgen_downstream_tasks() -> list[StagePlugin]:
    return [
        StagePlugin(name=name, config=TaskConfig, create=f"exportable:{create}", summary="for tests")
        for name, create in (
            ("exportable", "Exportable"),
            ("inexact", "Inexact"),
            ("unsettled", "Unsettled"),
            ("failing", "Failing"),
        )
    ]


@hookimpl
def emgen_modalities() -> list[ModalityPlugin]:
    return [ModalityPlugin(name="gamma", polarity="bright", normalise="exportable:gamma")]


def host() -> Host:
    """The fakes, these, and what the other slots of a model need of what comes with emgen."""
    packages = ("masks", "modalities", "npssegnet", "readers", "segmenters")
    plugins = [import_module(f"emgen_{package}.plugin") for package in packages]
    return Host.from_modules([fakes, sys.modules[__name__], *plugins])


def write_model(folder: Path, task: str = "exportable", modality: str = "haadf-stem", **more: object) -> Path:
    """A model folder of the fake task, which calls bright what is above the middle of its moments."""
    folder.mkdir(parents=True)
    stage = Exportable(TaskConfig())
    stage.moments = dict(MOMENTS)
    facts = {"modality": modality, "polarity": "bright", "working_diameter": 14.0, "provenance": {"simulated": True}}
    save_model(folder, stage, task_name=task, config=TaskConfig().model_dump(), **facts, **more)  # type: ignore[arg-type]
    return folder
