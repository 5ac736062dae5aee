"""The commands as Python functions. Importing this module loads neither torch nor a plugin.

>>> from emgen.api import segment
>>> result = segment("runs/first/model", ["micrographs"], "segmented")  # doctest: +SKIP
>>> result.particles["equivalent_diameter_nm"].median()  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emgen.doctor.visit import Diagnosis
    from emgen.engine.launch import RunResult
    from emgen.engine.progress import Progress
    from emgen.host import Host
    from emgen.measuring import Measured
    from emgen.model import Model
    from emgen.particles.instances import Meaning
    from emgen.scores.distributions import FolderScores
    from emgen.scores.masks import Evaluation
    from emgen.segmenting import Segmented, Settings
    from emgen.series.following import Drift, Followed
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
    write: Sequence[str] = (),
    labels_to: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    workers: int = 1,
    scheduler: str | None = None,
    host: Host | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Segmented:
    """Masks, labels, ``particles.csv`` and ``summary.json`` in ``out``, as ``emgen segment``.

    ``model``: a model folder, a run folder, ``"pretrained"`` or a loaded model. Files that cannot be used are in
    ``result.failed``, each with its reason; ``write`` names further formats (``emgen.writing.FORMATS``), of which
    ``zarr`` takes the place of the TIFF files and goes to ``labels_to``, a folder or URL; ``tell`` gets a line of text
    after each micrograph. ``precision``: ``auto`` computes in bfloat16 where the processor does so natively,
    ``float32`` never. ``workers``: processes on this machine; ``scheduler``: address of a Dask cluster; neither
    changes the result. Where a call was stopped, the same one goes on, unless the model was given loaded. Raises
    ``ModelError``, ``NoImagesError``, ``OutputError``; with workers also ``PreflightError``, ``SpecError``,
    ``WorkersError``.
    """
    from emgen.cluster import cluster_of
    from emgen.host import load_host
    from emgen.model import Model, load_model, reading_host
    from emgen.segmenting import Settings, here, on_cluster, segment_files
    from emgen.writing import known_formats
    from emgen.writing.zarr_stacks import absolute_place

    host = host or load_host()
    load = lambda: model if isinstance(model, Model) else load_model(model, host=host, device=device)
    cluster = cluster_of(workers, scheduler)
    reading = reading_host(model, host)
    begin = here(load, reading) if cluster is None else on_cluster(cluster, _a_path(model), host, device)
    settings = Settings(
        out=Path(out),
        base=Path.cwd(),
        pixel_size_nm=pixel_size_nm,
        formats=known_formats(write),
        labels_to=None if labels_to is None else absolute_place(labels_to),
        precision=precision,
    )
    call = _same_call(model, settings, device, host)
    return segment_files(begin, _several(images), settings, reading, call=call, tell=tell)


def _same_call(model: str | Path | Model, settings: Settings, device: str, host: Host) -> dict[str, Any] | None:
    """What another call must have in common to have the same results; ``None`` where nobody can tell."""
    from emgen import __version__
    from emgen.data.cropping import SWITCH
    from emgen.errors import ModelError
    from emgen.model import model_digest, model_folder

    try:
        digest = model_digest(model_folder(model, host)) if isinstance(model, str | Path) else None
    except ModelError:  # is told when the model is loaded
        digest = None
    if digest is None:
        return None
    how = {"precision": settings.precision, "device": device, "formats": settings.formats}
    what = {"pixel_size_nm": settings.pixel_size_nm, "labels_to": settings.labels_to, "bars": os.environ.get(SWITCH)}
    return {"emgen": __version__, "model": digest, **how, **what}


def _a_path(model: str | Path | Model) -> str | Path:
    from emgen.errors import ModelError

    if isinstance(model, str | Path):
        return model
    raise ModelError("model: on workers each process loads it itself; give the folder of the model, not a loaded one.")


def export(
    model: str | Path,
    format: str,
    out: Path | str | None = None,
    *,
    device: str = "auto",
    host: Host | None = None,
    tell: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Path:
    """A model, or what a run made, as other programs take it, as ``emgen export``; where it was written.

    ``model``: a model folder, a run folder or ``"pretrained"``. ``format``: a name in ``emgen.exporting.FORMATS``.
    ``out``: by default a name of the model's own in the working folder. ``options``: what a format takes besides
    (``emgen.exporting.OPTIONS``). Raises ``ModelError`` where the result would differ from the model, ``OutputError``,
    ``PreflightError``, ``SpecError``.
    """
    from emgen.exporting import export as write
    from emgen.host import load_host

    place = None if out is None else Path(out)
    return write(model, format, place, host=host or load_host(), device=device, tell=tell, **options)


def measure(
    masks: Images,
    out: Path | str,
    *,
    images: Images = (),
    pixel_size_nm: float | None = None,
    meaning: Meaning | None = None,
    split: bool = True,
    model: str | Path | None = None,
    factor: float | None = None,
    write: Sequence[str] = (),
    host: Host | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Measured:
    """Particle table and size distribution of masks in ``out``, as ``emgen measure``.

    ``images``: micrographs of the same stems. ``meaning``: ``labels``, ``mask`` or ``probability``; told from each
    file unless given. ``model``: that made the masks, ``factor``: the scale it worked at; then its recall and size bias
    are corrected. Raises ``NoImagesError``, ``OutputError``, ``ModelError``.
    """
    from emgen.host import load_host
    from emgen.measuring import Settings, measure_files
    from emgen.sizes import response_of
    from emgen.writing.formats import open_writers

    host = host or load_host()
    response = None if model is None else response_of(model, host)
    settings = Settings(pixel_size_nm=pixel_size_nm, meaning=meaning, split=split, response=response, factor=factor)
    writers = open_writers(write, Path(out))
    where = {"images": _several(images), "settings": settings, "writers": writers, "tell": tell}
    return measure_files(_several(masks), Path(out), host, **where)  # type: ignore[arg-type]


def track(
    labels: Images,
    out: Path | str,
    *,
    images: Images = (),
    pixel_size_nm: float | None = None,
    frame_time_s: float | None = None,
    meaning: Meaning | None = None,
    search_range_px: float | None = None,
    memory: int | None = None,
    drift: Drift = "auto",
    host: Host | None = None,
    progress: Progress | None = None,
) -> Followed:
    """Particles of an in-situ series linked from frame to frame, as ``emgen track``: tables and figures in ``out``.

    ``labels``: label images of the frames, one file of all, or the folder that ``segment`` wrote. ``images``: their
    micrographs. What is None is chosen from the data and said in ``result.summary``. Raises ``NoImagesError``,
    ``BadImageError``, ``NoParticlesError``, ``SpecError``, ``OutputError``.
    """
    from emgen.host import load_host
    from emgen.series.following import Settings, follow

    settings = Settings(
        pixel_size_nm=pixel_size_nm,
        frame_time_s=frame_time_s,
        meaning=meaning,
        search_range_px=search_range_px,
        memory=memory,
        drift=drift,
    )
    frames, micrographs = _several(labels), _several(images)
    return follow(frames, Path(out), host or load_host(), images=micrographs, settings=settings, progress=progress)


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
