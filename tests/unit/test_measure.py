"""``emgen measure``: masks from anywhere in, tables and sizes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner, Result

from emgen.cli import main
from emgen.sizes.response import FILE
from emgen.testing.phantoms import phantom_stack


def discs(*places: tuple[int, int, int], shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Label image of discs (y, x, radius)."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    label = np.zeros(shape, np.int32)
    for number, (y, x, radius) in enumerate(places, 1):
        label[(ys - y) ** 2 + (xs - x) ** 2 <= radius**2] = number
    return label


THREE = discs((30, 30, 10), (30, 49, 10), (80, 100, 15))
"""Two that touch, one apart."""


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["measure", *map(str, arguments)])


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def write(path: Path, image: np.ndarray) -> Path:
    tifffile.imwrite(path, image, photometric="minisblack")
    return path


def test_labels_are_taken_as_they_are_and_measured_in_nanometres(tmp_path: Path) -> None:
    labels = write(tmp_path / "a_labels.tif", (THREE * 5).astype(np.uint16))
    out = tmp_path / "out"
    done = call(labels, "--out", out, "--pixel-size", "0.5")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out / "particles.csv")
    assert table["label"].tolist() == [5, 10, 15]
    assert set(table["image"]) == {"a"}
    assert table["equivalent_diameter_nm"].tolist()[2] == pytest.approx(15, rel=0.02)
    assert table["nearest_neighbour_nm"].tolist()[0] == pytest.approx(9.5, abs=0.3)
    assert table["feret_min_nm"].tolist()[2] == pytest.approx(15, rel=0.05)
    kept = summary(out)
    assert kept["size_distribution"]["unit"] == "nm"
    assert kept["files"][0]["meaning"] == "labels"


def test_the_parquet_table_is_the_csv_table_with_every_digit(tmp_path: Path) -> None:
    call(write(tmp_path / "a_labels.tif", THREE.astype(np.uint16)), "--out", tmp_path / "out")
    csv, parquet = pd.read_csv(tmp_path / "out/particles.csv"), pd.read_parquet(tmp_path / "out/particles.parquet")
    assert list(csv) == list(parquet)
    assert parquet["border"].dtype == bool
    assert np.allclose(csv["area_px"], parquet["area_px"])


@pytest.mark.parametrize(
    ("dtype", "high"), [(np.uint8, 255), (np.uint16, 1), (np.float32, 1.0)], ids=["8 bit", "16 bit", "float"]
)
def test_touching_particles_of_a_mask_are_split_unless_told_otherwise(tmp_path: Path, dtype: type, high: float) -> None:
    mask = write(tmp_path / "m.tif", ((THREE > 0) * high).astype(dtype))
    call(mask, "--out", tmp_path / "split")
    call(mask, "--out", tmp_path / "whole", "--no-split")
    assert summary(tmp_path / "split")["total"]["particles"] == 3
    assert summary(tmp_path / "whole")["total"]["particles"] == 2
    assert summary(tmp_path / "split")["files"][0]["touching"] == "split"


def test_probabilities_are_cut_at_a_half(tmp_path: Path) -> None:
    probability = np.where(THREE > 0, 0.9, 0.2).astype(np.float32)
    probability[100:110, 10:20] = 0.4
    write(tmp_path / "p.tif", probability)
    call(tmp_path / "p.tif", "--out", tmp_path / "out")
    assert summary(tmp_path / "out")["files"][0]["meaning"] == "probability"
    assert summary(tmp_path / "out")["total"]["particles"] == 3
    write(tmp_path / "q.tif", np.round(probability * 255).astype(np.uint8))
    refused = call(tmp_path / "q.tif", "--out", tmp_path / "q")
    assert refused.exit_code == 1
    assert "--as probability" in refused.stderr
    assert call(tmp_path / "q.tif", "--as", "probability", "--out", tmp_path / "q").exit_code == 0
    assert summary(tmp_path / "q")["total"]["particles"] == 3


def test_intensities_come_from_the_micrograph_of_the_same_stem(tmp_path: Path) -> None:
    write(tmp_path / "a_labels.tif", THREE.astype(np.uint16))
    write(tmp_path / "a.tif", np.where(THREE > 0, 900, 100).astype(np.uint16))
    done = call(tmp_path / "a_labels.tif", "--images", tmp_path / "a.tif", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    table = pd.read_parquet(tmp_path / "out/particles.parquet")
    assert table["mean_intensity"].tolist() == [900, 900, 900]
    assert table["contrast"].tolist() == [800, 800, 800]


def test_a_folder_of_labels_and_masks_counts_each_micrograph_once(tmp_path: Path) -> None:
    folder = tmp_path / "segmented"
    folder.mkdir()
    write(folder / "a_labels.tif", THREE.astype(np.uint16))
    write(folder / "a_mask.tif", ((THREE > 0) * 255).astype(np.uint8))
    write(folder / "b_mask.tif", ((THREE > 0) * 255).astype(np.uint8))
    write(folder / "a.tif", (THREE * 3).astype(np.uint8))  # no mask by its name
    call(folder, "--out", tmp_path / "out")
    assert {record["name"] for record in summary(tmp_path / "out")["files"]} == {"a", "b"}
    assert summary(tmp_path / "out")["masks"] == 2


def test_a_series_in_one_file_is_measured_frame_by_frame(tmp_path: Path) -> None:
    write(tmp_path / "s_labels.tif", np.stack([THREE, THREE * 0, THREE]).astype(np.uint16))
    call(tmp_path / "s_labels.tif", "--out", tmp_path / "out")
    assert [record["name"] for record in summary(tmp_path / "out")["files"]] == ["s_0000", "s_0001", "s_0002"]
    assert [record["particles"] for record in summary(tmp_path / "out")["files"]] == [3, 0, 3]


def test_one_bad_file_is_listed_and_the_others_are_measured(tmp_path: Path) -> None:
    good = write(tmp_path / "good_labels.tif", THREE.astype(np.uint16))
    small = write(tmp_path / "small_labels.tif", THREE[:50].astype(np.uint16))
    image = write(tmp_path / "small.tif", np.where(THREE > 0, 9, 1).astype(np.uint8))
    negative = write(tmp_path / "negative_labels.tif", -THREE.astype(np.int16))
    cut = tmp_path / "cut_labels.tif"
    cut.write_bytes(good.read_bytes()[:-200])
    done = call(good, small, negative, cut, tmp_path / "none.tif", "--images", image, "--out", tmp_path / "out")
    assert done.exit_code == 1
    kept = summary(tmp_path / "out")
    assert [record["name"] for record in kept["files"]] == ["good"]
    reasons = {Path(failure["input"]).name: failure["reason"] for failure in kept["failed"]}
    assert set(reasons) == {"small_labels.tif", "negative_labels.tif", "cut_labels.tif", "none.tif"}
    assert "160 x 50 px" in reasons["small_labels.tif"]
    assert "whole numbers" in reasons["negative_labels.tif"]
    for name, reason in reasons.items():
        assert name in reason


def test_no_mask_at_all_is_a_wrong_call(tmp_path: Path) -> None:
    done = call(tmp_path / "nothing*.tif", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "nothing matches" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["0", "-1", "nm"])
def test_a_pixel_size_that_is_none_is_refused(tmp_path: Path, size: str) -> None:
    labels = write(tmp_path / "a_labels.tif", THREE.astype(np.uint16))
    done = call(labels, "--out", tmp_path / "out", f"--pixel-size={size}")
    assert done.exit_code == 2
    assert "--pixel-size" in done.stderr


def test_masks_without_a_particle_give_empty_tables(tmp_path: Path) -> None:
    empty = write(tmp_path / "a_labels.tif", (THREE * 0).astype(np.uint16))
    assert call(empty, "--out", tmp_path / "out").exit_code == 0
    assert len(pd.read_csv(tmp_path / "out/particles.csv")) == 0
    assert summary(tmp_path / "out")["size_distribution"]["particles"] == 0


def test_other_formats_are_written_beside(tmp_path: Path) -> None:
    labels = write(tmp_path / "a_labels.tif", THREE.astype(np.uint16))
    assert call(labels, "--out", tmp_path / "out", "--write", "rois,overlay").exit_code == 0
    assert {"a_rois.zip", "a_overlay.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert call(labels, "--out", tmp_path / "other", "--write", "roys").exit_code == 2


def test_the_response_of_the_model_that_made_the_masks_is_used_at_its_scale(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    true = np.exp(np.random.default_rng(0).normal(2.5, 0.3, 300)).round(3).tolist()
    kept = {"format": 1, "images": 10, "true": true, "found": [d * 1.25 for d in true]}
    kept |= {"image": [n % 10 for n in range(300)], "invented": [], "invented_image": []}
    (model / FILE).write_text(json.dumps(kept))
    for phantom, name in zip(phantom_stack(2, (256, 256), seed=1), "ab", strict=True):
        write(tmp_path / f"{name}_labels.tif", phantom.label_HW.astype(np.uint16))
    masks = [tmp_path / "a_labels.tif", tmp_path / "b_labels.tif"]
    without = call(*masks, "--out", tmp_path / "out", "--model", model)
    assert "scale the model worked at is not known" in without.output
    assert call(*masks, "--out", tmp_path / "out", "--model", model, "--factor", "1").exit_code == 0
    variants = summary(tmp_path / "out")["size_distribution"]["variants"]
    means = {name: variant["estimates"]["mean"]["value"] for name, variant in variants.items()}
    assert means["detection"] == pytest.approx(means["measured"] / 1.25, rel=0.03)
    assert call(*masks, "--out", tmp_path / "out", "--model", tmp_path / "nowhere").exit_code == 2
