"""A training waits for nothing and fails by nothing, whatever stands behind the tracker."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest
from emgen_mlflow.tracker import End, Log, Tracker, Value

RUN = Path("runs/first")


class Kept:
    """Keeps what is written to it, after as long as it takes."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.written: list[Value] = []
        self.stages: list[str] = []
        self.ends: list[End] = []

    def open(self, run: Path) -> Log:
        time.sleep(self.delay_s)
        return self

    def values(self, values: list[Value]) -> None:
        self.written += values

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def end(self, end: End) -> None:
        self.ends.append(end)


def test_a_store_that_takes_seconds_to_open_takes_none_of_the_training() -> None:
    kept = Kept(delay_s=0.5)
    tracker = Tracker(kept.open)
    began = time.monotonic()
    tracker.begin(RUN)
    tracker.stage(RUN, "contrast_gan")
    for step in range(1000):
        tracker.values(RUN, "contrast_gan", step, {"loss": 1 / (step + 1)})
    assert time.monotonic() - began < 0.4
    tracker.end(RUN, "complete", None)
    assert [value.step for value in kept.written] == list(range(1000))
    assert kept.written[9] == Value("contrast_gan/loss", 0.1, 9, kept.written[9].time_ms)
    assert kept.stages == ["contrast_gan"]
    assert kept.ends == [End("complete", None)]


def test_a_store_that_cannot_be_reached_is_said_once_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(run: Path) -> Log:
        raise ConnectionError("no route to host")

    tracker = Tracker(refuse)
    with caplog.at_level(logging.WARNING):
        tracker.begin(RUN)
        for step in range(100):
            tracker.values(RUN, "s", step, {"loss": 0.0})
        tracker.end(RUN, "complete", None)
    (record,) = caplog.records
    assert "first: not logged to MLflow any more: ConnectionError: no route to host" in record.getMessage()


def test_a_store_that_hangs_holds_up_the_end_for_no_longer_than_said(caplog: pytest.LogCaptureFixture) -> None:
    forever = threading.Event()

    def hang(run: Path) -> Log:
        forever.wait(20)
        return Kept()

    tracker = Tracker(hang, wait_s=0.2)
    began = time.monotonic()
    tracker.begin(RUN)
    with caplog.at_level(logging.WARNING):
        tracker.end(RUN, "complete", None)
    forever.set()
    assert time.monotonic() - began < 2
    assert "did not take everything within 0.2 s" in caplog.text


def test_two_runs_at_once_are_kept_apart() -> None:
    logs = {"a": Kept(), "b": Kept()}
    tracker = Tracker(lambda run: logs[run.name])
    for name in logs:
        tracker.begin(Path(name))
    for name in logs:
        tracker.values(Path(name), "s", 1, {f"loss of {name}": 1.0})
        tracker.end(Path(name), "failed", ValueError(name))
    assert [value.name for value in logs["a"].written] == ["s/loss of a"]
    assert logs["b"].ends == [End("failed", "b")]


def test_what_is_said_of_a_run_that_never_began_is_ignored() -> None:
    tracker = Tracker(Kept().open)
    tracker.values(RUN, "s", 1, {"loss": 1.0})
    tracker.stage(RUN, "s")
    tracker.end(RUN, "complete", None)
