"""Who segments: this process, or the workers of a cluster, each with the model loaded once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from emgen.cluster import Cluster, in_order, in_parts
from emgen.segmenting.bench import Bench, Done, Settings
from emgen.segmenting.jobs import Job

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.model import Model
    from emgen.sizes import Response

FRAMES_A_PART = 8
"""Frames that a worker takes at once, all of one file: so many are done again where it dies."""
_LOCK = Lock()


@dataclass(frozen=True, slots=True)
class Team:
    """``segment`` yields what became of each job, in their order; ``info`` and ``response`` are the model's."""

    info: Mapping[str, Any]
    response: Response | None
    segment: Callable[[Sequence[Job]], Generator[Done]]


Begin = Callable[[Settings], AbstractContextManager[Team]]


def here(load: Callable[[], Model], host: Host) -> Begin:
    """One micrograph after the other in this process. ``load``: gives the model."""

    @contextmanager
    def begin(settings: Settings) -> Iterator[Team]:
        model = load()
        bench = Bench(model, host, settings)
        yield Team(model.info, model.response, lambda jobs: (bench.do(job) for job in jobs))

    return begin


def on_cluster(cluster: Cluster, model: str | Path, host: Host, device: str) -> Begin:
    """By the workers of a cluster, which open the files and load the model themselves.

    ``model``: a folder, file or name that they find too. Raises as ``read_info`` and ``in_order`` do.
    """

    @contextmanager
    def begin(settings: Settings) -> Iterator[Team]:
        from emgen.model import model_folder, read_info
        from emgen.sizes import response_of

        info, response = read_info(model), response_of(model, host)
        order = _Order(str(_found_everywhere(model, model_folder(model, host))), device, settings, uuid4().hex)
        with cluster.client() as client:
            yield Team(info, response, lambda jobs: _sent(client, order, jobs))

    return begin


def _found_everywhere(model: str | Path, folder: Path) -> str | Path:
    """Pretrained weights lie in the package, which each machine may have elsewhere."""
    from emgen.model import SHIPPED

    return model if str(model) in SHIPPED else folder.absolute()


@dataclass(frozen=True, slots=True)
class _Order:
    """What a worker needs to set up its bench. ``call``: one of its own, as a folder may hold a new model next time."""

    model: str
    device: str
    settings: Settings
    call: str


@dataclass(frozen=True, slots=True)
class _Part:
    order: _Order
    jobs: Sequence[Job]


def _sent(client: Any, order: _Order, jobs: Sequence[Job]) -> Generator[Done]:
    parts = (_Part(order, some) for one in _by_file(jobs) for some in in_parts(one, FRAMES_A_PART))
    for done in in_order(client, _segment_part, parts):
        yield from done


def _by_file(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    for _, own in groupby(jobs, key=lambda job: job.path):
        yield list(own)


def _segment_part(part: _Part) -> list[Done]:
    """On a worker. One part at a time, however many threads it has: arithmetic and networks have their own."""
    with _LOCK:
        bench = _bench(part.order)
        return [bench.do(job) for job in part.jobs]


@lru_cache(maxsize=1)
def _bench(order: _Order) -> Bench:
    from emgen.host import load_host
    from emgen.model import load_model, reading_host

    host = load_host()
    model = load_model(order.model, host=host, device=order.device)
    return Bench(model, reading_host(order.model, host), order.settings)
