"""Trials in worker processes and on a Dask cluster: side by side, one dies and others do not, stopped and resumed."""

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

import numpy as np
import pytest
import tifffile
import yaml
from tandem_inputs import small_spec, write_images

from emgen.cluster import thread_variables, threads_each
from emgen.study.executor import make_executor
from emgen.study.run import StudyResult, run_study

TASKS = '''
    import json, os, time
    from pathlib import Path

    from emgen import hookimpl
    from emgen.errors import Interrupted
    from emgen.registration import StagePlugin
    from emgen.testing.fake_stages import LogisticThreshold
    from emgen.testing.fakes import TaskConfig


    class Deadly(LogisticThreshold):
        """Dies as a process does that the system kills."""

        def fit(self, image_NHW, label_NHW, context):
            os.kill(os.getpid(), 9)


    class Slow(LogisticThreshold):
        """Waits at every step, and leaves word of where and with how many threads it runs."""

        def fit(self, image_NHW, label_NHW, context):
            about = {"process": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS")}
            Path(os.environ["SLOW_SIGNS"], f"{os.getpid()}.json").write_text(json.dumps(about))
            for _ in range(round(float(os.environ.get("SLOW_S", "0")) * 20)):
                if context.should_stop():
                    raise Interrupted("stopped")
                time.sleep(0.05)
            super().fit(image_NHW, label_NHW, context)


    @hookimpl
    def emgen_downstream_tasks():
        return [
            StagePlugin(name=name, config=TaskConfig, create=f"emgen_patience:{kind}", summary=kind)
            for name, kind in (("deadly", "Deadly"), ("slow", "Slow"))
        ]
'''


@pytest.fixture
def signs(fake_distribution: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs fakes and tasks for this process and those it starts; returns where the slow task leaves word."""
    entries = {"fakes": "emgen.testing.fakes", "patience": "emgen_patience"}
    folder = fake_distribution("emgen-patience", {"emgen_patience": TASKS}, entry_points=entries)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    found = tmp_path / "signs"
    found.mkdir()
    monkeypatch.setenv("SLOW_SIGNS", str(found))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return found


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Six micrographs, two of them with truth; two networks."""
    images = write_images(tmp_path / "images", 5)
    (tmp_path / "truth").mkdir()
    for path in images.iterdir():
        tifffile.imwrite(tmp_path / "truth" / f"{path.stem}_mask.tif", (np.load(path) > 4000).astype(np.uint8) * 255)
    networks = {"slow": {"uses": "slow"}, "soft": {"uses": "slow", "sharpness": 2.0}}
    study = {"evaluate": "images/image4.npy", "truth": "truth", "snapshots": 1, "networks": networks}
    path = tmp_path / "spec.yaml"
    small = small_spec(Path("images"), gate={"mode": "off"}, metrics=["fake-metric"])
    path.write_text(yaml.safe_dump({**small, "study": study}))
    return path


def study(spec: Path, out: Path, executor: Any, **how: Any) -> StudyResult:
    return run_study("architectures", spec, out, seeds=(0,), executor=executor, progress=False, **how)


def words(signs: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in signs.glob("*.json")]


def test_threads_are_shared_out_among_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emgen.cluster._cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads_each(workers) for workers in (1, 2, 3, 20)] == [8, 4, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert set(thread_variables(2).values()) == {"1"}


def test_two_workers_do_two_trials_in_processes_of_their_own(spec: Path, signs: Path, tmp_path: Path) -> None:
    result = study(spec, tmp_path / "out", make_executor("processes", 2))
    assert [own.status for own in result.results] == ["done", "done"]
    pids = {own["process"] for own in words(signs)}
    assert os.getpid() not in pids
    assert {own["threads"] for own in words(signs)} == {str(threads_each(2))}
    assert os.environ.get("OMP_NUM_THREADS") is None


def test_the_death_of_a_worker_costs_its_trial_alone(spec: Path, signs: Path, tmp_path: Path) -> None:
    networks = {"deadly": {"uses": "deadly"}, "slow": {"uses": "slow"}}
    result = study(spec, tmp_path / "out", make_executor("processes", 1), settings={"networks": networks})
    assert [own.status for own in result.results] == ["failed", "done"]
    assert "signal 9" in result.failed[0].reason
    assert "fewer workers" in result.failed[0].reason


def begin(spec: Path, out: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "emgen", "study", "architectures", str(spec), "--out", str(out), "--seed", "0"]
    environ = {**os.environ, **environment}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_study_that_is_told_to_stop_stops_its_workers_and_goes_on_later(
    spec: Path, signs: Path, tmp_path: Path
) -> None:
    process = begin(spec, tmp_path / "out", SLOW_S="60")
    wait_for(lambda: words_or_none(signs), process)
    process.send_signal(signal.SIGTERM)
    shown, _ = process.communicate(timeout=240)
    assert process.returncode == 130, shown
    assert "emgen study architectures" in shown
    assert (tmp_path / "out" / "report.html").is_file()
    (worker,) = words(signs)
    wait_for(lambda: not alive(worker["process"]))
    process = begin(spec, tmp_path / "out")
    shown, _ = process.communicate(timeout=240)
    assert process.returncode == 0, shown


def test_no_worker_outlives_a_study_that_is_killed(spec: Path, signs: Path, tmp_path: Path) -> None:
    process = begin(spec, tmp_path / "out", SLOW_S="60")
    wait_for(lambda: words_or_none(signs), process)
    process.kill()
    process.wait()
    (worker,) = words(signs)
    wait_for(lambda: not alive(worker["process"]))


def words_or_none(signs: Path) -> list[dict[str, Any]]:
    """A file may be seen before it is written."""
    try:
        return words(signs)
    except ValueError:
        return []


def test_a_failed_trial_ends_the_command_with_status_1_and_a_report(spec: Path, signs: Path, tmp_path: Path) -> None:
    text = yaml.safe_load(spec.read_text())
    text["study"]["networks"]["slow"] = {"uses": "deadly"}
    spec.write_text(yaml.safe_dump(text))
    process = begin(spec, tmp_path / "out")
    shown, _ = process.communicate(timeout=240)
    assert process.returncode == 1, shown
    assert "1 of 2 trials failed (slow, seed 0)" in shown
    assert "signal 9" in (tmp_path / "out" / "report.html").read_text()


def test_trials_run_on_a_dask_cluster(spec: Path, signs: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    result = study(spec, tmp_path / "out", make_executor("dask", 1))
    assert [own.status for own in result.results] == ["done", "done"]
    assert os.getpid() not in {own["process"] for own in words(signs)}
