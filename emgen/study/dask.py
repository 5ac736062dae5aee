"""Trials on a Dask cluster. Its workers need emgen with the same plugins, and the study's folder at the same path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from emgen.cluster import Cluster, import_distributed, submit
from emgen.study.executor import TICK_S, Watch, interrupted
from emgen.study.trial import Result, Trial
from emgen.study.worker import perform


class DaskExecutor:
    """``scheduler``: an address such as ``tcp://node1:8786``; ``None`` starts ``workers`` processes on this machine."""

    def __init__(self, scheduler: str | None = None, workers: int = 1) -> None:
        self._distributed = import_distributed()
        self._cluster = Cluster(scheduler, workers)

    def map(self, trials: Sequence[Trial], watch: Watch) -> Iterator[Result]:
        with self._cluster.client() as client:
            # One thread of a worker a trial, and no second try: perform() reports failures itself.
            futures = {submit(client, perform, trial, retries=0): trial for trial in trials}
            yield from self._results(client, futures, watch)

    def _results(self, client: Any, futures: dict[Any, Trial], watch: Watch) -> Iterator[Result]:
        left = dict(futures)
        while left:
            if watch([trial for future, trial in left.items() if future.status == "pending"][: self._places(client)]):
                client.cancel(list(left))
                yield from (interrupted(trial) for trial in left.values())
                return
            for future in self._done(left):
                yield _result(future, left.pop(future))

    def _places(self, client: Any) -> int:
        threads: dict[str, int] = client.nthreads()
        return max(1, sum(threads.values()))

    def _done(self, left: dict[Any, Trial]) -> list[Any]:
        try:
            self._distributed.wait(list(left), timeout=TICK_S, return_when="FIRST_COMPLETED")
        except (TimeoutError, self._distributed.TimeoutError):
            return []
        return [future for future in left if future.done()]


def _result(future: Any, trial: Trial) -> Result:
    """A worker that died, or could not import the trial, has no result of its own."""
    if future.status == "finished":
        result: Result = future.result()
        return result
    return Result(trial=trial, status="failed", reason=f"on the cluster: {future.exception()!r}")
