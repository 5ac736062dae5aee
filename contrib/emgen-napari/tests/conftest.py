"""A run folder made of fakes, a Qt application without a screen, and a viewer without a window."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import emgen_modalities.plugin
import emgen_readers.plugin
from emgen.engine.launch import opened_run
from emgen.engine.tandem import virtual_data
from emgen.host import Host
from emgen.spec import load_spec
from emgen.testing import fakes
from emgen.testing.phantoms import phantom_micrographs

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

PIXEL_NM = 0.5


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six phantom micrographs of 0.5 nm/px, one of them smaller."""
    folder = tmp_path_factory.mktemp("images")
    shapes = [(192, 192)] * 5 + [(192, 224)]
    for number, shape_HW in enumerate(shapes):
        (phantom,) = phantom_micrographs(1, shape_HW, seed=number, diameter=16, contrast=1.5, support="film")
        per_cm = 1e7 / PIXEL_NM
        tifffile.imwrite(
            folder / f"phantom_{number}.tif",
            np.round(255 * phantom.image_HW).astype(np.uint8),
            resolution=(per_cm, per_cm),
            resolutionunit="CENTIMETER",
        )
    return folder


@pytest.fixture(scope="session")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run as far as the virtual data set; every stage a fake."""
    folder = tmp_path_factory.mktemp("run")
    host = Host.from_modules([fakes, emgen_readers.plugin, emgen_modalities.plugin])
    spec = {
        "name": "phantoms",
        "images": [str(images / "*.tif")],
        "modality": "haadf-stem",
        "data": {"crop": 64, "doctor": "off"},
        "virtual": {"images": 6},
        "gate": {"mode": "off"},
        "checkpoints": {"candidates": 0, "by": []},
        "rough_segmenter": "fake-segmenter",
        "mask_sampler": "fake-masks",
        "morphology_gan": "fake-morphology",
        "contrast_gan": "fake-contrast",
        "downstream_task": "fake-task",
    }
    with opened_run(load_spec(spec, host=host), folder, host=host, progress=False) as opened:
        micrographs = opened.read()
        virtual_data(opened, opened.split(micrographs, opened.segment_roughly(micrographs)))
    return folder


@pytest.fixture(scope="session")
def qt() -> Any:
    """The application; skips where Qt's libraries cannot be loaded."""
    try:
        from qtpy.QtWidgets import QApplication
    except Exception as error:  # a library of the system that is not there
        pytest.skip(f"Qt cannot be loaded here: {error}")
    return QApplication.instance() or QApplication([])


@pytest.fixture
def viewer(qt: Any) -> Any:
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def until(qt: Any) -> Callable[[Callable[[], bool]], None]:
    """Runs the application until something is so; fails after two minutes."""

    def wait(so: Callable[[], bool], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not so():
            assert time.monotonic() < end, "it did not happen"
            qt.processEvents()
            time.sleep(0.01)

    return wait
