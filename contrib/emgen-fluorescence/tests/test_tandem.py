"""The tandem on cells of which the nuclei are one channel of two, with fakes for the networks."""

from __future__ import annotations

import json
from pathlib import Path

import emgen_fluorescence.plugin
import numpy as np
import tifffile
from cells import cells

import emgen_readers.plugin
import emgen_segmenters.plugin
from emgen.api import segment
from emgen.engine import run_spec
from emgen.testing import fakes
from emgen.testing.pytest_plugin import RegisterModules


def test_nuclei_in_the_second_channel_become_a_model_that_reads_it_too(
    tmp_path: Path, emgen_host: RegisterModules
) -> None:
    host = emgen_host(fakes, emgen_fluorescence.plugin, emgen_readers.plugin, emgen_segmenters.plugin)
    for seed in range(4):
        nuclei = cells(seed, (192, 192), count=20).image_HW
        membrane = np.random.default_rng(seed).poisson(300, nuclei.shape).astype(np.uint16)
        metadata = {"axes": "CYX", "Labels": ["membrane", "nuclei"], "unit": "um"}
        path = tmp_path / f"cells_{seed}.tif"
        tifffile.imwrite(path, np.stack([membrane, nuclei]), imagej=True, metadata=metadata, resolution=(2.0, 2.0))
    spec = {
        "images": [str(tmp_path / "*.tif")],
        "modality": "fluorescence-nuclei",
        "data": {"crop": 64, "working_diameter": 12.0, "reader": {"uses": "tiff-channel", "channel": "nuclei"}},
        "virtual": {"images": 8},
        "gate": {"mode": "report"},
        "checkpoints": {"candidates": 0, "by": []},
        "morphology_gan": "fake-morphology",
        "contrast_gan": "fake-contrast",
        "downstream_task": "fake-task",
        "metrics": ["fake-metric"],
    }
    run = run_spec(spec, tmp_path / "run", host=host)
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert {row["pixel_size_nm"] for row in manifest["data"]["micrographs"]} == {500.0}
    found = segment(run.model, [tmp_path / "cells_0.tif"], tmp_path / "out", host=host)
    assert len(found.files) == 1  # the channel, not two pages
    assert found.particles["equivalent_diameter_nm"].median() > 5000
