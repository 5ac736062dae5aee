"""How right are predicted masks? Two folders, file by file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emgen.data.discover import natural_key
from emgen.data.masks import read_labels as read_labels
from emgen.data.stack import suffixes_of
from emgen.errors import BadImageError, DataError, NoImagesError, UnreadableFileError, listing
from emgen.host import Host, load_host
from emgen.scores.metrics import Chosen, Result, choose, installed
from emgen.stages import LabelArray, MetricContext

ENDINGS = ("_labels", "_mask", "")
"""In the order in which they are looked for: instances tell more than a mask."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of each image by name; the errors of those that could not be scored; files without a partner."""

    images: dict[str, dict[str, float]]
    errors: dict[str, str]
    notes: list[str] = field(default_factory=list)

    @property
    def mean(self) -> dict[str, float]:
        return {name: float(np.mean(values)) for name, values in self._columns().items()}

    @property
    def sd(self) -> dict[str, float]:
        """Sample standard deviation over the images; 0 of one image."""
        columns = self._columns().items()
        return {name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for name, values in columns}

    def _columns(self) -> dict[str, list[float]]:
        names = dict.fromkeys(name for scores in self.images.values() for name in scores)
        return {name: [scores[name] for scores in self.images.values() if name in scores] for name in names}

    def to_dict(self) -> dict[str, Any]:
        whole = {"n": len(self.images), "mean": self.mean, "sd": self.sd}
        return {**whole, "images": self.images, "errors": self.errors, "notes": self.notes}


def evaluate_folders(pred: Path, truth: Path, metrics: Sequence[str] = (), *, host: Host | None = None) -> Evaluation:
    """Scores every truth in a folder against the prediction of the same stem.

    ``<stem>_labels`` holds instances; ``<stem>_mask`` and ``<stem>`` a mask of two values, whose connected areas are
    the particles. ``metrics``: by default every installed one that compares predictions.

    A missing prediction, another size or an unusable file is recorded under its stem and the rest is scored. Raises
    ``NoImagesError`` where there is no truth, and ``SpecError`` for a metric that compares something else.
    """
    host = host or load_host()
    names = metrics or installed(host, "prediction")
    chosen = choose(host, names, (), ("prediction",), "images are compared by `emgen score`.")
    true_files, pred_files = (labels_by_stem(Path(folder), host) for folder in (truth, pred))
    if not true_files:
        raise NoImagesError(f"{truth}: no masks there. Files end in {listing(suffixes_of(host))}.")
    images, errors = {}, {}
    made = [(metric, metric.make("cpu")) for metric in chosen]
    for stem, true_file in true_files.items():
        try:
            images[stem] = _scored(stem, pred_files.get(stem), true_file, Path(pred), host, made)
        except DataError as error:
            errors[stem] = str(error)
    spare = [stem for stem in pred_files if stem not in true_files]
    notes = [f"{len(spare)} predictions without truth were left out ({', '.join(spare[:3])} …)"] if spare else []
    return Evaluation(images, errors, notes + _about_masks([*true_files.values(), *pred_files.values()]))


def _scored(
    stem: str, pred_file: Path | None, true_file: Path, pred: Path, host: Host, metrics: Sequence[tuple[Chosen, Any]]
) -> dict[str, float]:
    if pred_file is None:
        wanted = ", ".join(f"{stem}{ending}" for ending in ENDINGS)
        raise UnreadableFileError(f"{pred}: no prediction for {true_file.name}; looked for {wanted}.")
    pred_HW, true_HW = read_labels(pred_file, host), read_labels(true_file, host)
    if pred_HW.shape != true_HW.shape:
        raise BadImageError(
            f"{pred_file} is {_size(pred_HW)}, {true_file} is {_size(true_HW)}. "
            "A prediction has the size of its micrograph; segment the same file that was labelled."
        )
    results: list[Result] = [m.compute(pred_HW[None], true_HW[None], MetricContext()) for _, m in metrics]
    return {name: value for result in results for name, value in result.items() if not isinstance(value, str)}


def labels_by_stem(folder: Path, host: Host) -> dict[str, Path]:
    """One file a stem, label images first. Raises ``NoImagesError`` where there is no folder."""
    if not folder.is_dir():
        raise NoImagesError(f"{folder}: there is no such folder.")
    known = suffixes_of(host)
    files = sorted((path for path in folder.iterdir() if path.suffix.lower() in known), key=natural_key)
    found: dict[str, Path] = {}
    for ending in ENDINGS:
        for path in files:
            if _ending(path) == ending:
                found.setdefault(path.stem.removesuffix(ending), path)
    return dict(sorted(found.items(), key=lambda item: natural_key(Path(item[0]))))


def _ending(path: Path) -> str:
    return next(ending for ending in ENDINGS if path.stem.endswith(ending))


def _size(image_HW: LabelArray) -> str:
    return f"{image_HW.shape[1]} x {image_HW.shape[0]} px"


def _about_masks(files: Sequence[Path]) -> list[str]:
    masks = sum(_ending(path) != "_labels" for path in files)
    return [f"of {masks} masks the connected areas count as particles"] if masks else []
