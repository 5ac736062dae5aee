"""The widgets, on a viewer without a window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def segment(viewer: Any) -> Any:
    from emgen_napari.segment import SegmentLayer

    return SegmentLayer(viewer)


@pytest.fixture
def open_run(viewer: Any) -> Any:
    from emgen_napari.open_run import OpenRun

    return OpenRun(viewer)


def test_a_run_is_looked_at_and_opened(open_run: Any, viewer: Any, run: Path) -> None:
    assert not open_run.button.isEnabled()
    open_run.line.edit.setText(str(run))
    assert open_run.message.text() == "phantoms, complete; no model yet"
    open_run.boxes["micrographs"].setChecked(False)
    open_run.boxes["rough masks"].setChecked(False)
    open_run.button.click()
    assert [layer.name for layer in viewer.layers] == [
        "1st generation",
        "labels of the 1st generation",
        "2nd generation",
        "labels of the 2nd generation",
    ]


def test_a_folder_that_is_no_run_is_refused_in_the_widget(open_run: Any, tmp_path: Path) -> None:
    open_run.line.edit.setText(str(tmp_path))
    assert "no run there" in open_run.message.text()
    assert not open_run.button.isEnabled()


def test_images_are_offered_as_they_come_and_go_and_the_active_one_is_chosen(segment: Any, viewer: Any) -> None:
    assert not segment.button.isEnabled()
    viewer.add_image(np.eye(9), name="a")
    viewer.add_labels(np.eye(9, dtype=int), name="not an image")
    viewer.add_image(np.eye(9), name="b", scale=(0.5, 0.5), units="nm")
    assert segment.layers.currentText() == "b"
    assert segment.size.text().startswith("0.5 nm")
    viewer.layers.selection.active = viewer.layers["a"]
    assert segment.layers.currentText() == "a"
    assert "unknown" in segment.size.text()
    viewer.layers.clear()
    assert segment.layers.count() == 0
    assert not segment.button.isEnabled()


def test_the_model_of_an_opened_run_is_offered(segment: Any, open_run: Any, run: Path) -> None:
    open_run.line.edit.setText(str(run))
    open_run.button.click()
    assert [segment.models.itemText(i) for i in range(segment.models.count())] == ["pretrained", str(run)]


def test_a_layer_is_segmented_in_a_thread_and_measured(segment: Any, viewer: Any, images: Path, until: Until) -> None:
    viewer.add_image(tifffile.imread(images / "phantom_0.tif"), name="a", scale=(0.5, 0.5), units="nm")
    segment.button.click()
    assert not segment.button.isEnabled()
    assert segment.stop.isEnabled()
    until(lambda: segment.worker is None)
    assert segment.message.text().endswith(" nm")
    labels = viewer.layers["particles of a"]
    assert labels.data.max() == len(labels.features) > 0
    assert labels.scale.tolist() == [0.5, 0.5]
    assert "equivalent_diameter_nm" in labels.features
    assert labels.metadata["emgen"]["model"] == "pretrained"
    assert segment.button.isEnabled()


def test_what_goes_wrong_is_told_in_the_widget_and_it_can_go_on(segment: Any, viewer: Any, until: Until) -> None:
    viewer.add_image(np.eye(64), name="a")
    segment.models.setCurrentText("/nowhere")
    segment.button.click()
    until(lambda: segment.worker is None)
    assert "no model there" in segment.message.text()
    assert len(viewer.layers) == 1
    assert segment.button.isEnabled()


def test_a_series_can_be_stopped_between_two_pictures(segment: Any, viewer: Any, images: Path, until: Until) -> None:
    picture = tifffile.imread(images / "phantom_0.tif")
    viewer.add_image(np.stack([picture] * 50), name="series")
    segment.button.click()
    until(lambda: segment.progress.maximum() == 50)
    segment.stop.click()
    until(lambda: segment.worker is None)
    assert segment.message.text() == "stopped"
    assert len(viewer.layers) == 1
