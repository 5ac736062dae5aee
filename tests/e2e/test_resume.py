"""A run that was stopped at any moment goes on and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tandem_inputs import small_spec, write_images

from emgen.engine.losses import read_losses

SLOW = str(Path(__file__).with_name("slow_plugins.py"))
Popen = subprocess.Popen[str]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    slow = {"rough_segmenter": "slow-segmenter", "downstream_task": "slow-task"}
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(small_spec(write_images(tmp_path / "images"), **slow)))
    return path


def begin(spec: Path, out: Path, **environment: str) -> Popen:
    command = [sys.executable, SLOW, "run", str(spec), "--out", str(out)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def finish(spec: Path, out: Path) -> None:
    process = begin(spec, out)
    _, shown = process.communicate(timeout=240)
    assert (out / "model" / "model.json").is_file(), shown


def wait_for(condition: Callable[[], bool], process: Popen) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def model_bytes(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "model").iterdir())}


def partial(out: Path, slot: str) -> Path | None:
    return next(iter((out / "stages").glob(f"{slot}-*.partial")), None)


def steps_done(out: Path) -> int:
    folder = partial(out, "downstream_task")
    return len(read_losses(folder)) if folder else 0


def manifest(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return document


def test_a_killed_training_resumes_and_ends_with_the_same_bytes(spec: Path, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = begin(spec, killed, SLOW_STEP_S="0.1")
    wait_for(lambda: steps_done(killed) >= 5, process)
    process.kill()
    process.wait()
    assert not (killed / "model").exists()
    finish(spec, killed)
    finish(spec, whole)
    assert model_bytes(killed) == model_bytes(whole)
    trained = next((killed / "stages").glob("downstream_task-*"))
    rows = read_losses(trained)
    assert [row["step"] for row in rows] == list(range(30))
    assert len({row["process"] for row in rows}) == 2
    assert {"scratch", "done.json", "recipe.json"}.isdisjoint(path.name for path in trained.iterdir())


def test_a_killed_segmentation_keeps_the_micrographs_that_were_done(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = begin(spec, out, SLOW_IMAGE_S="0.6")

    def first_done() -> bool:
        folder = partial(out, "rough_segmenter")
        return folder is not None and (folder / "done.json").exists()

    wait_for(first_done, process)
    process.kill()
    process.wait()
    folder = partial(out, "rough_segmenter")
    assert folder is not None
    first = (folder / "labels" / "00000" / "zarr.json").stat()
    finish(spec, out)
    kept = next((out / "stages").glob("rough_segmenter-*")) / "labels" / "00000" / "zarr.json"
    assert kept.stat().st_ino == first.st_ino


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_stops_at_a_checkpoint_and_says_how_to_resume(
    spec: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    process = begin(spec, out, SLOW_STEP_S="0.1")
    wait_for(lambda: steps_done(out) >= 3, process)
    process.send_signal(number)
    _, shown = process.communicate(timeout=240)
    assert process.returncode == 130
    assert f"emgen run {out}/spec.yaml --out {out}" in shown
    assert manifest(out)["status"] == "interrupted"
    finish(spec, out)
    assert manifest(out)["status"] == "complete"


def test_two_processes_do_not_write_one_artifact(spec: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    one = begin(spec, tmp_path / "one", SLOW_STEP_S="0.03", EMGEN_CACHE=store)
    two = begin(spec, tmp_path / "two", SLOW_STEP_S="0.03", EMGEN_CACHE=store)
    shown = [process.communicate(timeout=240)[1] for process in (one, two)]
    assert model_bytes(tmp_path / "one") == model_bytes(tmp_path / "two"), shown
    trained = next(Path(store).glob("downstream_task-*"))
    assert len({row["process"] for row in read_losses(trained)}) == 1
    assert "another process is making it" in "".join(shown)


def test_progress_in_a_log_is_plain_lines(spec: Path, tmp_path: Path) -> None:
    process = begin(spec, tmp_path / "run")
    _, shown = process.communicate(timeout=240)
    lines = shown.splitlines()
    assert "downstream_task: started" in lines
    assert any(line.startswith("downstream_task: done in 0:00:") for line in lines)
    assert "\x1b" not in shown
    process = begin(spec, tmp_path / "run")
    _, shown = process.communicate(timeout=240)
    assert "downstream_task: cached" in shown.splitlines()
