"""Phantom series: what they say is what they show."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops

from emgen.testing.phantoms.series import degraded, phantom_series, write_series

SMALL = {"shape_HW": (160, 200), "particles": 20, "frames": 14, "diameter": 14.0}


def test_the_same_seed_gives_the_same_series_and_another_another() -> None:
    first, again, other = (phantom_series(seed=seed, **SMALL) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[5].image_HW, again[5].image_HW)
    np.testing.assert_array_equal(first[5].label_HW, again[5].label_HW)
    assert not np.array_equal(first[5].label_HW, other[5].label_HW)


def test_a_frame_is_an_image_in_0_to_1_and_labels_in_an_order_that_says_nothing() -> None:
    series = phantom_series(seed=1, migration=0.0, coalescences=0, births=0, deaths=0, **SMALL)
    frames = list(series)
    assert {frame.image_HW.dtype for frame in frames} == {np.dtype("float32")}
    assert all(0 <= frame.image_HW.min() < frame.image_HW.max() <= 1 for frame in frames)
    assert frames[0].label_HW.max() == len(frames[0].id_K)
    assert not np.array_equal(frames[0].id_K, frames[1].id_K)


@pytest.mark.parametrize("modality", ["haadf-stem", "bf-tem"])
def test_a_particle_that_does_not_move_lies_where_the_stage_has_drifted(modality: str) -> None:
    still = {"migration": 0.0, "coalescences": 0, "births": 0, "deaths": 0, "drift": 6.0}
    series = phantom_series(seed=2, modality=modality, **still, **SMALL)
    place = [places(series, index) for index in (0, 3)]
    both = place[0].keys() & place[1].keys()
    assert len(both) > 5
    moved = np.array([np.subtract(place[1][one], place[0][one]) for one in both])
    np.testing.assert_allclose(moved, np.tile(series.shift_N2[3], (len(both), 1)), atol=0.5)


def places(series, index: int) -> dict[int, tuple[float, float]]:
    """Of the particles that are whole."""
    frame = series[index]
    height, width = frame.label_HW.shape
    return {
        int(frame.id_K[region.label - 1]): region.centroid
        for region in regionprops(frame.label_HW)
        if region.bbox[0] > 0 and region.bbox[1] > 0 and region.bbox[2] < height and region.bbox[3] < width
    }


@pytest.mark.parametrize(("conserved", "power"), [("volume", 3), ("area", 2)])
def test_what_coalesced_has_the_volume_or_area_of_both(conserved: str, power: int) -> None:
    series = phantom_series(seed=5, conserved=conserved, coalescences=8, **SMALL)
    events = [event for event in series.events if event.kind == "coalescence"]
    assert len(events) >= 4
    for event in events:
        before, now = series.moments[event.frame - 1], series.moments[event.frame]
        had = sum(before.radius_K[before.id_K == parent][0] ** power for parent in event.parents)
        assert now.radius_K[now.id_K == event.child][0] ** power == pytest.approx(had)
        assert not set(event.parents) & set(now.id_K.tolist())


def test_a_particle_is_drawn_in_its_size() -> None:
    series = phantom_series(seed=6, **SMALL)
    frame, moment = series[0], series.moments[0]
    areas = {int(frame.id_K[r.label - 1]): r.area for r in regionprops(frame.label_HW)}
    for one in places(series, 0):
        assert areas[one] == pytest.approx(np.pi * moment.radius_K[moment.id_K == one][0] ** 2, rel=0.08)


def test_births_and_deaths_are_told_with_the_first_frame_they_hold_for() -> None:
    series = phantom_series(seed=7, births=6, deaths=6, coalescences=0, **SMALL)
    kinds = {event.kind for event in series.events}
    assert kinds == {"appearance", "disappearance"}
    for event in series.events:
        there = [
            event.child in moment.id_K if event.child else event.parents[0] in moment.id_K for moment in series.moments
        ]
        turn = there.index(event.kind == "appearance")
        assert turn == event.frame


def test_degraded_labels_miss_their_share_and_keep_the_numbers_of_the_others() -> None:
    label_HW = phantom_series(seed=8, shape_HW=(384, 384), particles=150, diameter=12.0)[0].label_HW
    worse_HW = degraded(label_HW, np.random.default_rng(0), missed=0.2, rough=1.0, false=0.1)
    kept = set(np.unique(worse_HW)) - {0}
    true = set(range(1, label_HW.max() + 1))
    assert 0.7 < len(kept & true) / len(true) < 0.9
    assert 3 < len(kept - true) < 40
    overlap = [np.mean(label_HW[worse_HW == one] == one) for one in kept & true]
    assert np.mean(overlap) > 0.85
    assert not np.array_equal(worse_HW > 0, np.isin(label_HW, list(kept)))


def test_a_written_series_is_named_as_emgen_segment_names_one(tmp_path) -> None:
    import tifffile

    series = phantom_series(seed=9, shape_HW=(64, 80), particles=5, frames=2)
    images, labels = write_series(tmp_path, series)
    assert [path.name for path in images + labels] == [
        "series_0000.tif",
        "series_0001.tif",
        "series_0000_labels.tif",
        "series_0001_labels.tif",
    ]
    np.testing.assert_array_equal(tifffile.imread(labels[1]), series[1].label_HW)
