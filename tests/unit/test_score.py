"""``emgen score``: two folders of images, as sets or as pairs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image
from scipy.ndimage import gaussian_filter

from emgen.cli import main
from emgen.errors import BadImageError, NoImagesError, PreflightError, SpecError, UnknownPluginError
from emgen.scores import score_folders


def texture(seed: int, shape: tuple[int, int] = (48, 48), grain: float = 1.5) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), grain)
    return np.clip(0.5 + 0.1 * noise / noise.std(), 0, 1)


def write(folder: Path, images: list[np.ndarray]) -> Path:
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray((255 * image).round().astype(np.uint8)).save(folder / f"im{index}.png")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    real = write(tmp_path / "real", [texture(seed) for seed in range(6)])
    return write(tmp_path / "generated", [texture(seed, grain=2.5) for seed in range(20, 26)]), real


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["score", *map(str, arguments)])
    return result.exit_code, result.output


def test_sets_that_differ_score_worse_than_sets_of_one_kind(folders, tmp_path):
    generated, real = folders
    alike = write(tmp_path / "alike", [texture(seed) for seed in range(40, 46)])
    far, near = (score_folders(f, real, ["mmd"]).scores["mmd"]["mmd2"] for f in (generated, alike))
    assert near < 0.1 < far


def test_the_command_says_how_many_images_and_which_features(folders, tmp_path):
    status, output = run(*folders, "--metrics", "mmd", "--json", tmp_path / "out.json")
    assert status == 0
    assert "6 generated, 6 real images, compared at 48 x 48 px" in output
    assert "no weights" in output
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["n_real"] == 6
    assert {"mmd2", "mmd2_low", "mmd2_floor", "verdict", "features"} <= set(document["scores"]["mmd"])


def test_paired_metrics_go_by_name(folders):
    generated, _ = folders
    scores = score_folders(generated, generated, ["ssim", "mmd"]).scores
    assert scores["ssim"]["ssim"] == pytest.approx(1)


def test_infinite_scores_are_null_in_json(folders, tmp_path):
    generated, _ = folders
    assert run(generated, generated, "--metrics", "psnr", "--json", tmp_path / "out.json")[0] == 0
    assert json.loads((tmp_path / "out.json").read_text())["scores"]["psnr"]["psnr"] is None


def test_paired_metrics_without_partner_are_refused(folders):
    generated, real = folders
    (real / "im5.png").rename(real / "other.png")
    with pytest.raises(BadImageError, match="im5, other stand on one side only"):
        score_folders(generated, real, ["ssim"])


def test_images_of_several_sizes_are_cut_to_the_common_one(folders):
    generated, real = folders
    Image.fromarray((255 * texture(9, (64, 80))).astype(np.uint8)).save(real / "large.png")
    result = score_folders(generated, real, ["mmd"])
    assert result.shape_HW == (48, 48)
    assert any("cut in the centre to 48 x 48" in note for note in result.notes)
    assert score_folders(generated, real, ["mmd"], resize=True).scores != result.scores


def test_sixteen_bit_and_float_images_compare_with_eight_bit_ones(folders, tmp_path):
    _, real = folders
    deep = tmp_path / "deep"
    deep.mkdir()
    for index, seed in enumerate(range(6)):
        image = texture(seed)
        values = (image * 65535).round().astype(np.uint16) if index % 2 else image.astype(np.float32)
        tifffile.imwrite(deep / f"im{index}.tif", values)
    assert score_folders(deep, real, ["ssim"]).scores["ssim"]["ssim"] > 0.99


def test_floats_outside_the_unit_range_need_the_modality(folders, tmp_path):
    _, real = folders
    (tmp_path / "counts").mkdir()
    for index in range(3):
        tifffile.imwrite(tmp_path / "counts" / f"{index}.tif", (texture(index) * 900).astype(np.float32))
    with pytest.raises(BadImageError, match="--modality"):
        score_folders(tmp_path / "counts", real, ["mmd"])
    assert score_folders(tmp_path / "counts", real, ["mmd"], modality="haadf-stem").scores["mmd"]


def test_a_setting_reaches_its_metric(folders):
    plain = score_folders(*folders, ["mmd"]).scores
    assert score_folders(*folders, ["mmd"], settings=["mmd.bandwidths=[4.0]"]).scores != plain
    with pytest.raises(SpecError, match=r"mmd\.bandwidth: .*Settings of mmd: bandwidths"):
        score_folders(*folders, ["mmd"], settings=["mmd.bandwidth=1"])
    with pytest.raises(SpecError, match="the metrics to compute are mmd, not fid"):
        score_folders(*folders, ["mmd"], settings=["fid.weights=x"])


def test_a_named_metric_whose_weights_are_missing_is_refused(folders, tmp_path):
    with pytest.raises(PreflightError, match=r"nowhere\.pth"):
        score_folders(*folders, ["fid"], settings=[f"fid.weights={tmp_path / 'nowhere.pth'}"])


def test_wrong_names_and_masks_end_with_status_2(folders):
    status, output = run(*folders, "--metrics", "mdm")
    assert status == 2
    assert 'Did you mean "mmd"' in output
    with pytest.raises(UnknownPluginError):
        score_folders(*folders, ["mdm"])
    with pytest.raises(SpecError, match="emgen evaluate"):
        score_folders(*folders, ["dice"])


def test_a_folder_that_does_not_exist_is_named(folders, tmp_path):
    with pytest.raises(NoImagesError, match="nowhere"):
        score_folders(tmp_path / "nowhere", folders[1], ["mmd"])


def test_crops_of_one_micrograph_are_told_by_their_names(tmp_path):
    """Forty crops of eight micrographs that differ tell less than forty micrographs: the noise floor is higher."""

    def crops(first: int) -> list[np.ndarray]:
        return [np.clip(texture(90 + s) + 0.04 * (s % 7 - 3), 0, 1) for s in range(first, first + 8) for _ in range(5)]

    real, generated = tmp_path / "real", write(tmp_path / "generated", crops(0)[:20])
    real.mkdir()
    for number, image in enumerate(crops(3)):
        grain = np.random.default_rng(number).normal(0, 0.01, image.shape)
        tifffile.imwrite(real / f"m{number // 5}_{number % 5}.tif", np.clip(image + grain, 0, 1).astype(np.float32))
    alone = score_folders(generated, real, ["power-spectrum"]).scores["power-spectrum"]
    together = score_folders(generated, real, ["power-spectrum"], group_by="^m[0-9]+").scores["power-spectrum"]
    assert together["spectrum_db"] == alone["spectrum_db"]
    assert together["spectrum_db_floor"] > alone["spectrum_db_floor"]


def test_a_pattern_that_names_no_micrograph_is_refused(folders):
    with pytest.raises(SpecError, match="no regular expression"):
        score_folders(*folders, ["mmd"], group_by="(")
    with pytest.raises(SpecError, match="matches nothing in im0"):
        score_folders(*folders, ["mmd"], group_by="^crop")


def test_value_interval_floor_verdict_and_features_stand_together(tmp_path):
    real = write(tmp_path / "real", [texture(seed) for seed in range(10)])
    generated = write(tmp_path / "generated", [texture(seed, grain=2.5) for seed in range(20, 28)])
    status, output = run(generated, real)
    assert status == 0
    assert "mmd: classical texture statistics (no weights)" in output
    line = next(line for line in output.splitlines() if line.startswith("  mmd2"))
    assert re.search(r"mmd2 +[0-9.]+ \([0-9.e-]+ … [0-9.]+\) +distinguishable: noise floor [0-9.]+, p = 0\.0", line)
    for name in ("kid", "spectrum_db", "image_f1", "image_recall"):
        assert f"  {name} " in output
    assert "mmd2_low" not in output
