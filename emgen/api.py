"""The commands as Python functions. Importing this module loads neither torch nor a plugin.

>>> from emgen.api import segment
>>> result = segment("runs/first/model", ["micrographs"], "segmented")  # doctest: +SKIP
>>> result.particles["equivalent_diameter_nm"].median()  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emgen.doctor.visit import Diagnosis
    from emgen.engine.launch import RunResult
    from emgen.host import Host
    from emgen.model import Model
    from emgen.scores.distributions import FolderScores
    from emgen.scores.masks import Evaluation
    from emgen.segmenting import Segmented
    from emgen.spec import Spec

Images = str | Path | Sequence[str | Path]
"""A file, folder or glob, or several."""


def run(spec: Spec | Mapping[str, Any] | Path | str, out: Path | str, **settings: Any) -> RunResult:
    """The tandem, as ``emgen run``: from a spec (a file, a mapping) to a model. See ``emgen.engine.run_spec``."""
    from emgen.engine import run_spec

    result: RunResult = run_spec(spec, out, **settings)
    return result


def segment(
    model: str | Path | Model,
    images: Images,
    out: Path | str,
    *,
    pixel_size_nm: float | None = None,
    device: str = "auto",
    host: Host | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Segmented:
    """Masks, labels, ``particles.csv`` and ``summary.json`` in ``out``, as ``emgen segment``.

    ``model``: a model folder, a run folder, ``"pretrained"`` or a loaded model. Files that cannot be used are in
    ``result.failed``, each with its reason; ``tell`` gets a line of text after each micrograph. Raises ``ModelError``,
    ``NoImagesError``, ``OutputError``.
    """
    from emgen.host import load_host
    from emgen.model import Model, load_model
    from emgen.segmenting import segment_files

    host = host or load_host()
    load = lambda: model if isinstance(model, Model) else load_model(model, host=host, device=device)
    return segment_files(load, _several(images), Path(out), host, pixel_size_nm=pixel_size_nm, tell=tell)


def evaluate(pred: Path | str, truth: Path | str, metrics: Sequence[str] = ()) -> Evaluation:
    """Predicted masks against true ones of the same stem, as ``emgen evaluate``."""
    from emgen.scores.masks import evaluate_folders

    return evaluate_folders(Path(pred), Path(truth), metrics)


def score(generated: Path | str, real: Path | str, metrics: Sequence[str] = (), **settings: Any) -> FolderScores:
    """Generated images against real ones, as ``emgen score``; ``settings`` as of ``score_folders``."""
    from emgen.scores.distributions import score_folders

    return score_folders(Path(generated), Path(real), metrics, **settings)


def doctor(
    images: Images,
    *,
    labels: Images = (),
    modality: str | None = None,
    pixel_size_nm: float | None = None,
    host: Host | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Diagnosis:
    """What is wrong with a set of micrographs, as ``emgen doctor``; every file is examined, whatever one of them holds.

    ``labels``: folders of label images by stem; where several hold one stem, the human ceiling is estimated. Raises
    ``NoImagesError``, ``UnknownPluginError``.
    """
    from emgen.doctor.visit import visit
    from emgen.host import load_host

    patterns = [str(pattern) for pattern in _several(images)]
    folders = [Path(folder) for folder in _several(labels)]
    settings: dict[str, Any] = {"modality": modality, "pixel_size_nm": pixel_size_nm, "tell": tell}
    return visit(patterns, folders, host=host or load_host(), **settings)


def _several(images: Images) -> Sequence[str | Path]:
    return [images] if isinstance(images, str | Path) else images
