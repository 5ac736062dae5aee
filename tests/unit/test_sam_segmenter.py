"""The rough segmenter `sam`: the real code path of transformers with a tiny, randomly initialised model."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from emgen.errors import PreflightError
from emgen.stages import Context
from emgen_segmenters.config import SamConfig
from emgen_segmenters.proposals import Proposal, contrast, filtered, overlap, painted, without_doubles
from emgen_segmenters.sam import Sam, tiles
from emgen_segmenters.sam_weights import check

SIDE = 64


def permissive(model: Path | str, **settings: object) -> SamConfig:
    """Settings that let pass what a random model proposes."""
    loose = {"min_score": 0.0, "min_stability": 0.0, "max_area_fraction": 1.0, "min_contrast": -1.0, "min_area": 1}
    return SamConfig.model_validate({"model": str(model), "points_per_side": 3, "tile": SIDE, **loose, **settings})


def square(y: int, x: int, side: int = 6, score: float = 0.9) -> Proposal:
    return Proposal(np.ones((side, side), bool), (slice(y, y + side), slice(x, x + side)), score)


def test_a_saved_model_proposes_instances_through_the_real_pipeline(tiny_sam: Path) -> None:
    image = np.random.default_rng(0).random((2, 80, 100), dtype=np.float32)
    label = Sam(permissive(tiny_sam), Context()).segment(image)
    assert label.shape == image.shape
    assert label.dtype == np.int32
    assert label.max() > 0
    for one in label:
        assert set(np.unique(one)) - {0} == set(range(1, one.max() + 1))


def test_the_same_image_gives_the_same_instances(tiny_sam: Path) -> None:
    image = np.random.default_rng(1).random((1, 64, 64), dtype=np.float32)
    segmenter = Sam(permissive(tiny_sam), Context())
    np.testing.assert_array_equal(segmenter.segment(image), segmenter.segment(image))


def test_filters_that_nothing_passes_leave_an_empty_label_image(tiny_sam: Path) -> None:
    image = np.random.default_rng(2).random((1, 64, 64), dtype=np.float32)
    assert Sam(permissive(tiny_sam, min_score=1.0), Context()).segment(image).max() == 0
    assert Sam(permissive(tiny_sam, min_contrast=1.0), Context()).segment(image).max() == 0


def test_tiles_cover_the_image_and_overlap_by_a_quarter() -> None:
    covered = np.zeros((130, 90), int)
    windows = tiles(covered.shape, 64)
    for window in windows:
        assert covered[window].shape == (64, 64)
        covered[window] += 1
    assert covered.min() >= 1
    rows = sorted({window[0].start for window in windows})
    assert all(b - a <= 48 for a, b in itertools.pairwise(rows))
    assert tiles((40, 50), 64) == [(slice(0, 40), slice(0, 50))]


def test_brightness_is_judged_against_the_surroundings_in_the_direction_of_the_modality() -> None:
    image = np.full((40, 40), 0.5, np.float32)
    image[10:16, 10:16], image[25:31, 25:31] = 0.8, 0.2
    bright, dark = square(10, 10), square(25, 25)
    assert contrast(bright, image, "bright") == pytest.approx(0.3)
    config = permissive("x/y", min_contrast=0.1)
    assert filtered([bright, dark], image, config, "bright") == [bright]
    assert filtered([bright, dark], image, config, "dark") == [dark]


def test_area_and_border_filters_drop_what_they_name() -> None:
    image = np.zeros((40, 40), np.float32)
    small, large, cut = square(20, 20, side=2), square(5, 5, side=30), square(0, 10)
    config = permissive("x/y", min_area=10, max_area_fraction=0.1, border="drop")
    good = square(20, 20)
    assert filtered([small, large, cut, good], image, config, "bright") == [good]
    assert filtered([cut], image, permissive("x/y"), "bright") == [cut]


def test_of_two_masks_of_one_particle_the_better_stays() -> None:
    worse, better, other = square(10, 10, score=0.8), square(11, 10, score=0.9), square(30, 30, score=0.7)
    assert overlap(worse, better) == pytest.approx(30 / 42)
    assert without_doubles([worse, better, other], 0.5) == [better, other]
    assert len(without_doubles([worse, better, other], 0.9)) == 3


def test_smaller_masks_lie_on_larger_ones() -> None:
    label = painted([square(12, 12, side=3), square(10, 10, side=10)], (30, 30))
    assert label[13, 13] == 2
    assert label[10, 10] == 1
    assert np.count_nonzero(label == 2) == 9


def test_weights_that_are_not_there_are_named_with_the_fix_and_without_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    def forbidden(*args: object, **settings: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", forbidden)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args, **settings: None)
    with pytest.raises(PreflightError, match=r"hf download facebook/sam-vit-base.*threshold") as caught:
        check(SamConfig(), "cpu")
    assert "HF_HUB_OFFLINE" in str(caught.value)


def test_a_download_that_fails_is_a_preflight_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*args: object, **settings: object) -> None:
        raise OSError("no route to host")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args, **settings: None)
    with pytest.raises(PreflightError, match="no route to host"):
        check(SamConfig(), "cpu")


def test_a_local_folder_must_hold_a_sam_with_its_weights(tiny_sam: Path, tmp_path: Path) -> None:
    check(permissive(tiny_sam), "cpu")
    with pytest.raises(PreflightError, match="neither a folder"):
        check(permissive(tmp_path / "missing"), "cpu")
    with pytest.raises(PreflightError, match=r"config\.json"):
        check(permissive(tmp_path), "cpu")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(PreflightError, match="bert"):
        check(permissive(tmp_path), "cpu")
    (tmp_path / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(PreflightError, match=r"model\.safetensors"):
        check(permissive(tmp_path), "cpu")
