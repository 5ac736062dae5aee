"""The weights that the package ships: small, honest about where they come from, and of use on what they never saw."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emgen.model import INFO, Model, load_model, model_folder
from emgen.particles import Matches, match_objects
from emgen.testing.phantoms import phantom_micrographs

UNSEEN = 20_000_101
"""A seed far from those that the weights and their figures were made with (see scripts/train_pretrained.py)."""


@pytest.fixture(scope="module")
def folder() -> Path:
    return model_folder("pretrained")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("pretrained", device="cpu")


def test_they_take_at_most_8_mb(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 8 * 1024 * 1024


def test_they_say_that_they_were_trained_on_simulated_images_from_which_seed_and_how_well(folder: Path) -> None:
    info = json.loads((folder / INFO).read_text())
    provenance = info["provenance"]
    assert info["simulated"] is True
    assert provenance["simulated"] is True
    assert isinstance(provenance["seed"], int)
    assert (Path(__file__).parents[2] / provenance["made_by"]).is_file()
    figures = provenance["figures_on_unseen_phantoms"]
    assert set(figures) == {"dice", "miou"}
    assert all(0.5 < value < 1 for value in figures.values())


@pytest.mark.parametrize("modality", ["haadf-stem", "bf-tem"])
def test_most_particles_of_micrographs_that_they_never_saw_are_found(model: Model, modality: str) -> None:
    phantoms = phantom_micrographs(8, (256, 256), modality=modality, seed=UNSEEN, diameter=14, coverage=0.1)
    found = Matches(0, 0, 0)
    for phantom in phantoms:  # the weights know bright particles
        image_HW = phantom.image_HW if modality == "haadf-stem" else 1 - phantom.image_HW
        found += match_objects(model.segment(image_HW).label_HW, phantom.label_HW)
    assert found.f1 > 0.5, found


def test_a_segmentation_is_reproducible(model: Model) -> None:
    (phantom,) = phantom_micrographs(1, (160, 160), seed=UNSEEN, diameter=14)
    again = load_model("pretrained", device="cpu")
    np.testing.assert_array_equal(model.segment(phantom.image_HW).label_HW, again.segment(phantom.image_HW).label_HW)


def test_they_are_found_from_any_folder(folder: Path, tmp_path: Path) -> None:
    code = "import emgen.model as m; m.load_model('pretrained'); print(m.model_folder('pretrained'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == folder
