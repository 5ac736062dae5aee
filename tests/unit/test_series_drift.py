"""The stage's drift: from particles, from images, and what becomes of it over a series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emgen.particles import measure
from emgen.series.drift import Points, shift_of_images, shift_of_particles
from emgen.series.following import _Before
from emgen.series.link import refined_drift
from emgen.testing.phantoms.series import degraded, phantom_series

SMALL = {"shape_HW": (256, 256), "particles": 40, "diameter": 14.0, "coalescences": 0, "births": 0, "deaths": 0}


def points(label_HW) -> Points:
    table = measure(label_HW)
    place = table[["centroid_y_px", "centroid_x_px"]].to_numpy(float)
    return Points(place, table["area_px"].to_numpy(float), ~table["border"].to_numpy(bool))


def no_points() -> Points:
    return Points(np.zeros((0, 2)), np.zeros(0), np.zeros(0, bool))


@pytest.mark.parametrize("drift", [0.5, 5.0, 70.0])
def test_particles_tell_a_drift_of_a_fraction_of_a_pixel_and_of_many_diameters(drift: float) -> None:
    series = phantom_series(seed=1, frames=3, drift=drift, **SMALL)
    for index in (1, 2):
        found = shift_of_particles(points(series[index - 1].label_HW), points(series[index].label_HW))
        np.testing.assert_allclose(found, series.shift_N2[index] - series.shift_N2[index - 1], atol=0.4)


def test_particles_tell_the_drift_though_many_are_missed_and_outlines_are_rough() -> None:
    series = phantom_series(seed=2, frames=2, drift=30.0, **SMALL)
    rng = np.random.default_rng(0)
    before, after = (degraded(frame.label_HW, rng, missed=0.3, rough=1.0, false=0.2) for frame in series)
    np.testing.assert_allclose(shift_of_particles(points(before), points(after)), series.shift_N2[1], atol=0.8)


def test_particles_that_do_not_agree_tell_nothing() -> None:
    rng = np.random.default_rng(0)
    at_random = [Points(rng.uniform(0, 500, (12, 2)), rng.uniform(100, 140, 12), np.ones(12, bool)) for _ in range(2)]
    assert shift_of_particles(*at_random) is None
    assert shift_of_particles(at_random[0], no_points()) is None
    assert shift_of_particles(no_points(), at_random[0]) is None


def test_ten_thousand_particles_vote_in_bounded_memory_and_agree() -> None:
    rng = np.random.default_rng(0)
    first = Points(rng.uniform(0, 4000, (10_000, 2)), rng.uniform(50, 300, 10_000), np.ones(10_000, bool))
    second = Points(first.place_K2 + np.array([17.0, -140.0]), first.area_K, first.whole_K)
    np.testing.assert_allclose(shift_of_particles(first, second), (17.0, -140.0), atol=0.01)


@pytest.mark.parametrize("modality", ["haadf-stem", "bf-tem"])
def test_images_tell_the_drift_too(modality: str) -> None:
    series = phantom_series(seed=3, frames=2, drift=12.0, modality=modality, **SMALL)
    found = shift_of_images(series[0].image_HW, series[1].image_HW)
    np.testing.assert_allclose(found, series.shift_N2[1], atol=0.5)


def test_large_images_are_compared_reduced() -> None:
    rng = np.random.default_rng(0)
    ground = np.kron(rng.random((350, 150)), np.ones((8, 8))).astype(np.float32)
    found = shift_of_images(ground[40:2540, 40:1040], ground[64:2564, 31:1031])
    np.testing.assert_allclose(found, (-24, 9), atol=1.0)


def test_a_frame_without_particles_does_not_break_the_drift() -> None:
    series = phantom_series(seed=4, frames=3, drift=9.0, **SMALL)
    before = _Before("particles")
    assert before.shift(points(series[0].label_HW), None)[1] == "nothing"
    blank, by = before.shift(no_points(), None)
    assert (blank.tolist(), by) == ([0, 0], "nothing")
    found, by = before.shift(points(series[2].label_HW), None)
    assert by == "particles"
    np.testing.assert_allclose(found, series.shift_N2[2], atol=0.4)


def test_where_particles_do_not_agree_the_images_are_asked() -> None:
    series = phantom_series(seed=5, frames=2, drift=9.0, **SMALL)
    before = _Before("auto")
    before.shift(no_points(), series[0].image_HW)
    found, by = before.shift(no_points(), series[1].image_HW)
    assert by == "images"
    np.testing.assert_allclose(found, series.shift_N2[1], atol=0.5)


def test_what_is_left_of_the_drift_comes_from_whole_particles_not_from_the_edge_nor_from_one_that_runs() -> None:
    rows = []
    for frame, left in enumerate((0.0, 0.3, 0.1)):
        for track in range(8):
            step = 5.0 * frame if track == 0 else 0.0
            rows.append((frame, track, 10 * track + left + step, 7.0 - left, 100.0, False))
        rows.append((frame, 9, 3.0 * frame, 3.0 * frame, 9000.0, True))
    table = pd.DataFrame(rows, columns=["frame", "track", "y", "x", "area_px", "border"])
    np.testing.assert_allclose(refined_drift(table, 3), [(0, 0), (0.3, -0.3), (0.1, -0.1)], atol=1e-6)
