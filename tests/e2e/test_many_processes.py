"""A run that Accelerate starts as two processes: one set of artifacts, resumed after a kill, ended as a whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from emgen.testing.phantoms import phantom_stack, write_phantoms

pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow
RUNNER = str(Path(__file__).with_name("frequent_checkpoints.py"))
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
LAUNCH += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
TRAININGS = ("morphology_gan", "contrast_gan", "downstream_task")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_phantoms(tmp_path / "images", phantom_stack(4, (160, 160), seed=3, diameter=14.0))
    small = {"encoder": "tu-mobilenetv3_small_100", "decoder_channels": [16, 8, 8], "batch": 2}
    document = {
        "images": "images/*.tif",
        "modality": "haadf-stem",
        "device": "cpu",
        "allow_simulated_weights": False,
        "data": {"crop": 64, "crops_per_micrograph": 4, "doctor": "off"},
        "split": {"by": "micrograph", "subset1": 2},
        "virtual": {"images": 12, "response": 4},
        "checkpoints": {"candidates": 2, "probes": 8},
        "rough_segmenter": "threshold",
        "mask_sampler": {"uses": "fitted-particles", "trials": 1, "check_masks": 2},
        "morphology_gan": {"uses": "pix2pix", **small, "max_steps": 10, "patch_width": 8},
        "contrast_gan": {"uses": "cyclegan", "generator_width": 4, "generator_blocks": 1, "max_steps": 25, "batch": 2},
        "downstream_task": {"uses": "npssegnet", "start_from": None, **small, "max_steps": 4},
        "metrics": [],
    }
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def begin(spec: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    command = [*LAUNCH, RUNNER, "run", str(spec), "--out", str(out), *more]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_all(launcher: subprocess.Popen[str]) -> None:
    """The launcher and the processes that it started, at once, as a machine does that loses its power."""
    import psutil

    processes = [*psutil.Process(launcher.pid).children(recursive=True), psutil.Process(launcher.pid)]
    for process in processes:
        process.kill()
    launcher.communicate()


def one_rank(launcher: subprocess.Popen[str], rank: int) -> Any:
    import psutil

    children = psutil.Process(launcher.pid).children(recursive=True)
    return next(child for child in children if child.environ().get("RANK") == str(rank))


def wait_for_checkpoint(stage: str, out: Path, launcher: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 400
    while not list((out / "stages").glob(f"{stage}-*.partial/**/checkpoint.safetensors")):
        assert launcher.poll() is None, launcher.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def manifest(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return document


def test_two_processes_make_one_run_that_survives_a_kill(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    launcher = begin(spec, out)
    wait_for_checkpoint("contrast_gan", out, launcher)
    kill_all(launcher)
    assert not (out / "model").exists()
    _, shown = (launcher := begin(spec, out)).communicate(timeout=500)
    assert launcher.returncode == 0, shown
    assert "morphology_gan: cached" in shown
    assert shown.count("contrast_gan: started") == shown.count("downstream_task: started") == 1
    told = manifest(out)
    assert (told["status"], told["processes"]) == ("complete", 2)
    assert (out / "model" / "model.json").is_file()
    assert (out / "report.html").is_file()
    folders = [folder.name for folder in (out / "stages").iterdir() if folder.is_dir()]
    assert not [name for name in folders if name.startswith(TRAININGS) and name.endswith(".partial")]
    assert [sum(name.startswith(f"{stage}-") for name in folders) for stage in TRAININGS] == [1, 1, 1]


def test_a_process_that_dies_ends_the_run_with_a_way_on(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    launcher = begin(spec, out)
    wait_for_checkpoint("morphology_gan", out, launcher)
    one_rank(launcher, 1).send_signal(signal.SIGKILL)
    _, shown = launcher.communicate(timeout=120)
    assert launcher.returncode != 0
    assert "Resume with:" in shown
    assert manifest(out)["status"] in ("failed", "interrupted")


def test_a_wrong_spec_ends_both_processes_with_one_message(spec: Path, tmp_path: Path) -> None:
    launcher = begin(spec, tmp_path / "run", "--set", "contrast_gan.batch=3")
    _, shown = launcher.communicate(timeout=200)
    assert launcher.returncode != 0
    assert shown.count("contrast_gan.batch: 3 images cannot be shared evenly by 2 processes") == 1
