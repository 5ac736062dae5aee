"""Trials in worker processes of this machine.

Each worker is a fresh process (spawned, not forked: CUDA and threads do not survive a fork) that keeps its imports from
one trial to the next. One that dies, killed by the system for its memory or crashed in a library, costs its trial and
is replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from emgen.cluster import thread_variables
from emgen.host.selection import Selection, without_plugins
from emgen.study.executor import TICK_S, Watch, interrupted
from emgen.study.trial import Result, Trial
from emgen.study.worker import perform

KILLED = 9
"""The signal of a system that is short of memory."""


@dataclass
class Worker:
    """A process, our end of the pipe to it, and what it does."""

    process: BaseProcess
    pipe: Connection
    trial: Trial | None = None

    def begin(self, trial: Trial) -> None:
        """Of a worker that died while it waited, the pipe's end tells."""
        self.trial = trial
        with suppress(OSError):
            self.pipe.send(trial)

    def ask_to_stop(self) -> None:
        if self.process.pid and self.process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def close(self) -> None:
        self.pipe.close()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.terminate()


class ProcessExecutor:
    """``workers`` processes, the cores shared out among them."""

    def __init__(self, workers: int = 1) -> None:
        self.count = max(1, workers)

    def map(self, trials: Sequence[Trial], watch: Watch) -> Iterator[Result]:
        waiting = deque(trials)
        workers = [self._start() for _ in range(min(self.count, len(waiting)))]
        stopping = False
        try:
            while waiting or any(worker.trial for worker in workers):
                for worker in workers:
                    if worker.trial is None and waiting and not stopping:
                        worker.begin(waiting.popleft())
                if not stopping and watch([worker.trial for worker in workers if worker.trial]):
                    stopping = True
                    for worker in workers:
                        worker.ask_to_stop()
                while stopping and waiting:
                    yield interrupted(waiting.popleft())
                yield from self._finished(workers)
        finally:
            for worker in workers:
                if worker.trial is not None:
                    worker.process.terminate()
                worker.close()

    def _finished(self, workers: list[Worker]) -> Iterator[Result]:
        """Results that came within a tick; a dead worker's place gets a new one."""
        busy = {worker.pipe: worker for worker in workers if worker.trial}
        for pipe in wait(list(busy), timeout=TICK_S) if busy else ():
            worker = busy[pipe]  # type: ignore[index]
            trial, worker.trial = worker.trial, None
            assert trial is not None
            try:
                result: Result = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join(timeout=10)
                result = _died(trial, worker.process.exitcode)
                worker.close()
                workers[workers.index(worker)] = self._start()
            yield result

    def _start(self) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, Selection.current().third_party), daemon=False)
        with _environment(thread_variables(self.count)):
            process.start()
        theirs.close()
        return Worker(process, ours)


def _died(trial: Trial, code: int | None) -> Result:
    if code == -signal.SIGTERM:
        return Result(trial=trial, status="interrupted", reason="stopped; what was done is kept")
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    hint = " Was there too little memory? Try fewer workers." if code == -KILLED else ""
    return Result(trial=trial, status="failed", reason=f"its process died {how}; what was done is kept.{hint}")


def _serve(pipe: Connection, third_party: bool) -> None:
    """The worker's life: trials until the pipe closes. Signals of a terminal reach the parent alone."""
    if hasattr(os, "setsid"):
        os.setsid()
    threading.Thread(target=_watch_parent, daemon=True).start()
    with _plugins(third_party), suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(perform(pipe.recv()))


@contextmanager
def _plugins(third_party: bool) -> Iterator[None]:
    """``--no-plugins`` of the command holds in its workers as well."""
    if third_party:
        yield
    else:
        with without_plugins():
            yield


def _watch_parent() -> None:
    """Without its parent a worker stops at the next checkpoint: nobody would take its result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """A child reads its environment when it starts; ours is put back."""
    before: dict[str, Any] = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
