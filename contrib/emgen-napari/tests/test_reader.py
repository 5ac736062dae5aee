"""Runs and results of emgen become layers, lazily and with their pixel size; what is not emgen's is left to others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from emgen_napari.reader import get_reader
from emgen_napari.runs import RunFolder
from napari.layers import Image, Labels, Layer

from emgen.api import segment


def opened(path: Path) -> list[Layer]:
    read = get_reader(str(path))
    assert read is not None
    return [Layer.create(*one) for one in read(str(path))]


def by_name(path: Path) -> dict[str, Layer]:
    return {layer.name: layer for layer in opened(path)}


@pytest.fixture(scope="module")
def segmented(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segmented")
    segment("pretrained", [images / "phantom_0.tif"], folder)
    return folder


def test_a_run_opens_as_micrographs_rough_masks_and_two_generations(run: Path) -> None:
    layers = by_name(run)
    assert list(layers) == [
        "micrographs 192 x 192",
        "micrographs 192 x 224",
        "rough masks 192 x 192",
        "rough masks 192 x 224",
        "1st generation",
        "labels of the 1st generation",
        "2nd generation",
        "labels of the 2nd generation",
    ]
    kinds = [type(layer) for layer in layers.values()]
    assert kinds == [Image, Image, Labels, Labels, Image, Labels, Image, Labels]


def test_micrographs_are_as_their_files_hold_them_with_their_size(run: Path, images: Path) -> None:
    layer = by_name(run)["micrographs 192 x 192"]
    assert layer.data.shape == (5, 192, 192)
    assert np.array_equal(np.asarray(layer.data[3]), tifffile.imread(images / "phantom_3.tif"))
    assert layer.scale.tolist() == [1, 0.5, 0.5]
    assert [str(unit) for unit in layer.units] == ["pixel", "nanometer", "nanometer"]
    assert layer.metadata["emgen"]["names"][3] == "phantom_3"


def test_masks_lie_on_their_micrographs(run: Path) -> None:
    layers = by_name(run)
    image, mask = layers["micrographs 192 x 224"], layers["rough masks 192 x 224"]
    assert mask.data.shape == image.data.shape == (1, 192, 224)
    assert mask.scale.tolist() == image.scale.tolist()
    assert np.asarray(mask.data[0]).max() > 0


def test_virtual_images_lie_on_their_exact_labels(run: Path) -> None:
    layers = by_name(run)
    image, labels = layers["2nd generation"], layers["labels of the 2nd generation"]
    assert image.data.shape == labels.data.shape == (6, 64, 64)
    bright, dark = (
        np.asarray(image.data)[np.asarray(labels.data) > 0],
        np.asarray(image.data)[np.asarray(labels.data) == 0],
    )
    assert bright.mean() > dark.mean()


def test_layers_read_what_is_looked_at(run: Path) -> None:
    assert all(hasattr(data, "dask") for data, _, _ in RunFolder.open(run).layers())


def test_parts_of_a_run_can_be_opened_alone(run: Path) -> None:
    names = [settings["name"] for _, settings, _ in RunFolder.open(run).layers(["2nd generation"])]
    assert names == ["2nd generation", "labels of the 2nd generation"]


def test_a_run_is_described_in_a_line(run: Path) -> None:
    assert RunFolder.open(run).describe() == "phantoms, complete; no model yet"


def test_labels_open_with_their_particle_table_and_pixel_size(segmented: Path) -> None:
    (layer,) = opened(segmented / "phantom_0_labels.tif")
    assert isinstance(layer, Labels)
    assert layer.scale.tolist() == pytest.approx([0.5, 0.5])
    assert len(layer.features) == layer.data.max() > 0
    assert {"index", "equivalent_diameter_nm", "area_nm2"} <= set(layer.features.columns)


def test_a_folder_of_results_opens_with_its_micrographs(segmented: Path) -> None:
    assert [type(layer) for layer in opened(segmented)] == [Image, Labels]


def test_results_whose_micrograph_has_gone_open_without_it(segmented: Path, tmp_path: Path) -> None:
    for path in segmented.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    summary = json.loads((tmp_path / "summary.json").read_text())
    summary["files"][0]["source"] = str(tmp_path / "gone.tif")
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert [type(layer) for layer in opened(tmp_path)] == [Labels]


@pytest.mark.parametrize("name", ["picture.tif", "manifest.json", "folder", "labels.tif", "missing_labels.tif"])
def test_what_is_not_emgens_is_left_to_others(name: str, tmp_path: Path) -> None:
    place: Any = tmp_path / name
    if name == "folder":
        place.mkdir()
    elif name == "manifest.json":
        place.write_text('{"steps": 3}')
    elif not name.startswith("missing"):
        tifffile.imwrite(place, np.zeros((4, 4), np.uint8))
    assert get_reader(str(place)) is None
    assert get_reader([str(place), str(place)]) is None
