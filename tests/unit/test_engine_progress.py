"""What a run shows, and how a step's rest of time follows from its pace."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from emgen.engine import device
from emgen.engine.device import foresee_device, pick_device, pick_precision
from emgen.engine.features import FeatureMemo
from emgen.engine.pace import Pace
from emgen.engine.progress import Lines, Live, Silent, make_progress
from emgen.engine.seeds import batch_rng, step_seed
from emgen.errors import PreflightError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_of_a_resumed_step_follows_from_its_own_pace() -> None:
    clock = Clock()
    pace = Pace(clock, total=1000)
    pace.log(500, {"loss": 0.5})
    assert pace.seconds_left() is None
    clock.now = 10.0
    pace.log(600, {"loss": 0.25})
    assert pace.seconds_left() == pytest.approx(40.0)
    assert pace.text() == "600 of 1000, 0:00:40 left, loss 0.25"


def test_a_log_gets_at_most_a_line_each_ten_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines(stream, clock=clock)
    lines.begin("gan")
    lines.plan("gan", 100)
    for step in range(1, 26):
        clock.now = float(step)
        lines.log("gan", step, {"loss": 1.0})
    lines.end("gan", cached=False, seconds=25)
    lines.end("masks", cached=True, seconds=0)
    shown = stream.getvalue().splitlines()
    assert shown[0] == "gan: started"
    assert [line.split(",")[0] for line in shown[1:3]] == ["gan: 10 of 100", "gan: 20 of 100"]
    assert shown[3:] == ["gan: done in 0:00:25", "masks: cached"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_table_with_a_row_a_step(monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    live = make_progress(True, stream)
    assert isinstance(live, Live)
    live.expect(["masks", "gan", "scores"])
    live.end("masks", cached=True, seconds=0)
    live.begin("gan")
    live.plan("gan", 10)
    live.log("gan", 4, {"loss": 0.125})
    live.note("a word in between")
    live.close()
    shown = stream.getvalue()
    for text in ("cached", "4 of 10", "loss 0.125", "waits", "a word in between"):
        assert text in shown


def test_nothing_is_shown_when_quiet() -> None:
    assert isinstance(make_progress(False), Silent)


def test_seeds_differ_by_step_and_by_batch() -> None:
    assert step_seed(0, "a") != step_seed(0, "b") != step_seed(1, "b")
    assert batch_rng(1, 0).random() != batch_rng(1, 16).random()


def test_without_torch_everything_runs_on_the_cpu(monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert pick_device("auto") == "cpu"
    assert pick_precision("auto", "cpu") == "float32"
    with pytest.raises(PreflightError, match="device: auto"):
        pick_device("cuda")


def test_features_are_computed_once_a_stack() -> None:
    calls = []

    class WithFeatures:
        def __init__(self) -> None:
            self.feature_extractors = {"mean": self.extract}

        def extract(self, stack: Any, device: str) -> Any:
            calls.append(device)
            return np.asarray(stack).mean(axis=(1, 2), keepdims=False)[:, None]

    memo, stack = FeatureMemo("cpu"), np.ones((3, 4, 4))
    for metric in (WithFeatures(), WithFeatures()):
        features = memo.of(metric)
        assert features is not None
        assert features("mean", stack).shape == (3, 1)
    assert calls == ["cpu"]
    assert memo.of(object()) is None


@pytest.mark.parametrize(
    ("build", "gpu", "wanted", "seen"),
    [
        ("2.4.0", True, "auto", "cuda"),
        ("2.4.0+cpu", True, "auto", "asked"),
        ("2.4.0+rocm6.1", False, "auto", "asked"),
        ("2.4.0", False, "auto", "cpu"),
        ("2.4.0", False, "cuda", "asked"),
        ("", True, "auto", "asked"),
        ("2.4.0", True, "cpu", "cpu"),
    ],
)
def test_the_device_is_foreseen_by_the_driver_and_torch_is_asked_where_that_does_not_tell(
    build: str, gpu: bool, wanted: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_torch_build", lambda: build)
    monkeypatch.setattr(device, "_driver_sees_gpu", lambda: gpu)
    monkeypatch.setattr(device, "pick_device", lambda wanted: "asked")
    assert foresee_device(wanted) == seen
