"""The description of a model as bioimage.io wants it (model description 0.5): tensors, sample, texts, weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.errors import UnknownPluginError
from emgen.exporting.bioimageio_texts import About, cover, one_line, picture, readme, title
from emgen.exporting.compare import TOLERANCE, phantom
from emgen.exporting.metadata import info_of
from emgen.exporting.onnx_task import INPUT, OUTPUT, OnnxTask
from emgen.exporting.percentiles import percentiles_of

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.stages import FloatArray

SMALLEST, STEP, HALO = 128, 32, 32
"""Sides that are offered, px; and what is cut from each border of a tile, half of what emgen's own tiles overlap."""
COUNTS = (500.0, 40000.0)
"""Least and greatest intensity of the sample where the package normalises it: like a detector's counts."""
PAPER = "Yuan et al., npj Computational Materials (2025): segmentation without labels by a tandem GAN"
PAPER_DOI = "10.1038/s41524-025-01800-5"
TAGS = ("2d", "electron-microscopy", "nanoparticles", "materials-science", "segmentation", "onnx", "emgen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A phantom micrograph as the package takes it, the same normalised, and what the model makes of it.

    ``percentiles``: those that the normalisation puts at 0 and 1; ``None``: the package expects normalised input.
    """

    input_HW: FloatArray
    unit_HW: FloatArray
    probability_HW: FloatArray
    percentiles: tuple[float, float] | None


def describe(folder: Path, about: About, host: Host) -> Any:
    """A ``ModelDescr`` of the weights ``model.onnx`` in ``folder``, where the files that it names are written."""
    import onnx
    from bioimageio.spec.model import v0_5 as spec

    weights = folder / "model.onnx"
    task = OnnxTask(weights, "cpu")
    info = info_of(task.metadata, weights)
    sample = make_sample(task, info, host)
    parameters = sum(int(np.prod(tensor.dims)) for tensor in onnx.load(str(weights)).graph.initializer)
    (folder / "README.md").write_text(readme(about.name, info, sample.percentiles), encoding="utf-8")
    cover(folder / "cover.png", sample.unit_HW, sample.probability_HW)
    return spec.ModelDescr(
        name=title(about.name, info),
        description=one_line(info),
        authors=[spec.Author(name=about.author)],
        cite=[spec.CiteEntry(text=PAPER, doi=spec.Doi(PAPER_DOI))],
        license=spec.LicenseId(about.licence) if about.licence else None,
        tags=list(TAGS),
        documentation=spec.FileDescr(source=folder / "README.md"),
        covers=[spec.FileDescr(source=folder / "cover.png")],
        inputs=[_input(spec, sample, folder)],
        outputs=[_output(spec, sample, folder)],
        weights=spec.WeightsDescr(
            onnx=spec.OnnxWeightsDescr(source=weights, opset_version=int(info["exported"]["opset"]))
        ),
        config=_config(spec, info, parameters),
    )


def make_sample(task: OnnxTask, info: dict[str, Any], host: Host) -> Sample:
    """emgen normalises the sample here, and the package in its test: so that its steps are tested, too."""
    from emgen.data.stack import modality_normalise

    try:
        normalise = modality_normalise(host, info["modality"])
    except UnknownPluginError:
        normalise = None
    percentiles = percentiles_of(normalise) if normalise else None
    input_HW = unit_HW = phantom(info["polarity"])
    if normalise and percentiles:
        input_HW = np.round(COUNTS[0] + (COUNTS[1] - COUNTS[0]) * unit_HW).astype(np.float32)
        unit_HW = normalise(input_HW)
    probability_HW = task.predict(unit_HW[None])[0]
    return Sample(input_HW=input_HW, unit_HW=unit_HW, probability_HW=probability_HW, percentiles=percentiles)


def _input(spec: Any, sample: Sample, folder: Path) -> Any:
    np.save(folder / "test_input.npy", sample.input_HW[None, None])
    picture(folder / "sample_input.png", sample.unit_HW)
    return spec.InputTensorDescr(
        id=spec.TensorId(INPUT),
        description="a micrograph at the model's working scale" + ("" if sample.percentiles else ", scaled to [0, 1]"),
        axes=[
            spec.BatchAxis(),
            spec.ChannelAxis(channel_names=[spec.Identifier("intensity")]),
            *(
                spec.SpaceInputAxis(id=spec.AxisId(side), size=spec.ParameterizedSize(min=SMALLEST, step=STEP))
                for side in "yx"
            ),
        ],
        data=spec.IntervalOrRatioDataDescr(type="float32", range=(None, None) if sample.percentiles else (0.0, 1.0)),
        preprocessing=_preprocessing(spec, sample.percentiles),
        test_tensor=spec.FileDescr(source=folder / "test_input.npy"),
        sample_tensor=spec.FileDescr(source=folder / "sample_input.png"),
    )


def _preprocessing(spec: Any, percentiles: tuple[float, float] | None) -> list[Any]:
    if percentiles is None:
        return []
    axes = [spec.AxisId(axis) for axis in ("channel", "y", "x")]
    low, high = percentiles
    return [
        spec.ScaleRangeDescr(kwargs=spec.ScaleRangeKwargs(axes=axes, min_percentile=low, max_percentile=high)),
        spec.ClipDescr(kwargs=spec.ClipKwargs(min=0.0, max=1.0)),
    ]


def _output(spec: Any, sample: Sample, folder: Path) -> Any:
    np.save(folder / "test_output.npy", sample.probability_HW[None, None])
    picture(folder / "sample_output.png", sample.probability_HW)
    sizes = {side: spec.SizeReference(tensor_id=spec.TensorId(INPUT), axis_id=spec.AxisId(side)) for side in "yx"}
    return spec.OutputTensorDescr(
        id=spec.TensorId(OUTPUT),
        description="probability of particle; 0.5 is the outline",
        axes=[
            spec.BatchAxis(),
            spec.ChannelAxis(channel_names=[spec.Identifier("particle")]),
            *(spec.SpaceOutputAxisWithHalo(id=spec.AxisId(side), size=sizes[side], halo=HALO) for side in sizes),
        ],
        data=spec.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0)),
        test_tensor=spec.FileDescr(source=folder / "test_output.npy"),
        sample_tensor=spec.FileDescr(source=folder / "sample_output.png"),
    )


def _config(spec: Any, info: dict[str, Any], parameters: int) -> Any:
    """``emgen`` holds what ``model.json`` says; the rest is for bioimage.io's page."""
    whence = "simulated micrographs" if info.get("simulated") else "virtual micrographs made for one stack"
    return spec.Config(
        bioimageio=spec.BioimageioConfig(
            reproducibility_tolerance=[
                spec.ReproducibilityTolerance(relative_tolerance=1e-3, absolute_tolerance=TOLERANCE)
            ],
            architecture_type=str(info["config"].get("architecture", info["task"]))[:32],
            modality=f"electron microscopy, {info['modality']}",
            target_structure=["nanoparticles"],
            task="segmentation",
            model_parameter_count=parameters,
            out_of_scope_use="Micrographs of another modality, or of particles of another size without resizing them.",
            bias_risks_limitations=spec.BiasRisksLimitations(
                known_biases=f"Trained on {whence}: particles unlike those are missed.",
                risks="Particle counts and sizes look exact and are not: look at the masks before you use them.",
                recommendations="Label a few micrographs by hand and compare.",
            ),
        ),
        emgen=info,
    )
