"""The process that segments: it loads one model and answers frames one by one, until its pipe closes.

A process of its own: arithmetic never holds up the page, a crash in it (out of memory, a fault in a driver) costs one
frame and not the session, and a model is swapped by starting another process and asking that one from then on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.copilot.alarm import threshold_of
from emgen.copilot.answer import Answer
from emgen.copilot.journal import Task
from emgen.copilot.picture import write_pictures
from emgen.copilot.places import Places
from emgen.errors import DataError, EmgenError

if TYPE_CHECKING:
    from emgen.domain import Reference
    from emgen.host import Host
    from emgen.model import Model


OPENER = "emgen.copilot.answering:open_model"
_SYNCED = 8
"""Files and folders of a frame, synced side by side: on a busy machine one after the other takes ten times as long."""
_WARM = 512
"""Px of the image that the network is tried with before the first frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the process needs to begin.

    Attributes
    ----------
    model: a model folder, an exported file or a shipped name. opener: ``module:function`` that opens it.
    root: folder of the session. false_alarms: of the domain (``emgen.domain``).
    pixel_size_nm: of all frames; goes over what files and senders say.
    """

    model: str
    root: Path
    device: str = "auto"
    precision: str = "auto"
    pixel_size_nm: float | None = None
    false_alarms: float = 0.05
    opener: str = OPENER


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded: what ``model.json`` says, a digest of its weights, whether the domain can be watched."""

    info: dict[str, Any]
    digest: str
    domain: Reference | None


@dataclass(frozen=True, slots=True)
class Unusable:
    """The frame cannot be segmented, and why; or the model cannot be loaded."""

    reason: str


@dataclass(frozen=True, slots=True)
class DiskFull:
    """Results could not be written."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """What nobody foresaw: the process ends, as after a driver's fault it would fail on every frame to come."""

    reason: str


def open_model(setup: Setup) -> tuple[Model, Host, str]:
    """Model, the host that reads its micrographs, digest. Raises ``EmgenError``."""
    from emgen.host import load_host
    from emgen.model import load_model, model_digest, model_folder, reading_host

    host = load_host()
    model = load_model(setup.model, host=host, device=setup.device).accelerate(setup.precision)
    return model, reading_host(model, host), model_digest(model_folder(setup.model, host))


def main(pipe: Connection, setup: Setup) -> None:
    """Tells ``Ready`` or ``Unusable``, then for each ``Task`` what became of it; after ``Broken`` it ends."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's; it closes the pipe
    try:
        answerer = Answerer(setup)
    except EmgenError as error:
        pipe.send(Unusable(str(error)))
        return
    try:
        pipe.send(answerer.ready)
        answer: Any = None
        while not isinstance(answer, Broken):
            answer = answerer.try_answer(pipe.recv())
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


@dataclass
class Clock:
    """Seconds by stage; ``write`` and ``draw`` go on beside ``measure`` and ``domain``."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begun


class Answerer:
    """A loaded model and what it takes to use it. A frame that is answered twice gives the same files again."""

    def __init__(self, setup: Setup) -> None:
        from importlib import import_module

        from emgen.data.stack import modality_normalise

        module, _, name = setup.opener.partition(":")
        opener: Callable[[Setup], tuple[Model, Host, str]] = getattr(import_module(module), name)
        self._setup, self._places = setup, Places(setup.root)
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="emgen-files")
        self._syncing = ThreadPoolExecutor(_SYNCED, thread_name_prefix="emgen-sync")
        self._model, self._host, digest = opener(setup)
        self._normalise = modality_normalise(self._host, self._model.modality)
        self._domain = self._model.domain
        self._threshold = np.inf if self._domain is None else threshold_of(self._domain, setup.false_alarms)[0]
        self._warm_up()
        self.ready = Ready(self._model.info, digest, self._domain)

    def _warm_up(self) -> None:
        """Networks are compiled and modules imported when they are first used; the first frame should not wait."""
        from tempfile import TemporaryDirectory

        from emgen.particles import measure, write_labels
        from emgen.particles.tables import table_bytes

        image_HW = np.random.default_rng(0).random((_WARM, _WARM), dtype=np.float32)
        found = self._model.segment(image_HW)
        label_HW = np.zeros((_WARM, _WARM), np.int32)
        label_HW[8:24, 8:24], label_HW[40:60, 40:60] = 1, 2
        table_bytes(measure(label_HW, image_HW, 1.0, "warm-up"))
        self._judged(image_HW, found, 0)
        with TemporaryDirectory() as folder:
            write_labels(Path(folder), "warm-up", label_HW)
            write_pictures(image_HW, label_HW, Path(folder) / "1.jpg", Path(folder) / "1.png")

    def try_answer(self, task: Task) -> Answer | Unusable | DiskFull | Broken:
        from emgen.copilot.stalls import is_full, told
        from emgen.errors import OutputError

        try:
            return self.answer(task)
        except OutputError as error:
            return DiskFull(str(error))
        except DataError as error:
            return Unusable(str(error))
        except Exception as error:
            if isinstance(error, OSError) and is_full(error):
                return DiskFull(str(told(error, self._places.root)))
            return Broken(f"{type(error).__name__}: {error}")

    def answer(self, task: Task) -> Answer:
        """Raises ``DataError`` for a frame that cannot be used, ``OutputError``, and what the model raises."""
        from emgen.data.stack import open_file
        from emgen.frame import Frame
        from emgen.particles.tables import table_bytes

        clock, path = Clock(), self._places.frame_file(task.stored)
        with clock.stage("read"):
            frame = Frame.read(
                open_file(path, self._host),
                task.number,
                name=task.name,
                path=path,
                normalise=self._normalise,
                pixel_size_nm=self._pixel_size(task),
            )
            image_HW, seen = frame.raw.image_HW, frame.seen
        with clock.stage("segment"):
            found = self._model.segment(seen.image_HW)
        size = seen.pixel_size_nm
        files = self._aside.submit(self._write_files, clock, task.frame, image_HW, found.label_HW, size)
        with clock.stage("measure"):
            table = frame.measured(found.label_HW)
            rows = table_bytes(table)
        with clock.stage("domain"):
            score, words = self._judged(seen.image_HW, found, task.frame)
        files.result()
        whole = ~table["border"].to_numpy(bool)
        height, width = image_HW.shape
        return Answer(
            frame=task.frame,
            name=task.name,
            shape_HW=(height, width),
            factor=float(found.factor),
            pixel_size_nm=size,
            particles=len(table),
            diameter_K=table["equivalent_diameter_px"].to_numpy(np.float32)[whole],
            coverage=float(np.count_nonzero(found.label_HW) / found.label_HW.size),
            table=rows,
            seconds=clock.seconds,
            notes=seen.notes,
            domain_score=score,
            domain_words=words,
        )

    def _write_files(self, clock: Clock, frame: int, image_HW: Any, label_HW: Any, size: float | None) -> None:
        """Beside the measuring; most of it is compression, which leaves Python's lock to others."""
        from emgen.copilot.stalls import writing
        from emgen.particles import write_labels

        pictures = self._places.picture(frame), self._places.contours(frame)
        with clock.stage("draw"), writing(self._places.root):
            write_pictures(image_HW, label_HW, *pictures)
        with clock.stage("write"), writing(self._places.root):
            folder, stem = self._places.labels(frame)
            folder.mkdir(parents=True, exist_ok=True)
            labels = write_labels(folder, stem, label_HW, size)
            self._places.keep_through_power_cut(labels, *pictures, each=self._syncing.map)

    def _pixel_size(self, task: Task) -> float | None:
        """The user's goes over the sender's, which goes over the file's."""
        sent = task.header.get("pixel_size_nm")
        return self._setup.pixel_size_nm or (float(sent) if sent else None)

    def _judged(self, image_HW: Any, found: Any, frame: int) -> tuple[float | None, tuple[str, ...]]:
        if self._domain is None:
            return None, ()
        from emgen import domain

        features_CF = domain.describe(image_HW, found, self._model, frame)
        score = float(self._domain.score(features_CF))
        return score, tuple(self._domain.explain(features_CF)) if score > self._threshold else ()
