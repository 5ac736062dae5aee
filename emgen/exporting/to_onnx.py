"""A model as one ONNX file: the network with everything that its task does around it, and what emgen must know.

The task writes the graph (``DownstreamTask.export_onnx``). Here it is held against the task itself, given the metadata
that ``emgen segment`` needs, and read back as ``emgen segment`` does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.errors import EmgenError, ModelError, PluginError
from emgen.exporting.compare import TOLERANCE, greatest_difference, phantom, sensitivity
from emgen.exporting.metadata import texts
from emgen.exporting.onnx_task import OnnxTask, load_exported
from emgen.exporting.places import need, place
from emgen.files import replacing

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.model import Model

SUFFIX = ".onnx"
_MB = 1e6


def export_onnx(source: str | Path, out: Path | None, *, host: Host, device: str, tell: Callable[[str], None]) -> Path:
    """Writes an ONNX file that gives the same probabilities as the model, to 1e-4, and tells the greatest difference.

    Network and file are compared on the CPU, whatever ``device``: a GPU's shorter arithmetic would differ by more.
    Raises ``ModelError`` for a model whose task cannot be exported, or whose file differs, ``OutputError``,
    ``PreflightError``.
    """
    from emgen.model import load_model

    need("onnx", "onnx", "onnxruntime")
    path = place(source, out, SUFFIX)
    model = load_model(source, host=host, device="cpu")
    if isinstance(model.task, OnnxTask):
        raise ModelError(f"{source}: is an ONNX file already.")
    difference = write_onnx(model, path, host)
    tell(f"Greatest difference from the model's own probabilities: {difference:.1e} ({TOLERANCE:g} is allowed).")
    if model.finder is not None:
        tell(_about_finder(model))
    tell(f"{path}: {path.stat().st_size / _MB:.1f} MB")
    return path


def write_onnx(model: Model, path: Path, host: Host | None = None) -> float:
    """Writes a loaded model and returns the greatest difference of its probabilities. Raises as ``export_onnx``."""
    import onnx

    from emgen.host import load_host

    with replacing(path) as draft, _files(model) as files:
        _write_graph(model, draft)
        difference = greatest_difference(model.task, OnnxTask(draft, "cpu"), model.polarity)
        if not difference <= TOLERANCE:
            raise ModelError(f"{path}: not written. {_why_different(model, difference)}")
        proto = onnx.load(str(draft))
        describe(proto, texts(_info(model, proto, difference), files))
        draft.write_bytes(proto.SerializeToString(deterministic=True))
        if model.finder is not None:
            _check_scale(model, load_exported(draft, host=host or load_host(), device="cpu"), path)
    return difference


def _why_different(model: Model, difference: float) -> str:
    own = sensitivity(model.task, model.polarity)
    text = f"The ONNX file's probabilities differ from the model's own by up to {difference:.2g}, "
    text += f"{TOLERANCE:g} is allowed. "
    if own > TOLERANCE:
        text += (
            f"The network cannot be computed more exactly: its own change by up to {own:.2g} when each pixel changes "
            "by one part in ten million, as those of hardly trained networks do. Train it longer. "
        )
    return text + "`emgen segment` takes the model folder as it is."


def describe(proto: Any, metadata: Mapping[str, str]) -> None:
    """Gives a graph its metadata, in place of what it had."""
    import onnx

    from emgen import __version__

    proto.producer_name, proto.producer_version = "emgen", __version__
    proto.doc_string = f"In: {metadata['emgen_input']}. Out: {metadata['emgen_output']}."
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, dict(metadata))


def _write_graph(model: Model, path: Path) -> None:
    """The task's own conversion; its faults are told as the plugin's."""
    from emgen.host.records import cause

    name = model.info["task"]
    convert = getattr(model.task, "export_onnx", None)
    if convert is None:
        raise ModelError(
            f"the downstream task {name!r} cannot be exported as ONNX: it offers no `export_onnx` (see "
            "`emgen.stages.DownstreamTask`). `emgen segment` takes its model folder; ask the plugin's authors for more."
        )
    try:
        convert(path)
    except EmgenError:
        raise
    except Exception as error:  # a converter meets whatever a network holds
        raise PluginError(f"the downstream task {name!r} failed to write ONNX: {cause(error)}") from error


@contextmanager
def _files(model: Model) -> Iterator[Path]:
    """A folder with what goes with the network, as in a model folder: nothing, where settings are all."""
    from emgen.model import FINDER
    from emgen.sizes.response import write_response

    write = getattr(model.finder, "export_onnx", None) or getattr(model.finder, "save", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if write is not None:
            (folder / FINDER).mkdir()
            write(folder / FINDER)
        if model.response is not None:
            write_response(folder, model.response)
        yield folder


def _info(model: Model, proto: Any, difference: float) -> dict[str, Any]:
    """``model.json``, without the folders of this computer, and how the file was made."""
    from emgen import __version__

    opset = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    exported = {"emgen": __version__, "opset": opset, "greatest_difference": difference}
    info = {**model.info, "config": _without_folders(model.info["config"]), "exported": exported}
    if model.finder is not None and hasattr(model.finder, "export_onnx"):
        info["scale"] = {**info["scale"], "config": _without_folders(info["scale"]["config"])}
    return info


def _without_folders(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with paths cut to their last name: what they named is in the file, and they tell of a person's disk."""
    return {name: _last(value) if isinstance(value, str) else value for name, value in config.items()}


def _last(text: str) -> str:
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _check_scale(model: Model, again: Model, path: Path) -> None:
    """The rough segmenter in the file must resize a micrograph as the model's own does."""
    image_HW = phantom(model.polarity)
    own, other = model.factor(image_HW), again.factor(image_HW)
    if abs(other / own - 1) > TOLERANCE:
        raise ModelError(
            f"{path}: not written. The model's rough segmenter resizes a phantom micrograph by {own:.4g}, the one in "
            f"the file by {other:.4g}. `emgen segment` takes the model folder as it is."
        )


def _about_finder(model: Model) -> str:
    name = model.info["scale"]["segmenter"]
    if hasattr(model.finder, "export_onnx"):
        return f"The scale of a micrograph is found by the rough segmenter {name}, whose network is in the file."
    return (
        f"The scale of a micrograph is found by the rough segmenter {name}, which is in the file by its settings: "
        "where the file is used, that plugin must be installed with what it needs."
    )
