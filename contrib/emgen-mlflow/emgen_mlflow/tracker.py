"""Between the training and MLflow stands a queue: a run never waits for a database, and never fails by one."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)

FLUSH_S = 5.0
"""Values are written at most so often."""
WAIT_S = 60.0
"""So long the end of a run waits for what is still to be written."""


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a stage at a step; ``time_ms`` since 1970."""

    name: str
    value: float
    step: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class End:
    """The last thing a run says: ``status`` as in its manifest, and why if it is not complete."""

    status: str
    error: str | None


class Log(Protocol):
    """Where a run is written to; ``emgen_mlflow.runlog.RunLog`` is one."""

    def values(self, values: list[Value]) -> None: ...

    def stage(self, name: str) -> None: ...

    def end(self, end: End) -> None: ...


OpenLog = Callable[[Path], Log]


def open_mlflow(run: Path) -> Log:
    """Imports MLflow, which takes seconds, and connects to its store."""
    from emgen_mlflow.runlog import RunLog

    return RunLog.open(run)


class Tracker:
    """The runs of this process that are under way, by folder. None of its methods raises or takes time, but ``end``."""

    def __init__(self, open_log: OpenLog = open_mlflow, *, wait_s: float = WAIT_S) -> None:
        self._open_log, self._wait_s = open_log, wait_s
        self._writers: dict[Path, Writer] = {}

    def begin(self, run: Path) -> None:
        key = run.absolute()
        if key not in self._writers:  # else it was killed without an end, in a process that lives on
            self._writers[key] = Writer(key, self._open_log)

    def stage(self, run: Path, stage: str) -> None:
        self._tell(run, stage)

    def values(self, run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        for name, value in values.items():
            self._tell(run, Value(f"{part(stage)}/{part(name)}", float(value), step, now))

    def end(self, run: Path, status: str, error: BaseException | None) -> None:
        """Waits until all is written, a minute at most."""
        writer = self._writers.pop(run.absolute(), None)
        if writer:
            writer.tell(End(status, None if error is None else str(error)))
            writer.join(self._wait_s)

    def _tell(self, run: Path, what: str | Value) -> None:
        if writer := self._writers.get(run.absolute()):
            writer.tell(what)


@dataclass
class Writer:
    """The thread of one run. The first failure is logged, and then nothing more is written of this run."""

    run: Path
    open_log: OpenLog
    _told: queue.SimpleQueue[str | Value | End] = field(default_factory=queue.SimpleQueue)
    _buffer: list[Value] = field(default_factory=list)
    _failed: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"emgen-mlflow {self.run.name}", daemon=True)
        self._thread.start()

    def tell(self, what: str | Value | End) -> None:
        if not self._failed:
            self._told.put(what)

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning(
                "%s: MLflow did not take everything within %g s; its record may lack the end", self.run, seconds
            )

    def _work(self) -> None:
        try:
            self._write(self.open_log(self.run))
        except BaseException as error:  # also SystemExit of a library: the run goes on, untracked
            self._failed = True
            log.warning("%s: not logged to MLflow any more: %s: %s", self.run, type(error).__name__, error)

    def _write(self, to: Log) -> None:
        flushed = time.monotonic()
        while True:
            try:
                what = self._told.get(timeout=FLUSH_S)
            except queue.Empty:
                what = None
            if isinstance(what, Value):
                self._buffer.append(what)
            elif isinstance(what, str):
                to.stage(what)
            if isinstance(what, End) or time.monotonic() - flushed > FLUSH_S:
                values, self._buffer = self._buffer, []
                to.values(values)
                flushed = time.monotonic()
            if isinstance(what, End):
                return to.end(what)


def part(text: str) -> str:
    """A part of a metric's name: what MLflow does not allow becomes ``_``, as does a slash, which parts the names.

    >>> part("downstream_task (round 2)"), part("a/../b"), part("..")
    ('downstream_task _round 2_', 'a_.._b', '_')
    """
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "_.- :") else "_" for char in text)[:100]
    return plain if plain.strip(". ") else "_"
