"""The real stages, killed in the middle of a training: the model has the bytes of one that was never stopped."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from emgen.model import model_digest
from emgen.testing.phantoms import phantom_stack, write_phantoms

pytestmark = pytest.mark.slow
RUNNER = str(Path(__file__).with_name("frequent_checkpoints.py"))
STAGES = ("morphology_gan", "contrast_gan", "downstream_task")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_phantoms(tmp_path / "images", phantom_stack(6, (160, 160), seed=3, diameter=14.0))
    small = {"encoder": "tu-mobilenetv3_small_100", "decoder_channels": [16, 8, 8]}
    path = tmp_path / "spec.yaml"
    document = {
        "images": "images/*.tif",
        "modality": "haadf-stem",
        "seed": 5,
        "allow_simulated_weights": False,
        "data": {"crop": 64, "crops_per_micrograph": 6},
        "split": {"by": "micrograph", "subset1": 2},
        "virtual": {"images": 24},
        "rough_segmenter": "threshold",
        "mask_sampler": {"uses": "fitted-particles", "trials": 2, "check_masks": 5},
        "morphology_gan": {"uses": "pix2pix", **small, "max_steps": 25, "batch": 2, "patch_width": 8},
        "contrast_gan": {"uses": "cyclegan", "generator_width": 4, "generator_blocks": 1, "max_steps": 25},
        "downstream_task": {"uses": "npssegnet", "start_from": None, **small, "max_steps": 30, "batch": 2},
        "metrics": [],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def begin(spec: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, RUNNER, "run", str(spec), "--out", str(out), "--quiet", "--device", "cpu"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(spec: Path, out: Path) -> str:
    process = begin(spec, out)
    _, shown = process.communicate(timeout=500)
    assert process.returncode == 0, shown
    return model_digest(out / "model")


def kill_within(stage: str, spec: Path, out: Path, wait: float) -> None:
    """Kills the run ``wait`` seconds after the stage's first checkpoint appears; it may be through by then."""
    process = begin(spec, out)
    deadline = time.monotonic() + 400
    while process.poll() is None and time.monotonic() < deadline:
        if list((out / "stages").glob(f"{stage}-*.partial/**/checkpoint.safetensors")):
            time.sleep(wait)
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_run_killed_in_every_training_ends_with_the_model_of_one_that_was_not(spec: Path, tmp_path: Path) -> None:
    whole = finish(spec, tmp_path / "whole")
    moments = random.Random(7)
    for stage in STAGES:
        kill_within(stage, spec, tmp_path / "killed", moments.uniform(0, 1.0))
        assert not (tmp_path / "killed" / "model").exists() or stage == STAGES[-1]
    assert finish(spec, tmp_path / "killed") == whole
