"""``python -m emgen.copilot.adapting ORDER``: the tandem on the newest frames, in a process of its own.

It begins with the model that answers now as the rough segmenter, the image inverted where particles have the other
polarity, and ends with a model and a comparison of both on frames that it was not trained on. What it makes is an
ordinary run folder; an interrupted one goes on where it was.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.engine.pace import Pace
from emgen.engine.progress import Silent
from emgen.errors import DataError, EmgenError
from emgen.files import write_json_file
from emgen.stages import FloatArray, LabelArray

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.model import Model

ORDER, STAND, OUTCOME = "order.json", "stand.json", "outcome.json"
COMPARED = 0.25
"""Share of the frames that are kept for the comparison, at least two of them."""
LEAST = 6
"""Frames without which there is nothing to adapt to."""
_LOOKED_AT = 3
"""Frames by which the polarity is guessed."""
_CLEARLY = 1.5
"""Times as many particles in the inverted image, for particles to have the other polarity."""
_RECENT = 500
_KNOWN_BY = 40
"""Frames, at most, that say what is usual in the new model's domain."""
USUAL_MINUTES = 15.0
"""The trainings below are made for this time; other budgets lengthen or shorten them."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done. ``frames``: paths of files, the newest last. ``modality``: ``None`` finds it out."""

    model: str
    frames: tuple[str, ...]
    modality: str | None
    minutes: float
    seed: int = 0


def _steps(usual: int, minutes: float) -> int:
    """For another time than the usual."""
    return max(20, round(usual * float(np.clip(minutes / USUAL_MINUTES, 0.3, 4))))


def spec_of(order: Order, images: Sequence[str], modality: str) -> dict[str, Any]:
    """The tandem in small: compact networks, and as many steps as the time allows."""
    minutes = order.minutes
    return {
        "name": "adaptation",
        "images": list(images),
        "modality": modality,
        "preset": "quick",
        "seed": order.seed,
        "data": {"crop": 96, "crops_per_micrograph": 24},
        "virtual": {"images": _steps(240, minutes), "response": _steps(300, minutes)},
        "checkpoints": {"candidates": 2},
        "rough_segmenter": {"uses": "npssegnet", "model": order.model, "polarity_flip": True},
        "morphology_gan": {"uses": "pix2pix", "max_steps": _steps(120, minutes)},
        "contrast_gan": {"uses": "cyclegan", "max_steps": _steps(150, minutes)},
        "downstream_task": {"uses": "npssegnet", "start_from": order.model, "max_steps": _steps(300, minutes)},
    }


def adapt(folder: Path) -> None:
    """Carries out ``order.json`` of ``folder``. Writes ``stand.json`` as it goes, ``outcome.json`` at the end."""
    from emgen.host import load_host
    from emgen.model import load_model

    order = read_order(folder)
    host = load_host()
    stand = Stand(folder)
    old = load_model(order.model, host=host).accelerate()
    trained, compared = _divided(order.frames)
    modality = order.modality or guess_modality(old, trained[-_LOOKED_AT:], host)
    stand.note(f"learning from {len(trained)} frames as {modality}")
    run = _run(spec_of(order, trained, modality), folder / "run", host, stand)
    stand.note("comparing both models")
    new = load_model(run, host=host).accelerate()
    comparison, accepted, why = _compared(new, old, compared, host, order.seed)
    stand.note("learning what is usual now")
    renew_reference(new, run, [*order.frames, *_since(folder, order.frames)], host)
    write_json_file(
        folder / OUTCOME,
        {"model": str(run.absolute()), "modality": modality, "accepted": accepted, "why": why, **comparison},
    )


def read_order(folder: Path) -> Order:
    document = json.loads((folder / ORDER).read_text())
    return Order(**{**document, "frames": tuple(document["frames"])})


def _divided(frames: Sequence[str]) -> tuple[list[str], list[str]]:
    """Every fourth is kept for the comparison. Raises ``DataError`` for too few."""
    if len(frames) < LEAST:
        raise DataError(f"{len(frames)} frames are too few to adapt to; {LEAST} are needed.")
    step = round(1 / COMPARED)
    kept = set(range(step - 1, len(frames), step))
    return [f for n, f in enumerate(frames) if n not in kept], [frames[n] for n in sorted(kept)]


def _run(spec: Mapping[str, Any], folder: Path, host: Host, stand: Stand) -> Path:
    from emgen.engine import run_spec

    return run_spec(spec, folder, host=host, progress=stand).model


class Stand(Silent):
    """``stand.json``: how far it is, for the page. What the engine tells, at most once a second."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._told = folder, 0.0
        self._expected: list[str] = []
        self._ended: set[str] = set()
        self._words, self._pace = "", Pace()

    def expect(self, labels: Sequence[str]) -> None:
        self._expected = list(labels)

    def begin(self, label: str) -> None:
        self._pace = Pace()
        self.note(label)

    def plan(self, label: str, total: int) -> None:
        self._pace.total = total

    def log(self, label: str, step: int, values: Mapping[str, float]) -> None:
        self._pace.log(step, {})
        if time.monotonic() - self._told > 1:
            self.note(label)

    def end(self, label: str, *, cached: bool, seconds: float) -> None:
        self._ended.add(label)

    def note(self, text: str) -> None:
        self._told = time.monotonic()
        done = len(self._ended & set(self._expected)) / max(len(self._expected), 1)
        words = ": ".join(part for part in (text, self._pace.text()) if part)
        write_json_file(self._folder / STAND, {"progress": round(done, 3), "words": words})


def guess_modality(model: Model, paths: Sequence[str], host: Host) -> str:
    """The model's own, or the first installed one of the other polarity where inverted frames show more particles."""
    from emgen.registration import ModalityPlugin

    image_FHW = [image for path in paths for image in _read(path, host, model.modality)]
    counts = [sum(_sure(model, image) for image in images) for images in (image_FHW, [1 - i for i in image_FHW])]
    if counts[1] <= _CLEARLY * counts[0]:
        return model.modality
    for name, registered in sorted(host.plugins("modality").items()):
        plugin = registered.plugin
        if isinstance(plugin, ModalityPlugin) and plugin.polarity != model.polarity:
            return name
    return model.modality


def _since(folder: Path, known: Sequence[str]) -> list[str]:
    """Files of the session's newest frames that came while the model was made."""
    from emgen.copilot.journal import JOURNAL, Journal
    from emgen.copilot.places import Places

    places = Places(folder.parent.parent)
    if not (places.root / JOURNAL).exists():
        return []
    journal = Journal(places.root, only_read=True)
    try:
        newest = [str(places.frame_file(row["stored"]).absolute()) for row in reversed(journal.newest(_RECENT))]
    finally:
        journal.close()
    first = newest.index(known[-1]) if known[-1] in newest else 0
    return list(dict.fromkeys(path for path in newest[first:] if path not in known))


def renew_reference(model: Model, folder: Path, paths: Sequence[str], host: Host) -> None:
    """``domain.json`` of ``folder`` by all these frames, in the place of the one by those that were trained on.

    The latter were taken one after the other and are nearly the same, while an experiment goes on: by their measure the
    next minute would be outside.
    """
    from emgen.data.stack import modality_normalise
    from emgen.domain import LEAST as LEAST_KNOWN
    from emgen.domain import learn_reference

    chosen = [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, _KNOWN_BY).round().astype(int))]
    if len(chosen) >= LEAST_KNOWN:
        images, normalise = _FirstFrames(chosen, host, model.modality), modality_normalise(host, model.modality)
        learn_reference(images, model, normalise, 0).save(folder)


class _FirstFrames(Sequence[FloatArray]):
    """The first frame of each file, read when it is asked for."""

    def __init__(self, paths: Sequence[str], host: Host, modality: str) -> None:
        self._paths, self._host, self._modality = paths, host, modality

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        return _read(self._paths[index], self._host, self._modality)[0]


def _sure(model: Model, image_HW: FloatArray) -> float:
    """Number of particles, each as far as it is sure and large enough; a large patch counts as one."""
    found = model.segment(image_HW)
    label = found.label_HW.ravel()
    area_K = np.bincount(label)[1:]
    sure_K = np.bincount(label, weights=found.probability_HW.ravel())[1:]
    usual = np.pi / 4 * (model.working_diameter / found.factor) ** 2
    return float((sure_K / np.maximum(area_K, 1) * np.minimum(area_K / usual, 1)).sum())


def _read(path: str, host: Host, modality: str) -> list[FloatArray]:
    from emgen.data.stack import modality_normalise, open_file, read_frame

    place, normalise = Path(path), modality_normalise(host, modality)
    frames = open_file(place, host)
    return [normalise(read_frame(frames, index, place).image_HW) for index in range(len(frames))]


def _compared(new: Model, old: Model, paths: Sequence[str], host: Host, seed: int) -> tuple[dict[str, Any], bool, str]:
    from emgen.copilot.comparison import compare_on_frames, is_better

    images: list[FloatArray] = []
    labels: dict[str, list[LabelArray]] = {"new": [], "old": []}
    factors: list[float] = []
    for path in paths:
        for image_HW in _read(path, host, new.modality):
            found = new.segment(image_HW)
            images.append(image_HW)
            factors.append(found.factor)
            labels["new"].append(found.label_HW)
            labels["old"].append(old.segment(image_HW).label_HW)
    comparison = compare_on_frames(
        images, labels["new"], labels["old"], factor_F=factors, polarity=new.polarity, seed=seed
    )
    accepted, why = is_better(comparison)
    return asdict(comparison), accepted, why


def _end_with(parent: int, every_s: float = 2.0) -> None:
    """A service that was killed cannot end this process, and its next start begins another on the same folder."""
    import threading

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every_s)
        os.kill(os.getpid(), signal.SIGTERM)  # as if asked to: what a checkpoint can keep is kept

    threading.Thread(target=watch, daemon=True).start()


def main(folder: str) -> int:
    _end_with(os.getppid())
    try:
        adapt(Path(folder))
    except EmgenError as error:
        write_json_file(Path(folder) / OUTCOME, {"error": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
