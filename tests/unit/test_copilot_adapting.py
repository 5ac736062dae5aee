"""A model for what comes in now: from what, as what, and whether it is better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emgen.copilot.adapting import LEAST, Order, Stand, _divided, guess_modality, spec_of
from emgen.copilot.comparison import compare_on_frames, is_better
from emgen.errors import DataError
from emgen.host import load_host
from emgen.model import Model
from emgen.spec import load_spec
from emgen.testing.instant import Instant
from emgen.testing.phantoms import Phantom, phantom_stack, write_phantoms


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return phantom_stack(4, (256, 256), seed=5, diameter=14)


def half_of(label_HW: np.ndarray) -> np.ndarray:
    """Every second particle only."""
    return np.where(label_HW % 2 == 0, label_HW, 0).astype(np.int32)


def beside(label_HW: np.ndarray) -> np.ndarray:
    """Masks where no particle is."""
    return np.roll(label_HW, (11, 13), (0, 1))


def test_masks_that_fit_are_better_than_masks_that_lie_beside_or_miss(phantoms: list[Phantom]) -> None:
    images, truth = [p.image_HW for p in phantoms], [p.label_HW for p in phantoms]
    settings = {"factor_F": [1.0] * 4, "polarity": "bright"}
    for worse in (half_of, beside):
        bad = [worse(label_HW) for label_HW in truth]
        comparison = compare_on_frames(images, truth, bad, **settings)  # type: ignore[arg-type]
        assert is_better(comparison)[0], comparison
        reverse = compare_on_frames(images, bad, truth, **settings)  # type: ignore[arg-type]
        better, why = is_better(reverse)
        assert not better
        assert "worse" in why


def test_equal_masks_are_no_reason_to_swap(phantoms: list[Phantom]) -> None:
    images, truth = [p.image_HW for p in phantoms], [p.label_HW for p in phantoms]
    comparison = compare_on_frames(images, truth, truth, factor_F=[0.7] * 4, polarity="bright")
    assert is_better(comparison) == (False, is_better(comparison)[1])
    assert "no clear difference" in is_better(comparison)[1]


def test_a_model_that_found_nothing_loses(phantoms: list[Phantom]) -> None:
    images, truth = [p.image_HW for p in phantoms], [p.label_HW for p in phantoms]
    nothing = [np.zeros_like(label_HW) for label_HW in truth]
    assert is_better(compare_on_frames(images, truth, nothing, factor_F=[1.0] * 4, polarity="bright"))[0]


class Bright(Model):
    """Finds particles only where they are bright: everything above 0.7."""

    def __init__(self) -> None:
        info = {"modality": "haadf-stem", "polarity": "bright", "working_diameter": 14.0}
        super().__init__(Instant(), info)

    def segment(self, image_HW, factors=None):  # type: ignore[no-untyped-def]
        from scipy import ndimage as ndi

        from emgen.model import Segmentation

        label_HW = ndi.label(image_HW > 0.7)[0].astype(np.int32)
        return Segmentation(label_HW=label_HW, probability_HW=(label_HW > 0).astype(np.float32), factor=1.0)


@pytest.mark.parametrize(("inverted", "wanted"), [(False, "haadf-stem"), (True, "bf-tem")])
def test_the_modality_is_that_in_which_particles_show(tmp_path: Path, inverted: bool, wanted: str) -> None:
    import tifffile

    image_HW = np.full((128, 128), 60, np.uint8) + np.random.default_rng(0).integers(0, 20, (128, 128), np.uint8)
    for n in range(4):
        image_HW[10 + 25 * n : 22 + 25 * n, 40:52] = 230
    tifffile.imwrite(tmp_path / "a.tif", 255 - image_HW if inverted else image_HW)
    assert guess_modality(Bright(), [str(tmp_path / "a.tif")], load_host()) == wanted


def test_every_fourth_frame_is_kept_for_the_comparison() -> None:
    trained, kept = _divided([f"{n}" for n in range(12)])
    assert kept == ["3", "7", "11"]
    assert set(trained) | set(kept) == {f"{n}" for n in range(12)}
    with pytest.raises(DataError, match=f"{LEAST} are needed"):
        _divided(["a"] * (LEAST - 1))


@pytest.mark.parametrize("modality", ["haadf-stem", "bf-tem"])
@pytest.mark.parametrize("minutes", [2.0, 15.0, 120.0])
def test_its_spec_is_one_that_runs(tmp_path: Path, phantoms: list[Phantom], modality: str, minutes: float) -> None:
    paths = write_phantoms(tmp_path / "frames", phantoms)
    order = Order("pretrained", tuple(map(str, paths)), modality, minutes)
    spec = load_spec(spec_of(order, order.frames, modality), host=load_host())
    assert spec.modality == modality
    assert spec_of(order, order.frames, modality)["morphology_gan"]["max_steps"] == pytest.approx(
        120 * min(4, max(0.3, minutes / 15)), abs=1
    )


def test_how_far_it_is_stands_in_a_file(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.expect(["a", "b"])
    stand.begin("a")
    stand.end("a", cached=False, seconds=1)
    stand.begin("b")
    stand.plan("b", 10)
    assert json.loads((tmp_path / "stand.json").read_text()) == {"progress": 0.5, "words": "b"}


def test_frames_since_the_training_widen_what_is_usual(tmp_path: Path, phantoms: list[Phantom]) -> None:
    """A field of view that slowly brightens: by its first frames alone its last ones are far outside."""
    import tifffile

    from emgen.copilot.adapting import renew_reference
    from emgen.domain import Reference, describe

    model = Bright()
    paths = []
    for n in range(24):
        image_HW = np.clip(phantoms[0].image_HW * (0.6 + 0.015 * n) + 0.004 * n, 0, 1)
        noise = np.random.default_rng(n).normal(0, 0.02, image_HW.shape)
        paths.append(str(tmp_path / f"{n:02d}.tif"))
        tifffile.imwrite(paths[-1], np.clip((image_HW + noise) * 200, 0, 255).astype(np.uint8))
    host, scores = load_host(), {}
    from emgen.copilot.adapting import _read

    for known in (8, 20):
        folder = tmp_path / f"{known}"
        folder.mkdir()
        renew_reference(model, folder, paths[:known], host)
        reference = Reference.load(folder)
        assert reference is not None
        (image_HW,) = _read(paths[-1], host, model.modality)
        score = reference.score(describe(image_HW, model.segment(image_HW), model, 0))
        scores[known] = score / reference.threshold(0.4)
    assert scores[20] < scores[8]
