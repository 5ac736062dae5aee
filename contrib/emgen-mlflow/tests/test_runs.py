"""What stands in MLflow after runs of emgen on its instant fakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from emgen_mlflow import plugin
from mlflow import MlflowClient
from mlflow.entities import Run

from emgen import hookimpl
from emgen.engine import opened_run
from emgen.errors import Interrupted, StageFailedError
from emgen.host import Host
from emgen.registration import StageConfig, StagePlugin
from emgen.spec import load_spec
from emgen.testing import fakes
from emgen.testing.fake_stages import LogisticThreshold

Start = Callable[..., Any]
SCORES = {"second_generation": {"fake-metric": {"distance": 0.25, "verdict": "proves nothing"}}}


class Fragile(LogisticThreshold):
    """A task that fails until it is mended."""

    sound = False

    def __init__(self, config: Any, context: Any) -> None:
        super().__init__(fakes.emgen_downstream_tasks()[0].config(), context)

    def fit(self, *stacks: Any) -> None:
        if not Fragile.sound:
            raise ZeroDivisionError("the loss fell through the floor")
        super().fit(*stacks)


class FragilePlugin:
    @hookimpl
    def emgen_downstream_tasks(self) -> list[StagePlugin]:
        create = f"{__name__}:Fragile"
        return [StagePlugin(name="fragile", config=StageConfig, create=create, summary="fails until it is mended")]


def disc_image(seed: int) -> Any:
    """Bright discs on noise, uint16."""
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[:160, :176]
    image = rng.normal(2000.0, 150.0, (160, 176))
    for y, x in rng.uniform(8, 150, (18, 2)):
        image[(rows - y) ** 2 + (columns - x) ** 2 <= 36] += 4000.0
    return np.clip(image, 0, 65535).astype(np.uint16)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """``start(**changes)``: a run into ``runs/first`` that trains on rough masks, and ends as ``emgen run`` does."""
    for index in range(3):
        (tmp_path / "images").mkdir(exist_ok=True)
        np.save(tmp_path / "images" / f"image{index}.npy", disc_image(index))
    host = Host.from_modules([fakes, plugin, FragilePlugin()])

    def run(**changes: Any) -> Path:
        spec = {
            "name": tmp_path.name,
            "images": [str(tmp_path / "images")],
            "modality": "fake-modality",
            "device": "cpu",
            "data": {"crop": 32, "working_diameter": 8.0, "crops_per_micrograph": 6},
            "split": {"guard": 4},
            "metrics": ["fake-metric"],
            **changes,
        }
        folder = tmp_path / "runs" / "first"
        how: dict[str, Any] = {"host": host, "progress": False}
        with opened_run(load_spec(spec, host=host), folder, **how, at_end=end) as opened:
            micrographs = opened.read()
            parts = opened.split(micrographs, opened.segment_roughly(micrographs))
            opened.train_downstream(parts.subset1_images, parts.subset1_labels)
        return folder

    return run


def end(folder: Path) -> None:
    (folder / "metrics.json").write_text(json.dumps(SCORES))
    (folder / "report.html").write_text("<p>brief")


@pytest.fixture
def found(tmp_path: Path) -> Callable[[], list[Run]]:
    """The MLflow runs of this test's experiment, the newest first."""

    def runs() -> list[Run]:
        client = MlflowClient()
        experiment = client.get_experiment_by_name(tmp_path.name)
        return list(client.search_runs([experiment.experiment_id]))

    return runs


def test_a_run_is_logged_with_settings_losses_scores_and_files(
    start: Start, found: Callable[[], list[Run]], tmp_path: Path
) -> None:
    folder = start()
    (run,) = found()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    written = yaml.safe_load((folder / "spec.yaml").read_text())
    assert run.data.params["downstream_task.uses"] == written["downstream_task"]["uses"] == "fake-task"
    assert run.data.params["data.crop"] == "32"
    assert run.data.metrics["scores/second_generation/fake-metric/distance"] == 0.25
    assert run.data.metrics["seconds/downstream_task"] >= 0
    history = MlflowClient().get_metric_history(run.info.run_id, "downstream_task/loss")
    assert [metric.step for metric in history] == list(range(8))
    files = {file.path for file in MlflowClient().list_artifacts(run.info.run_id)}
    assert {"spec.yaml", "manifest.json", "metrics.json", "report.html"} <= files
    assert run.data.tags["emgen.folder"] == str(tmp_path / "runs" / "first")
    assert run.data.tags["emgen.device"] == "cpu"


def test_a_failed_run_says_why_and_resumed_it_is_the_same_run(
    start: Start, found: Callable[[], list[Run]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StageFailedError):
        start(downstream_task="fragile")
    (failed,) = found()
    assert failed.info.status == "FAILED"
    assert "the loss fell through the floor" in failed.data.tags["emgen.error"]
    monkeypatch.setattr(Fragile, "sound", True)
    start(downstream_task="fragile")
    (run,) = found()
    assert run.info.run_id == failed.info.run_id
    assert run.info.status == "FINISHED"
    assert "emgen.error" not in run.data.tags


def test_an_interrupted_run_is_killed_not_failed(
    start: Start, found: Callable[[], list[Run]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emgen.engine.run.Run.split", stop)
    with pytest.raises(Interrupted):
        start()
    (run,) = found()
    assert run.info.status == "KILLED"


def test_another_spec_in_the_same_folder_is_another_run(start: Start, found: Callable[[], list[Run]]) -> None:
    start()
    start(seed=5)
    assert sorted(run.data.params["seed"] for run in found()) == ["0", "5"]


def test_without_a_tracking_uri_the_store_is_a_file_in_the_working_directory(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    start()
    assert (tmp_path / "mlflow.db").is_file()
    assert [run.info.status for run in MlflowClient().search_runs(["1"])] == ["FINISHED"]
