"""Work on several processes or machines, by dask.distributed: the connection, its errors, results in order.

Its workers need emgen of the same version with the same plugins, and the folders at the same paths. dask is imported
when a cluster is used, and not before.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from emgen import __version__
from emgen.errors import PreflightError, SpecError, WorkersError

Part = TypeVar("Part")
Made = TypeVar("Made")
IN_FLIGHT = 4
"""Parts for each thread of the workers that are sent out and not yet taken: enough that none waits for its next one."""
ANSWER_S = 20


@dataclass(frozen=True, slots=True)
class Cluster:
    """``scheduler``: address such as ``tcp://node1:8786``; ``None`` starts ``workers`` processes on this machine."""

    scheduler: str | None = None
    workers: int = 1

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A ``distributed.Client`` until the end of the block. Raises ``PreflightError``: no package, no answer."""
        distributed = import_distributed()
        with ExitStack() as stack:
            if self.scheduler is None:
                started = _local(distributed, self.workers)
                yield stack.enter_context(distributed.Client(stack.enter_context(started)))
            else:
                yield stack.enter_context(_connected(distributed, self.scheduler))


def cluster_of(workers: int = 1, scheduler: str | None = None) -> Cluster | None:
    """What ``--workers`` and ``--scheduler`` ask for; ``None``: this process. Raises ``SpecError`` for both at once."""
    if scheduler is not None and workers > 1:
        raise SpecError(
            f"--workers {workers} starts processes on this machine, --scheduler {scheduler} uses those of a cluster. "
            "Give one of them."
        )
    return Cluster(scheduler, workers) if scheduler is not None or workers > 1 else None


def import_distributed() -> Any:
    """The package. Raises ``PreflightError`` that names the extra."""
    try:
        import distributed
    except ImportError as error:
        raise PreflightError(
            "workers: the package distributed is missing. Install it with `pip install emgen[cluster]`, or leave out "
            "`--workers` and `--scheduler` (of a study: use `--executor processes`)."
        ) from error
    return distributed


def in_order(client: Any, function: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
    """``function(part)`` of each part by the workers, in the order of ``parts``, and only few of them at a time.

    ``function`` is importable where the workers are, and gives the same when it is done twice: a part whose worker died
    is done again by another one.

    Raises
    ------
    What ``function`` raises. PreflightError: the workers have no emgen, or another version. WorkersError: a part killed
    one worker after the other, or the scheduler is gone.
    """
    left, sent = iter(parts), deque[Any]()
    with _told_to_users():
        try:
            while True:
                for part in islice(left, max(0, _room(client) - len(sent))):
                    sent.append(submit(client, function, part))
                if not sent:
                    return
                yield sent[0].result()
                sent.popleft()
        finally:
            client.cancel(list(sent))


def submit(client: Any, function: Callable[[Part], Made], part: Part, **settings: Any) -> Any:
    """A future of ``function(part)``, by a worker with this version of emgen; ``settings`` of ``Client.submit``."""
    return client.submit(_perform, __version__, function, part, pure=False, **settings)


def in_parts(jobs: Iterable[Part], size: int) -> Iterator[list[Part]]:
    """Lists of ``size``, the last one shorter.

    >>> list(in_parts(range(5), 2))
    [[0, 1], [2, 3], [4]]
    """
    left = iter(jobs)
    while part := list(islice(left, size)):
        yield part


def threads_each(workers: int) -> int:
    """Threads of arithmetic for each worker: the cores shared out, or fewer where ``OMP_NUM_THREADS`` says so."""
    share = max(1, _cores() // max(1, workers))
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(wanted)) if wanted.isdecimal() and int(wanted) > 0 else share


def thread_variables(workers: int) -> dict[str, str]:
    """The environment of one of so many workers on this machine."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {name: str(threads_each(workers)) for name in names}


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _local(distributed: Any, workers: int) -> Any:
    """One thread a worker, as arithmetic has threads of its own; a nanny each, which replaces one that dies."""
    return distributed.LocalCluster(
        n_workers=max(1, workers),
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=logging.ERROR,  # that a worker is slow to end, or is replaced, is no news for the user
        env=thread_variables(workers),
    )


def _connected(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=ANSWER_S)
    except (OSError, ValueError) as error:
        raise PreflightError(
            f"--scheduler: no scheduler answers at {address} ({error}). Start one with `dask scheduler`, and workers "
            "with `dask worker`."
        ) from error


def _room(client: Any) -> int:
    """Without a worker yet, work is sent out for the first one that comes."""
    return IN_FLIGHT * max(1, _threads(client))


def _threads(client: Any) -> int:
    threads: dict[str, int] = client.nthreads()
    return sum(threads.values())


def _perform(version: str, function: Callable[[Part], Made], part: Part) -> Made:
    if version != __version__:
        raise PreflightError(
            f"workers: one has emgen {__version__}, here it is {version}; they could give different results. Install "
            "the same version on all."
        )
    return function(part)


@contextmanager
def _told_to_users() -> Iterator[None]:
    """What dask raises, in words that name the way out."""
    distributed = import_distributed()
    lost = (distributed.CancelledError, distributed.comm.CommClosedError)
    try:
        yield
    except distributed.KilledWorker as error:
        raise WorkersError(
            f"workers: the same part of the work ended {_deaths()} workers, so it is not tried again. Most often they "
            "have too little memory: start fewer of them on each machine."
        ) from error
    except ModuleNotFoundError as error:
        raise PreflightError(
            f"workers: one cannot import what it needs ({error}). Install emgen there with the same plugins."
        ) from error
    except lost as error:
        raise WorkersError(f"workers: the scheduler is gone ({error}). Start it and the command again.") from error


def _deaths() -> int:
    import dask

    return int(dask.config.get("distributed.scheduler.allowed-failures", 3)) + 1
