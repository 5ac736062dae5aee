"""Where trials are done: one interface, so that a study does not know whether it runs here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

from emgen.study.trial import Result, Trial
from emgen.study.worker import perform

Watch = Callable[[Sequence[Trial]], bool]
"""Called about every second with the trials that are being done; true asks to stop."""
ExecutorName = Literal["processes", "dask", "here"]
TICK_S = 1.0


class Executor(Protocol):
    """Does trials, each once, and yields their results as they come. A trial that fails is a result like others.

    Asked to stop, it lets running trials stop at their next checkpoint and yields them, and those not begun, as
    interrupted.
    """

    def map(self, trials: Sequence[Trial], watch: Watch) -> Iterator[Result]: ...


class HereExecutor:
    """One trial after the other in this process: for notebooks, debugging and tests."""

    def map(self, trials: Sequence[Trial], watch: Watch) -> Iterator[Result]:
        stopped = False
        for trial in trials:
            stopped = stopped or watch([trial])
            result = interrupted(trial) if stopped else perform(trial)
            stopped = stopped or result.status == "interrupted"
            yield result


def make_executor(name: ExecutorName = "processes", workers: int = 1, scheduler: str | None = None) -> Executor:
    """``scheduler``: address of a Dask scheduler; without one Dask starts a cluster of ``workers`` on this machine."""
    if name == "here":
        return HereExecutor()
    if name == "dask":
        from emgen.study.dask import DaskExecutor

        return DaskExecutor(scheduler, workers)
    from emgen.study.processes import ProcessExecutor

    return ProcessExecutor(workers)


def interrupted(trial: Trial) -> Result:
    return Result(trial=trial, status="interrupted", reason="not begun")
