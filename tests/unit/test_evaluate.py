"""``emgen evaluate``: folders of predicted and true masks, matched by stem."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from emgen.cli import main
from emgen.errors import NoImagesError, SpecError
from emgen.scores import evaluate_folders


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two images: one right, one with half of its two particles."""
    pred, truth = tmp_path / "pred", tmp_path / "truth"
    pred.mkdir()
    truth.mkdir()
    labels = np.zeros((32, 40), np.uint16)
    labels[4:12, 4:12], labels[4:12, 12:20] = 1, 2
    tifffile.imwrite(truth / "a_labels.tif", labels)
    tifffile.imwrite(pred / "a_labels.tif", labels)
    tifffile.imwrite(truth / "b_labels.tif", labels)
    tifffile.imwrite(pred / "b_labels.tif", np.where(labels == 1, 7, 0).astype(np.uint16))
    return pred, truth


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    return result.exit_code, result.output


def test_scores_are_given_per_image_with_mean_and_spread(folders):
    pred, truth = folders
    result = evaluate_folders(pred, truth)
    assert result.errors == {}
    assert result.images["a"]["miou"] == result.images["a"]["object_f1"] == 1.0
    assert result.images["b"]["object_recall"] == 0.5
    assert result.images["b"]["object_precision"] == 1.0
    assert result.images["b"]["dice"] == pytest.approx(2 * 64 / (64 + 128))
    assert result.mean["object_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert result.sd["object_f1"] == pytest.approx(np.std([1, 2 / 3], ddof=1))


def test_the_command_prints_all_scores_and_writes_json(folders, tmp_path):
    pred, truth = folders
    status, output = run("--pred", pred, "--truth", truth, "--json", tmp_path / "deep" / "out.json")
    assert status == 0
    for word in ("accuracy", "miou", "dice", "f1", "precision", "recall", "mean of 2", "± sd"):
        assert word in output
    document = json.loads((tmp_path / "deep" / "out.json").read_text())
    assert document["n"] == 2
    assert set(document["images"]) == {"a", "b"}
    assert document["mean"]["dice"] == pytest.approx((1 + 2 / 3) / 2)


def test_labels_are_preferred_to_a_mask_of_the_same_stem(folders):
    pred, truth = folders
    tifffile.imwrite(pred / "a_mask.tif", np.zeros((32, 40), np.uint8))
    assert evaluate_folders(pred, truth).images["a"]["dice"] == 1.0


def test_of_a_mask_the_connected_areas_are_the_particles(folders):
    pred, truth = folders
    for file in [*pred.iterdir(), *truth.iterdir()]:
        labels = tifffile.imread(file)
        Image.fromarray(np.where(labels > 0, 255, 0).astype(np.uint8)).save(file.parent / f"{file.stem[0]}.png")
        file.unlink()
    result = evaluate_folders(pred, truth)
    assert result.images["a"]["object_f1"] == 1.0
    assert result.images["b"]["object_f1"] == 1.0  # two that touch are one in the truth, half of it overlaps: IoU 0.5
    assert any("connected areas" in note for note in result.notes)


def test_an_empty_prediction_is_scored_not_refused(folders):
    pred, truth = folders
    tifffile.imwrite(pred / "a_labels.tif", np.zeros((32, 40), np.uint16))
    assert evaluate_folders(pred, truth).images["a"]["dice"] == 0.0


def test_a_missing_prediction_is_named_and_the_rest_is_scored(folders):
    pred, truth = folders
    (pred / "b_labels.tif").unlink()
    status, output = run("--pred", pred, "--truth", truth)
    assert status == 1
    assert "no prediction for b_labels.tif" in output
    assert "b_mask" in output
    assert "mean of 1" in output


def test_a_size_mismatch_names_both_files_and_sizes(folders):
    pred, truth = folders
    tifffile.imwrite(pred / "b_labels.tif", np.ones((16, 40), np.uint16))
    status, output = run("--pred", pred, "--truth", truth)
    assert status == 1
    assert "b_labels.tif is 40 x 16 px" in output
    assert "is 40 x 32 px" in output


def test_a_probability_map_is_refused_with_the_way_out(folders):
    pred, truth = folders
    (pred / "b_labels.tif").unlink()
    tifffile.imwrite(pred / "b.tif", np.linspace(0, 255, 32 * 40).reshape(32, 40).astype(np.uint8))
    error = evaluate_folders(pred, truth).errors["b"]
    assert "a mask has two" in error
    assert "<stem>_labels" in error


def test_a_damaged_file_fails_alone(folders):
    pred, truth = folders
    (pred / "b_labels.tif").write_bytes(b"II*\0 no tiff")
    result = evaluate_folders(pred, truth)
    assert set(result.images) == {"a"}
    assert "b_labels.tif" in result.errors["b"]


def test_predictions_without_truth_are_noted(folders):
    pred, truth = folders
    tifffile.imwrite(pred / "c_mask.tif", np.zeros((8, 8), np.uint8))
    assert any("1 predictions without truth" in note for note in evaluate_folders(pred, truth).notes)


def test_a_folder_without_masks_ends_with_status_2(folders, tmp_path):
    pred, _ = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoImagesError, match="no masks there"):
        evaluate_folders(pred, tmp_path / "empty")
    status, output = run("--pred", pred, "--truth", tmp_path / "nowhere")
    assert status == 2
    assert "no such folder" in output


def test_a_metric_of_another_kind_is_refused(folders):
    pred, truth = folders
    with pytest.raises(SpecError, match="emgen score"):
        evaluate_folders(pred, truth, ["ssim"])
    assert set(evaluate_folders(pred, truth, ["dice"]).mean) == {"dice"}
