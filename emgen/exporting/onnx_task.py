"""A model in an ONNX file, as ``emgen segment`` takes it: run by onnxruntime; torch is not needed, nor imported."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.errors import EmgenError, ModelError, PreflightError
from emgen.exporting.metadata import info_of, unpack
from emgen.stages import Context, FloatArray, Stack

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.model import Model
    from emgen.sizes.response import Response

INPUT, OUTPUT = "image", "probability"
"""Names in the graph, both (N, 1, H, W) float32 with N, H and W free."""
_BATCH = 16
_ERRORS_ONLY = 3


class OnnxTask:
    """Predicts with a network in an ONNX file: the ``predict`` of the downstream task that it was exported from.

    Attributes
    ----------
    metadata: the file's own texts by name, see ``emgen.exporting.metadata``.
    device: ``cpu`` or ``cuda``, where it runs.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        self.path = path
        self._session, self.device = _open(path, device)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        _check_ends(self._session, path)

    def predict(self, image_NHW: Stack) -> FloatArray:
        """(N, H, W) float32 images at the working scale -> (N, H, W) float32 probability of particle."""
        return np.concatenate([self._run(image_NHW[i : i + _BATCH]) for i in range(0, len(image_NHW), _BATCH)])

    def export_onnx(self, path: Path) -> None:
        """Copies the file."""
        try:
            shutil.copyfile(self.path, path)
        except OSError as error:
            raise ModelError(f"{self.path}: cannot be copied ({error}).") from error

    def _run(self, image_BHW: np.ndarray) -> FloatArray:
        image_B1HW = np.ascontiguousarray(image_BHW, np.float32)[:, None]
        probability_B1HW: FloatArray = self._session.run([OUTPUT], {INPUT: image_B1HW})[0]
        return probability_B1HW[:, 0]


def load_exported(path: Path, *, host: Host, device: str = "auto") -> Model:
    """The model of an ONNX file that ``emgen export`` wrote. Raises ``ModelError``, ``PreflightError``."""
    from emgen.model import Model, scale_finder
    from emgen.sizes.response import read_response

    task = OnnxTask(path, device)
    info = info_of(task.metadata, path)
    context = Context(device=task.device, polarity=info["polarity"])
    with tempfile.TemporaryDirectory() as folder:
        unpack(task.metadata, Path(folder), path)
        response = read_response(Path(folder))
        try:
            finder = scale_finder(Path(folder), info, host, context)
        except (EmgenError, ImportError) as error:
            raise ModelError(
                f"{path}: the model asks the rough segmenter {info['scale']['segmenter']!r} how large the particles of "
                f"a micrograph are, and that one cannot be used here: {error} Install what it needs."
            ) from error
    return Model(task, info, finder, response)


def read_exported_info(path: Path) -> dict[str, Any]:
    """What ``model.json`` of the exported model said, and ``exported``. Raises ``ModelError``, ``PreflightError``."""
    return info_of(OnnxTask(path, "cpu").metadata, path)


def read_exported_response(path: Path) -> Response | None:
    """What the model does to sizes, where its run has measured that. Raises ``ModelError``, ``PreflightError``."""
    from emgen.sizes.response import read_response

    with tempfile.TemporaryDirectory() as folder:
        unpack(OnnxTask(path, "cpu").metadata, Path(folder), path)
        return read_response(Path(folder))


def _open(path: Path, device: str) -> tuple[Any, str]:
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise PreflightError(
            f"{path}: ONNX files are run by onnxruntime, which is not installed: pip install 'emgen[onnx]'"
        ) from error
    where = _pick(device, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = _threads(os.environ)
    providers = ["CUDAExecutionProvider"] * (where == "cuda") + ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers), where
    except Exception as error:  # onnxruntime has no base class for its errors
        raise ModelError(
            f"{path}: not a readable ONNX file ({error}). It may be cut off, or something else: export it or copy it "
            "again."
        ) from error


def _pick(device: str, providers: list[str]) -> str:
    """``auto`` is the GPU if this onnxruntime can use one."""
    if device != "cpu" and "CUDAExecutionProvider" in providers:
        return "cuda"
    if device == "cuda":
        raise PreflightError(
            "device: cuda was asked for, but this onnxruntime runs on the CPU only. Install onnxruntime-gpu in its "
            "place, or write `--device cpu`."
        )
    return "cpu"


def _threads(environ: Mapping[str, str]) -> int:
    """As many as ``OMP_NUM_THREADS`` allows, as torch does; 0, which is every core, where it says nothing."""
    wanted = environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() else 0


def _check_ends(session: Any, path: Path) -> None:
    ends = [(end.name, end.type, len(end.shape)) for end in (*session.get_inputs(), *session.get_outputs())]
    if ends != [(INPUT, "tensor(float)", 4), (OUTPUT, "tensor(float)", 4)]:
        found = ", ".join(f"{name} {kind} of {axes} axes" for name, kind, axes in ends)
        raise ModelError(
            f"{path}: an ONNX file, but not one that emgen exported: it has {found}; `{INPUT}` and `{OUTPUT}`, float "
            "of 4 axes, are expected. Give a file that `emgen export MODEL --format onnx` wrote."
        )
