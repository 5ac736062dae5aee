"""Work on a cluster without one: a window of parts in flight, results in order, versions that must agree."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

import emgen.cluster
from emgen.cluster import Cluster, cluster_of, in_order, in_parts
from emgen.errors import PreflightError, SpecError

pytest.importorskip("distributed")


class Client:
    """Does a part when its result is asked for; counts how many are sent out and not yet taken."""

    def __init__(self, threads: int) -> None:
        self.threads, self.waiting, self.most, self.cancelled = threads, 0, 0, 0

    def nthreads(self) -> dict[str, int]:
        return {"tcp://worker": self.threads} if self.threads else {}

    def submit(self, function: Any, *arguments: Any, pure: bool) -> Any:
        assert not pure
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        client = self

        class Lazy(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                client.waiting -= 1
                return function(*arguments)

        return Lazy()

    def cancel(self, futures: list[Any]) -> None:
        self.cancelled = len(futures)


def square(number: int) -> int:
    return number * number


def test_results_come_in_order_and_few_parts_are_out_at_a_time() -> None:
    client = Client(threads=3)
    assert list(in_order(client, square, range(1000))) == [n * n for n in range(1000)]
    assert client.most == 3 * emgen.cluster.IN_FLIGHT


def test_parts_are_taken_from_their_source_only_when_there_is_room() -> None:
    taken = []
    source = (taken.append(n) or n for n in range(1000))
    results = in_order(Client(threads=2), square, source)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(taken) <= 2 * emgen.cluster.IN_FLIGHT + 3


def test_what_is_still_out_is_cancelled_when_nobody_wants_it() -> None:
    client = Client(threads=1)
    results = in_order(client, square, range(100))
    next(results)
    results.close()
    assert client.cancelled == emgen.cluster.IN_FLIGHT


def test_a_scheduler_without_workers_yet_is_sent_work() -> None:
    assert list(in_order(Client(threads=0), square, range(5))) == [0, 1, 4, 9, 16]


def test_a_worker_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(threads=1)
    results = in_order(client, square, range(4))
    next(results)
    monkeypatch.setattr(emgen.cluster, "__version__", "9.9")
    with pytest.raises(PreflightError, match=r"9\.9.*same version"):
        list(results)


def test_workers_here_or_a_scheduler_but_not_both() -> None:
    assert cluster_of() is None
    assert cluster_of(3) == Cluster(workers=3)
    assert cluster_of(scheduler="tcp://a:1") == Cluster("tcp://a:1")
    with pytest.raises(SpecError, match=r"tcp://a:1.*Give one"):
        cluster_of(3, "tcp://a:1")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emgen.cluster, "ANSWER_S", 1)
    with (
        pytest.raises(PreflightError, match=r"tcp://127\.0\.0\.1:9.*dask scheduler"),
        Cluster("tcp://127.0.0.1:9").client(),
    ):
        pass


def test_parts_hold_everything_once() -> None:
    assert [n for part in in_parts(range(23), 5) for n in part] == list(range(23))
