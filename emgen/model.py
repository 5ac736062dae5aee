"""A trained segmentation model as a folder: what ``segment`` takes, whatever task trained it.

A model folder holds ``model.json`` (task, settings, modality, working diameter, provenance) and what the task saved.
An ONNX file that ``emgen export`` wrote stands in its place wherever a model is read (``emgen.exporting.onnx_task``).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emgen.errors import ModelError
from emgen.memory import keep_freed_memory
from emgen.registration import ReaderPlugin, StagePlugin
from emgen.stages import Context, DownstreamTask, FloatArray, LabelArray, Polarity, RoughSegmenter, Stack

if TYPE_CHECKING:
    from emgen.domain import Reference
    from emgen.host import Host
    from emgen.sizes.response import Response

FORMAT = 1
INFO = "model.json"
FINDER = "finder"
PRETRAINED, LARGE = "pretrained", "pretrained-large"
"""What the package ships: a model made for the clock, and a larger one, whose encoder metrics look at images with."""
SHIPPED = (PRETRAINED, LARGE)
EXPORTED = ".onnx"
ENOUGH = 5
"""Fewer rough particles than this say too little about a micrograph's scale (as in ``emgen.engine.scale``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """One micrograph's result at its own size: instances, probability, and the factor it was resized by."""

    label_HW: LabelArray
    probability_HW: FloatArray
    factor: float


def model_folder(ref: str | Path, host: Host | None = None) -> Path:
    """The folder of a model (a path, a run folder with its ``model/``, one of ``SHIPPED``), or an exported file."""
    if str(ref) in SHIPPED:
        return _shipped(str(ref), host)
    folder = Path(ref)
    if folder.suffix.lower() == EXPORTED and not folder.is_dir():
        if folder.is_file():
            return folder
        raise ModelError(f"{folder}: no such file. `emgen export MODEL --format onnx` writes one.")
    for candidate in (folder, folder / "model"):
        if (candidate / INFO).is_file():
            return candidate
    raise ModelError(
        f"{folder}: no model there ({INFO} is missing). Give a run's `model/` folder, a file that `emgen export` wrote "
        f"(`{EXPORTED}`), or the word `{PRETRAINED}` or `{LARGE}`."
    )


def _shipped(name: str, host: Host | None) -> Path:
    from emgen.host import load_host

    for registered in (host or load_host()).plugins("downstream_task").values():
        resource: str | None = getattr(registered.plugin, "pretrained", None)
        if resource:
            package, _, folder = resource.partition(":")
            path = Path(str(files(package))) / f"{folder}{name.removeprefix(PRETRAINED)}"
            if (path / INFO).is_file():
                return path
    raise ModelError("no installed plugin ships pretrained weights; give a model folder instead")


def read_info(ref: str | Path) -> dict[str, Any]:
    """``model.json`` of a model, also of an exported one.

    Raises ``ModelError`` when it is missing, unreadable or of another format.
    """
    folder = model_folder(ref)
    if folder.is_file():
        from emgen.exporting.onnx_task import read_exported_info

        return read_exported_info(folder)
    try:
        info: dict[str, Any] = json.loads((folder / INFO).read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / INFO}: not readable ({error})") from error
    if info.get("format") != FORMAT:
        raise ModelError(f"{folder / INFO}: format {info.get('format')!r}; this emgen reads format {FORMAT}")
    return info


def save_model(
    folder: Path,
    task: DownstreamTask,
    *,
    task_name: str,
    config: Mapping[str, Any],
    modality: str,
    polarity: Polarity,
    working_diameter: float,
    provenance: Mapping[str, Any],
    scale: Mapping[str, Any] | None = None,
    smallest_diameter: float | None = None,
    finder: Path | None = None,
    reader: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model folder.

    ``smallest_diameter``: px at the working scale; hardly any particle of the training labels is smaller, so what the
    model finds below is no particle that it knows and is dropped. ``None``: nothing is.

    ``scale``: how micrographs were brought to the working scale in training, done again in prediction: ``segmenter``
    and ``config`` of the rough segmenter, and ``factors``, the least, median and greatest factor. ``None``: the model
    finds the scale itself, which only one that was trained at many scales can. ``finder``: a folder with what that
    rough segmenter has learnt from the stack, if it has; it is copied.

    ``reader``: what read the micrographs, and its settings, where the spec named one; the next ones are read by it too.

    ``provenance`` is recorded as it is; its ``simulated`` says whether simulated images had a part in the weights.
    """
    task.save(folder)
    info = {
        "format": FORMAT,
        "task": task_name,
        "config": dict(config),
        "modality": modality,
        "polarity": polarity,
        "working_diameter": working_diameter,
        "smallest_diameter": smallest_diameter,
        "scale": dict(scale) if scale else None,
        "reader": dict(reader) if reader else None,
        "simulated": bool(provenance.get("simulated", False)),
        "provenance": dict(provenance),
    }
    if finder is not None and scale:
        shutil.copytree(finder, folder / FINDER, dirs_exist_ok=True)
    (folder / INFO).write_text(json.dumps(info, indent=1, sort_keys=True))


def model_digest(folder: Path) -> str:
    """SHA-256 over every weight file of a model folder, or over an exported file: equal digests mean equal models."""
    digest = hashlib.sha256()
    for path in [folder] if folder.is_file() else sorted(folder.glob("*.safetensors")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def reading_host(model: str | Path | Model, host: Host) -> Host:
    """The host that reads micrographs as those were read that a model was trained on.

    Raises ``UnknownPluginError`` where that reader is not installed. A model that is none says so when it is loaded.
    """
    from emgen.spec.slots import plugin_config, slot_class

    try:
        info = model.info if isinstance(model, Model) else read_info(model)
    except ModelError:
        return host
    if not (chosen := info.get("reader")):
        return host
    plugin = host.find("reader", chosen["uses"]).plugin
    assert isinstance(plugin, ReaderPlugin)
    return host.reading_by(plugin.name, plugin_config(slot_class(plugin)(**chosen)))


def load_model(ref: str | Path, *, host: Host | None = None, device: str = "auto") -> Model:
    """Loads a model folder, an exported file or ``pretrained``. Raises ``ModelError``, ``PreflightError``."""
    from emgen.host import load_host

    host = host or load_host()
    folder = model_folder(ref, host)
    if folder.is_file():
        from emgen.exporting.onnx_task import load_exported

        return load_exported(folder, host=host, device=device)
    from emgen.domain import Reference
    from emgen.engine.device import pick_device
    from emgen.sizes.response import read_response

    info = read_info(folder)
    registered = host.find("downstream_task", info["task"])
    context = Context(device=pick_device(device), polarity=info["polarity"])
    assert isinstance(registered.plugin, StagePlugin)
    task = registered.create(registered.plugin.config(**info["config"]), context)
    task.load(folder)
    return Model(task, info, scale_finder(folder, info, host, context), read_response(folder), Reference.load(folder))


def scale_finder(folder: Path, info: Mapping[str, Any], host: Host, context: Context) -> RoughSegmenter | None:
    """The rough segmenter that brought the micrographs to the working scale in training; ``None`` where none did.

    ``folder``: a model folder; what the segmenter has learnt is in its ``finder/``.
    """
    if not info.get("scale"):
        return None
    registered = host.find("rough_segmenter", info["scale"]["segmenter"])
    assert isinstance(registered.plugin, StagePlugin)
    finder: Any = registered.create(registered.plugin.config(**info["scale"]["config"]), context)
    if (folder / FINDER).is_dir():
        finder.load(folder / FINDER)
    made: RoughSegmenter = finder
    return made


class Predictor(Protocol):
    """What a model needs of a downstream task."""

    def predict(self, image_NHW: Stack) -> FloatArray:
        """(N, H, W) float32 images at the working scale -> (N, H, W) float32 probability of particle."""
        ...


class Model:
    """A trained task that knows the particle size it works at.

    ``response``: what it does to sizes, where its run has measured that. ``domain``: what the micrographs that it was
    made for look like to it, where that is known.
    """

    def __init__(
        self,
        task: Predictor,
        info: dict[str, Any],
        finder: RoughSegmenter | None = None,
        response: Response | None = None,
        domain: Reference | None = None,
    ) -> None:
        self.task, self.info, self.finder, self.response, self.domain = task, info, finder, response, domain
        self.modality: str = info["modality"]
        self.polarity: Polarity = info["polarity"]
        self.working_diameter: float = info["working_diameter"]
        self.smallest_diameter: float = info.get("smallest_diameter") or 0.0

    def accelerate(self, precision: str = "auto") -> Model:
        """Makes prediction as fast as this machine allows, for many images; takes about a second. Returns itself.

        ``precision``: ``auto`` takes shorter arithmetic where the processor has it, ``float32`` never does. Tasks and
        rough segmenters that offer no ``accelerate`` stay as they are.
        """
        keep_freed_memory()
        for part in (self.task, self.finder):
            if (faster := getattr(part, "accelerate", None)) is not None:
                faster(precision)
        return self

    def segment(self, image_HW: FloatArray, factors: tuple[float, ...] | None = None) -> Segmentation:
        """(H, W) float32 in [0, 1] of any size -> instances and probability of the same size.

        The micrograph is resized as those were that the model was trained on: by the particles that the rough segmenter
        finds in it. A model that was trained at many scales finds the best itself. ``factors`` goes over both.
        """
        from emgen.multiscale import segment_at_best_scale

        image_HW = np.asarray(image_HW, np.float32)
        if factors is None and self.finder is not None:
            factors = (self.factor(image_HW),)
        return segment_at_best_scale(
            self.probability, image_HW, self.working_diameter, factors, smallest=self.smallest_diameter
        )

    def factor(self, image_HW: FloatArray) -> float:
        """Working scale over the micrograph's own, by its rough particles; the stack's median where they are few."""
        assert self.finder is not None
        return factor_by_rough_particles(self.finder, image_HW, self.working_diameter, self.info["scale"]["factors"])

    def probability(self, image_HW: FloatArray) -> FloatArray:
        """(H, W) at the working scale -> (H, W) probability, tiled with blended overlap."""
        from emgen.data.tiling import LARGEST_TILE, OVERLAP, predict_tiled

        largest = getattr(self.task, "largest_tile", LARGEST_TILE)
        return predict_tiled(self.task.predict, image_HW, largest=largest, overlap=OVERLAP)


def factor_by_rough_particles(
    finder: RoughSegmenter, image_HW: FloatArray, working_diameter: float, factors: Sequence[float]
) -> float:
    """Working scale over the micrograph's own, by what a rough segmenter finds in it.

    ``factors``: least, median and greatest factor of the training; the median is taken where particles are few.
    """
    from emgen.data.resize import worthwhile
    from emgen.particles import equivalent_diameters, typical_diameter

    least, median, greatest = factors
    rough_HW = finder.segment(image_HW[None])[0]
    typical = float(typical_diameter(rough_HW))
    if len(equivalent_diameters(rough_HW)) < ENOUGH or not np.isfinite(typical):
        return float(median)
    return worthwhile(float(np.clip(working_diameter / typical, least, greatest)))
