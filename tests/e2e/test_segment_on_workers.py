"""``emgen segment`` on several processes: the same files as from one, also where a worker is killed on the way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from emgen.api import segment
from emgen.cluster import Cluster, in_order, thread_variables
from emgen.errors import ModelError, PreflightError, WorkersError
from emgen.model import save_model
from emgen.testing.fake_stages import LogisticThreshold
from emgen.testing.fakes import TaskConfig
from emgen.testing.phantoms import phantom_stack

distributed = pytest.importorskip("distributed")

TASK = '''
    import os, time
    from pathlib import Path

    from emgen import hookimpl
    from emgen.registration import StagePlugin
    from emgen.testing.fake_stages import LogisticThreshold
    from emgen.testing.fakes import TaskConfig


    class Signing(LogisticThreshold):
        """Leaves word of the process that loads it and of every picture, and takes its time."""

        def load(self, folder):
            super().load(folder)
            self.word("loaded")

        def predict(self, image_NHW):
            self.word("predicts")
            time.sleep(0.01)
            return super().predict(image_NHW)

        def word(self, what):
            with open(Path(os.environ["SIGNS"]) / f"{what}-{os.getpid()}", "a") as file:
                file.write(".")


    @hookimpl
    def emgen_downstream_tasks():
        return [StagePlugin(name="signing", config=TaskConfig, create="emgen_signing:Signing", summary="signs")]
'''
SERIES, SINGLES = 20, 6


@pytest.fixture
def signs(fake_distribution: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the task of the model leaves word; it is installed for this process and those that it starts."""
    folder = fake_distribution("emgen-signing", {"emgen_signing": TASK})
    monkeypatch.setenv("PYTHONPATH", str(folder))
    found = tmp_path / "signs"
    found.mkdir()
    monkeypatch.setenv("SIGNS", str(found))
    monkeypatch.setattr("emgen.sizes.write.draw", lambda *parts: [])  # figures: seconds, and nothing of workers
    return found


@pytest.fixture
def model(tmp_path: Path, signs: Path) -> Path:
    task = LogisticThreshold(TaskConfig())
    task.moments = {"inside": 0.8, "outside": 0.2}
    folder = tmp_path / "model"
    folder.mkdir()
    about: Any = {"modality": "haadf-stem", "polarity": "bright", "working_diameter": 10.0, "provenance": {}}
    save_model(folder, task, task_name="signing", config={}, **about)
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A series of many frames, singles of two sizes, and a file that cannot be used."""
    folder = tmp_path / "images"
    folder.mkdir()
    frames = [(phantom.image_HW * 65535).astype(np.uint16) for phantom in phantom_stack(SERIES, (48, 64), seed=3)]
    tifffile.imwrite(folder / "series.tif", np.stack(frames), photometric="minisblack")
    for number, phantom in enumerate(phantom_stack(SINGLES, (64, 56), seed=4)):
        tifffile.imwrite(folder / f"single-{number}.tif", (phantom.image_HW[: 60 - number] * 255).astype(np.uint8))
    tifffile.imwrite(folder / "flat.tif", np.ones((9, 9), np.uint8))
    return folder


@pytest.fixture
def scheduler(signs: Path) -> Iterator[str]:
    """Address of a cluster that others have started."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "env": thread_variables(2)}
    with distributed.LocalCluster(**settings) as cluster:
        yield cluster.scheduler_address


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pids(signs: Path, what: str) -> set[int]:
    return {int(path.name.partition("-")[2]) for path in signs.glob(f"{what}-*")}


def test_a_worker_killed_in_the_middle_changes_nothing(model: Path, images: Path, signs: Path, tmp_path: Path) -> None:
    write = ["coco", "rois"]
    serial = segment(model, images, tmp_path / "serial", write=write)
    killed: list[int] = []

    def kill_one(line: str) -> None:
        if not killed:
            at_work = pids(signs, "predicts") - {os.getpid()}
            killed.append(min(at_work or pids(signs, "loaded") - {os.getpid()}))
            os.kill(killed[0], signal.SIGKILL)

    parallel = segment(model, images, tmp_path / "parallel", write=write, workers=2, tell=kill_one)
    assert killed
    assert len(pids(signs, "loaded")) >= 3, "this process, and workers of which one is dead"
    assert len(parallel.files) == SERIES + SINGLES
    assert len(parallel.particles) > SERIES
    assert parallel.failed == serial.failed
    assert parallel.failed
    assert parallel.particles.equals(serial.particles)
    assert contents(tmp_path / "parallel") == contents(tmp_path / "serial")


def test_a_scheduler_fills_the_same_zarr_stacks_with_one_model_a_worker(
    model: Path, images: Path, signs: Path, tmp_path: Path, scheduler: str
) -> None:
    segment(model, images, tmp_path / "serial", write=["zarr"])
    (signs / f"loaded-{os.getpid()}").unlink()
    segment(model, images, tmp_path / "parallel", write=["zarr"], scheduler=scheduler)
    assert contents(tmp_path / "parallel") == contents(tmp_path / "serial")
    assert [path.read_text() for path in signs.glob("loaded-*")] == ["."] * len(pids(signs, "loaded"))
    records = json.loads((tmp_path / "parallel" / "summary.json").read_text())["files"]
    assert {record["labels"] for record in records if record["frame"]} == {"series_labels.zarr"}

    with pytest.raises(ModelError, match="no model there"):
        segment(tmp_path / "none", images, tmp_path / "out", scheduler=scheduler)
    (model / "fake.json").write_text("{}")
    with pytest.raises(KeyError, match="inside"):
        segment(model, images, tmp_path / "broken", scheduler=scheduler)


def test_workers_of_another_version_are_refused(
    model: Path, images: Path, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emgen.cluster.__version__", "0.0.0")
    with pytest.raises(PreflightError, match="Install the same version"):
        segment(model, images, tmp_path / "out", scheduler=scheduler)


def test_the_local_cluster_has_one_thread_a_worker() -> None:
    with Cluster(workers=2).client() as client:
        assert list(client.nthreads().values()) == [1, 1]


def test_a_part_that_ends_every_worker_ends_the_call_with_a_word_on_memory() -> None:
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        Cluster(workers=1).client() as client,
        pytest.raises(WorkersError, match=r"ended 1 workers.*memory"),
    ):
        list(in_order(client, os._exit, [1]))
