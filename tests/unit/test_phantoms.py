"""Phantom micrographs: what a test, the demo and the shipped weights rely on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from emgen.testing.phantoms import (
    MODALITIES,
    SUPPORTS,
    Phantom,
    make_phantoms,
    phantom_micrographs,
    phantom_stack,
    write_phantoms,
)


def contrasts(phantom: Phantom) -> np.ndarray:
    """(K,) mean brightness of each particle minus that of the background within three pixels."""
    values = []
    background = phantom.label_HW == 0
    for number in range(1, phantom.label_HW.max() + 1):
        inside = phantom.label_HW == number
        ring = ndimage.binary_dilation(inside, iterations=3) & background
        if ring.any():
            values.append(phantom.image_HW[inside].mean() - phantom.image_HW[ring].mean())
    return np.array(values)


def diameters(phantom: Phantom) -> np.ndarray:
    return 2 * np.sqrt(np.bincount(phantom.label_HW.ravel())[1:] / np.pi)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("support", SUPPORTS)
def test_every_support_gives_an_image_in_range_with_numbered_instances(modality: str, support: str) -> None:
    for phantom in phantom_micrographs(2, (120, 160), modality=modality, seed=1, diameter=12, support=support):
        assert phantom.image_HW.shape == phantom.label_HW.shape == (120, 160)
        assert phantom.image_HW.dtype == np.float32
        assert phantom.label_HW.dtype == np.int32
        assert 0 <= phantom.image_HW.min() < phantom.image_HW.max() <= 1
        assert set(np.unique(phantom.label_HW)) - {0} == set(range(1, phantom.label_HW.max() + 1))
        assert phantom.settings["support"] == support


def test_the_seed_decides_everything_and_a_longer_list_begins_with_the_shorter() -> None:
    for make in (phantom_micrographs, phantom_stack):
        short, long, other = make(2, (64, 80), seed=7), make(3, (64, 80), seed=7), make(2, (64, 80), seed=8)
        for a, b, c in zip(short, long, other, strict=False):
            np.testing.assert_array_equal(a.image_HW, b.image_HW)
            np.testing.assert_array_equal(a.label_HW, b.label_HW)
            assert not np.array_equal(a.image_HW, c.image_HW)


def test_a_stack_is_one_material_and_varied_phantoms_are_not() -> None:
    stack = phantom_stack(3, (64, 64), seed=2)
    assert len({json.dumps({**p.settings, "index": 0}) for p in stack}) == 1
    assert not np.array_equal(stack[0].image_HW, stack[1].image_HW)
    varied = phantom_micrographs(3, (64, 64), seed=2)
    assert len({p.settings["contrast"] for p in varied}) == 3


@pytest.mark.parametrize(("modality", "sign"), [("haadf-stem", 1), ("bf-tem", -1)])
def test_particles_have_the_contrast_of_the_modality(modality: str, sign: int) -> None:
    found = np.concatenate([contrasts(p) for p in phantom_stack(3, (256, 256), seed=4, modality=modality)])
    assert len(found) > 30
    assert np.mean(sign * found > 0) > 0.9


@pytest.mark.parametrize("diameter", [8.0, 20.0])
def test_the_median_diameter_is_the_one_asked_for(diameter: float) -> None:
    phantoms = phantom_micrographs(
        4,
        (384, 384),
        seed=5,
        diameter=diameter,
        support="film",
        extent="full",
        contrast=2.0,
        agglomeration=0.0,
        huge=0.0,
    )
    found = np.concatenate([diameters(p) for p in phantoms])
    assert np.median(found) == pytest.approx(diameter, rel=0.2)


def test_a_range_of_diameters_is_drawn_from() -> None:
    drawn = [p.settings["diameter"] for p in phantom_micrographs(12, (48, 48), seed=6, diameter=(8, 16))]
    assert 8 <= min(drawn) < 10.5
    assert 12.5 < max(drawn) <= 16


def test_touching_particles_stay_separate_instances() -> None:
    phantom = phantom_micrographs(
        1, (256, 256), seed=3, diameter=16, support="film", extent="full", agglomeration=1.0, coverage=0.1, contrast=2.0
    )[0]
    assert phantom.label_HW.max() > 1.5 * ndimage.label(phantom.label_HW > 0)[1]


def test_particles_that_nobody_could_see_are_not_labelled() -> None:
    def count(contrast: float) -> int:
        fixed = {"contrast": contrast, "dose": 50.0, "extent": "full", "support": "film", "contrast_spread": 0.1}
        return int(phantom_micrographs(1, (256, 256), seed=9, diameter=12, **fixed)[0].label_HW.max())

    assert count(0.01) == 0
    assert count(1.0) > 10


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"coverge.*coverage"):
        phantom_micrographs(1, (32, 32), seed=0, coverge=0.1)
    with pytest.raises(ValueError, match=r"spheroid.*spheroids"):
        phantom_micrographs(1, (32, 32), seed=0, support="spheroid")
    with pytest.raises(ValueError, match=r"haadf.*haadf-stem"):
        phantom_stack(1, (32, 32), seed=0, modality="haadf")
    with pytest.raises(ValueError, match="diameter"):
        phantom_micrographs(1, (32, 32), seed=0, diameter=-3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_files_say_that_they_are_phantoms_and_truth_lies_beside_them(tmp_path: Path, dtype: str) -> None:
    phantoms = phantom_stack(2, (64, 96), seed=1)
    paths = write_phantoms(tmp_path / "stack", phantoms, dtype=dtype)  # type: ignore[arg-type]
    for path, phantom in zip(paths, phantoms, strict=True):
        with tifffile.TiffFile(path) as file:
            description = json.loads(file.pages[0].description)
            image = file.asarray()
        assert description["kind"] == "emgen phantom"
        assert description["seed"] == 1
        assert image.dtype == dtype
        np.testing.assert_allclose(image / np.iinfo(dtype).max, phantom.image_HW, atol=1e-4)
        truth = tifffile.imread(tmp_path / "stack-truth" / f"{path.stem}_labels.tif")
        np.testing.assert_array_equal(truth, phantom.label_HW)
    assert sorted(path.name for path in (tmp_path / "stack").iterdir()) == ["phantom-0001.tif", "phantom-0002.tif"]


def test_phantoms_are_fast_enough_to_be_made_while_training() -> None:
    phantom_micrographs(1, (128, 128), seed=0, diameter=14)
    spent = []
    for seed in range(9):
        start = time.process_time()
        phantom_micrographs(1, (128, 128), seed=seed, diameter=14)
        spent.append(time.process_time() - start)
    assert np.median(spent) < 0.1  # about 0.01 s on an idle core


@pytest.mark.parametrize("kind", ["micrographs", "stack"])
def test_many_phantoms_are_the_same_files_however_they_are_shared_out(
    kind: Literal["micrographs", "stack"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emgen.testing.phantoms.many.AT_ONCE", 2)
    paths = make_phantoms(tmp_path / "some", 5, (48, 64), seed=7, kind=kind, dtype="uint16")
    draw = phantom_stack if kind == "stack" else phantom_micrographs
    assert write_phantoms(tmp_path / "all", draw(5, (48, 64), seed=7), dtype="uint16")
    assert [path.name for path in paths] == [f"phantom-000{number}.tif" for number in range(1, 6)]
    for path in [*paths, *(tmp_path / "some-truth").iterdir()]:
        other = Path(str(path).replace("/some", "/all"))
        assert path.read_bytes() == other.read_bytes()


def test_many_phantoms_are_made_by_workers(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    here = make_phantoms(tmp_path / "here", 20, (32, 32), seed=1)
    there = make_phantoms(tmp_path / "there", 20, (32, 32), seed=1, workers=2)
    assert [path.read_bytes() for path in there] == [path.read_bytes() for path in here]
