"""The tandem on a small stack of phantom powders, with this distribution's stages and fakes for the networks."""

from __future__ import annotations

import json
from pathlib import Path

import emgen_sem.plugin
import numpy as np
import tifffile
from powders import powder

import emgen_readers.plugin
from emgen.artifacts import open_stack
from emgen.engine import run_spec
from emgen.testing import fakes
from emgen.testing.pytest_plugin import RegisterModules


def test_a_stack_of_powders_becomes_a_model_and_a_virtual_data_set(tmp_path: Path, emgen_host: RegisterModules) -> None:
    host = emgen_host(fakes, emgen_sem.plugin, emgen_readers.plugin)
    for seed in range(4):
        tifffile.imwrite(tmp_path / f"powder_{seed}.tif", powder(seed, (192, 192), heaps=4).image_HW)
    spec = {
        "images": [str(tmp_path / "*.tif")],
        "modality": "sem-se",
        "data": {"crop": 64, "working_diameter": 12.0},
        "virtual": {"images": 8},
        "gate": {"mode": "report"},
        "checkpoints": {"candidates": 0, "by": []},
        "morphology_gan": "fake-morphology",
        "contrast_gan": "fake-contrast",
        "downstream_task": "fake-task",
        "metrics": ["fake-metric"],
    }
    run_spec(spec, tmp_path / "run", host=host)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    makers = {step["label"]: (step["plugin"], step["distribution"]) for step in manifest["steps"]}
    assert {plugin for plugin, _ in makers.values()} >= {"sem-se", "rims", "agglomerates"}
    folder = next(tmp_path / "run" / step["folder"] for step in manifest["steps"] if step["label"] == "masks")
    label_NHW = np.asarray(open_stack(next(path.parent for path in folder.rglob("zarr.json"))))
    assert label_NHW.shape == (8, 64, 64)
    assert label_NHW.max() > 3
