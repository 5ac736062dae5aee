"""The service's end of the process that segments (``emgen.copilot.answering``)."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from emgen.copilot.answer import Answer
from emgen.copilot.answering import Broken, DiskFull, Ready, Setup, Unusable, main
from emgen.copilot.journal import Task
from emgen.errors import ModelError

PATIENCE_S = 1200.0
"""A process that is silent for so long hangs (in a driver, say) and is ended."""


class WorkerDiedError(Exception):
    """The process is gone; ``str`` says how."""


class Worker:
    """A running process with one model. ``Worker.start`` makes one; ``ready`` is what it told of the model."""

    def __init__(self, process: Any, pipe: Any, setup: Setup) -> None:
        self._process, self._pipe, self.setup = process, pipe, setup
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="emgen-worker")
        self.ready: Ready

    @classmethod
    async def start(cls, setup: Setup) -> Worker:
        """Raises ``ModelError`` where the model cannot be loaded."""
        context = multiprocessing.get_context("spawn")
        own, theirs = context.Pipe()
        process = context.Process(target=main, args=(theirs, setup), name="emgen-answering", daemon=True)
        process.start()
        theirs.close()
        worker = cls(process, own, setup)
        try:
            first = await worker._in_thread(worker._receive)
        except WorkerDiedError as error:
            await asyncio.to_thread(worker.stop)
            raise ModelError(f"{setup.model}: the process that loads it has died ({error}).") from error
        if isinstance(first, Unusable):
            await asyncio.to_thread(worker.stop)
            raise ModelError(first.reason)
        assert isinstance(first, Ready)
        worker.ready = first
        return worker

    async def answer(self, task: Task) -> Answer | Unusable | DiskFull:
        """Raises ``WorkerDiedError``."""
        answered: Answer | Unusable | DiskFull = await self._in_thread(lambda: self._ask(task))
        return answered

    def _ask(self, task: Task) -> Any:
        try:
            self._pipe.send(task)
        except OSError as error:
            raise WorkerDiedError(self._how()) from error
        if isinstance(answered := self._receive(), Broken):
            raise WorkerDiedError(answered.reason)
        return answered

    def _receive(self) -> Any:
        try:
            if not self._pipe.poll(PATIENCE_S):
                self._process.kill()
                raise WorkerDiedError(f"it was silent for {PATIENCE_S / 60:.0f} minutes")
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerDiedError(self._how()) from error

    def _how(self) -> str:
        self._process.join(5)
        code = self._process.exitcode
        if code is not None and code < 0:
            killed = " (out of memory?)" if code == -9 else ""
            return f"killed by signal {-code}{killed}"
        return f"exit status {code}"

    async def _in_thread(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def stop(self) -> None:
        """The process ends after the frame it is at, or is ended."""
        self._pipe.close()
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
        self._thread.shutdown(wait=False)
