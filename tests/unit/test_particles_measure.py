"""What is measured of particles, matched and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.optimize import linear_sum_assignment
from skimage.measure import regionprops

from emgen.errors import OutputError
from emgen.particles import (
    Matches,
    equivalent_diameters,
    match_objects,
    measure,
    pair_ious,
    size_summary,
    typical_diameter,
    write_labels,
    write_mask,
)
from emgen_readers.tiff import TiffReader


def ellipse(shape: tuple[int, int], y: float, x: float, a: float, b: float, degrees: float = 0) -> np.ndarray:
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    t = np.radians(degrees)
    u = (xs - x) * np.cos(t) - (ys - y) * np.sin(t)  # counter-clockwise as one sees it, y pointing down
    v = (xs - x) * np.sin(t) + (ys - y) * np.cos(t)
    return (u / a) ** 2 + (v / b) ** 2 <= 1


@pytest.fixture
def label() -> np.ndarray:
    """A disc, a tilted ellipse, a disc that the edge cuts; label 3 is missing."""
    result = np.zeros((160, 200), np.int32)
    result[ellipse(result.shape, 40, 50, 20, 20)] = 1
    result[ellipse(result.shape, 100, 120, 30, 12, 30)] = 2
    result[ellipse(result.shape, 80, 199, 15, 15)] = 4
    return result


def test_a_disc_measures_as_a_disc(label: np.ndarray) -> None:
    row = measure(label).iloc[0]
    assert (row.centroid_y_px, row.centroid_x_px) == (40, 50)
    assert row.equivalent_diameter_px == pytest.approx(40, rel=0.02)
    assert row.feret_max_px == pytest.approx(41, rel=0.02)
    assert row.perimeter_px == pytest.approx(2 * np.pi * 20, rel=0.03)
    assert 0.95 < row.circularity <= 1
    assert row.eccentricity == pytest.approx(0, abs=0.05)
    assert row.solidity > 0.96


def test_an_ellipse_shows_its_axes_and_direction(label: np.ndarray) -> None:
    row = measure(label).iloc[1]
    assert row.major_axis_px == pytest.approx(60, rel=0.03)
    assert row.minor_axis_px == pytest.approx(24, rel=0.03)
    assert row.feret_max_px == pytest.approx(60, rel=0.03)
    assert row.orientation_deg == pytest.approx(30, abs=1)
    assert row.eccentricity == pytest.approx(np.sqrt(1 - (12 / 30) ** 2), abs=0.01)


def test_the_shape_columns_agree_with_scikit_image(label: np.ndarray) -> None:
    table = measure(label)
    for row, region in zip(table.itertuples(), regionprops(label), strict=True):
        assert row.label == region.label
        assert row.area_px == region.area
        assert row.equivalent_diameter_px == pytest.approx(region.equivalent_diameter_area)
        assert row.feret_max_px == pytest.approx(region.feret_diameter_max, rel=0.03)
        assert row.solidity == pytest.approx(region.solidity, abs=0.04)


def test_particles_cut_by_the_edge_are_marked(label: np.ndarray) -> None:
    assert measure(label)["border"].tolist() == [False, False, True]


def test_nanometres_appear_where_the_pixel_size_is_known(label: np.ndarray) -> None:
    assert not any(column.endswith("_nm") for column in measure(label))
    table = measure(label, pixel_size_nm=0.5, name="a")
    assert np.allclose(table.equivalent_diameter_nm, table.equivalent_diameter_px / 2)
    assert np.allclose(table.area_nm2, table.area_px / 4)
    assert set(table.image) == {"a"}


def test_contrast_is_against_the_surroundings_without_other_particles(label: np.ndarray) -> None:
    image = np.where(label > 0, 0.8, 0.3).astype(np.float32)
    image[label == 2] = 0.1
    table = measure(label, image)
    assert np.allclose(table.mean_intensity, [0.8, 0.1, 0.8], atol=1e-5)
    assert np.allclose(table.contrast, [0.5, -0.2, 0.5], atol=1e-5)


def test_an_empty_image_gives_an_empty_table_with_all_columns(label: np.ndarray) -> None:
    image = np.zeros(label.shape, np.float32)
    empty = measure(label * 0, image, 1.0)
    assert len(empty) == 0
    assert list(empty) == list(measure(label, image, 1.0))
    assert size_summary(empty) == {"particles": 0, "cut_by_the_edge": 0}


def test_a_one_pixel_particle_can_be_measured() -> None:
    label = np.zeros((9, 9), np.int32)
    label[4, 4] = 1
    row = measure(label).iloc[0]
    assert row.area_px == 1
    assert row.solidity == 1
    assert 0 <= row.circularity <= 1


def test_the_size_summary_leaves_out_cut_particles_but_counts_them(label: np.ndarray) -> None:
    summary = size_summary(measure(label, pixel_size_nm=2.0))
    assert (summary["particles"], summary["cut_by_the_edge"]) == (3, 1)
    assert summary["diameter_nm"]["median"] == pytest.approx(2 * summary["diameter_px"]["median"], abs=1e-3)
    assert summary["diameter_px"]["mean"] == pytest.approx(np.mean([40, 2 * np.sqrt(360)]), rel=0.02)


def test_the_typical_diameter_ignores_cut_particles_unless_there_are_no_others(label: np.ndarray) -> None:
    assert typical_diameter(label) == pytest.approx(np.median(equivalent_diameters(np.where(label < 3, label, 0))))
    assert typical_diameter(np.where(label == 4, label, 0)) > 0
    assert np.isnan(typical_diameter(label * 0))


def test_matching_counts_found_invented_and_missed() -> None:
    true, pred = np.zeros((2, 40, 60), np.int32)
    true[5:15, 5:15], true[5:15, 30:40], true[25:35, 5:15] = 1, 2, 3
    pred[5:15, 7:17], pred[5:15, 36:46], pred[25:30, 40:50] = 5, 6, 7
    found = match_objects(pred, true)
    assert (found.tp, found.fp, found.fn) == (1, 2, 2)
    assert found.pairs == ((5, 1),)
    assert found.f1 == pytest.approx(1 / 3)
    assert found.precision == found.recall == pytest.approx(1 / 3)
    assert match_objects(pred, true, iou=0.2).tp == 2


def test_matching_agrees_with_the_best_assignment() -> None:
    rng = np.random.default_rng(0)
    true = np.kron(np.arange(1, 65).reshape(8, 8), np.ones((10, 10), int)).astype(np.int32)
    pred = np.roll(true, (2, 1), (0, 1))
    pred[rng.random(pred.shape) < 0.1] = 0
    p, t, iou = pair_ious(pred, true)
    matrix = np.zeros((65, 65))
    matrix[p, t] = iou * (iou >= 0.5)
    rows, columns = linear_sum_assignment(-matrix)
    assert match_objects(pred, true).tp == (matrix[rows, columns] > 0).sum()


def test_two_empty_images_agree_and_an_empty_one_against_particles_scores_0(label: np.ndarray) -> None:
    assert match_objects(label * 0, label * 0).f1 == 1
    assert match_objects(label * 0, label).f1 == 0
    assert match_objects(label, label).f1 == 1


def test_matches_add_up_over_images() -> None:
    total = Matches(1, 2, 3) + Matches(4, 0, 1)
    assert (total.tp, total.fp, total.fn) == (5, 2, 4)


def test_label_images_of_different_shape_are_refused(label: np.ndarray) -> None:
    with pytest.raises(ValueError, match="different shape"):
        match_objects(label, label[:-1])


def test_masks_and_labels_are_written_with_their_pixel_size(label: np.ndarray, tmp_path: Path) -> None:
    mask = write_mask(tmp_path, "a", label, 0.25)
    labels = write_labels(tmp_path, "a", label, 0.25)
    assert (mask.name, labels.name) == ("a_mask.tif", "a_labels.tif")
    written = tifffile.imread(mask)
    assert written.dtype == np.uint8
    assert np.array_equal(written, np.where(label > 0, 255, 0))
    assert tifffile.imread(labels).dtype == np.uint16
    assert np.array_equal(tifffile.imread(labels), label)
    assert TiffReader().open(labels)[0].pixel_size_nm == pytest.approx(0.25)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_labels.tif", "a_mask.tif"]


def test_more_particles_than_16_bits_hold_are_written_in_32(tmp_path: Path) -> None:
    label = np.arange(300 * 300, dtype=np.int32).reshape(300, 300)
    assert tifffile.imread(write_labels(tmp_path, "a", label)).max() == 300 * 300 - 1


def test_a_folder_that_cannot_be_written_is_named(label: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="missing"):
        write_mask(tmp_path / "missing", "a", label)
