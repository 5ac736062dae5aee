"""Tracks: what is linked, how far, over how many frames."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from emgen.errors import SpecError
from emgen.series.drift import Points
from emgen.series.link import choose_memory, choose_reach, cut_at_jumps, link, miss_rate


def grid(count: int, apart: float) -> np.ndarray:
    return apart * np.stack(np.unravel_index(np.arange(count), (8, 8)), 1).astype(float)


def test_particles_that_hardly_move_are_one_track_each() -> None:
    rng = np.random.default_rng(0)
    frames = [grid(20, 30.0) + rng.normal(0, 0.5, (20, 2)) for _ in range(6)]
    np.testing.assert_array_equal(link(frames, 8.0, 0), np.tile(np.arange(20), 6))


@pytest.mark.parametrize(("memory", "tracks"), [(0, 3), (1, 3), (2, 2)])
def test_a_particle_missed_for_no_longer_than_the_memory_is_the_same(memory: int, tracks: int) -> None:
    both, one = grid(2, 30.0), grid(1, 30.0)
    assert len(set(link([both, both, one, one, both], 8.0, memory).tolist())) == tracks


def test_frames_without_particles_are_gone_over() -> None:
    both, none = grid(2, 30.0), np.zeros((0, 2))
    assert link([none, both, none, both, none], 8.0, 1).tolist() == [0, 1, 0, 1]
    assert link([none, none], 8.0, 1).tolist() == []


def test_a_search_range_over_many_particles_is_refused_with_the_way_out() -> None:
    rng = np.random.default_rng(0)
    crowd = [rng.uniform(0, 30, (300, 2)) for _ in range(2)]
    with pytest.raises(SpecError, match=r"search range: 40 px is too far .* --search-range"):
        link(crowd, 40.0, 0)


def test_linking_says_nothing(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.WARNING):
        link([grid(5, 30.0)] * 3, 8.0, 1)
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")


def cloud(apart: float, moved: float, diameter: float = 10.0, seed: int = 0) -> list[Points]:
    rng = np.random.default_rng(seed)
    area = np.full(40, np.pi / 4 * diameter**2)
    places = [grid(40, apart)]
    for _ in range(4):
        angle = rng.uniform(0, 2 * np.pi, 40)
        places.append(places[-1] + moved * np.stack([np.sin(angle), np.cos(angle)], 1))
    return [Points(place, area, np.ones(40, bool)) for place in places]


@pytest.mark.parametrize(
    ("apart", "moved", "expected"),
    [(60.0, 0.5, 5.0), (60.0, 4.0, 12.0), (14.0, 0.2, 5.0), (9.0, 0.2, 4.5)],
    ids=["half a diameter", "three times the motion", "half a diameter among neighbours", "half way to the neighbour"],
)
def test_the_search_range_follows_size_motion_and_neighbours(apart: float, moved: float, expected: float) -> None:
    reach = choose_reach(cloud(apart, moved), np.zeros((5, 2)))
    assert reach.search_range == pytest.approx(expected, rel=0.1)
    assert reach.diameter == pytest.approx(10.0)
    assert reach.motion == pytest.approx(moved, rel=0.1)


def test_the_drift_is_no_motion_of_the_particles() -> None:
    drift = np.outer(np.arange(5), (20.0, -7.0))
    still = cloud(60.0, 0.0)
    moved = [Points(own.place_K2 + shift, own.area_K, own.whole_K) for own, shift in zip(still, drift, strict=True)]
    assert choose_reach(moved, drift).motion == pytest.approx(0.0, abs=1e-6)


def test_one_particle_alone_has_a_search_range_too() -> None:
    alone = Points(np.zeros((1, 2)), np.array([78.5]), np.ones(1, bool))
    assert choose_reach([alone, alone], np.zeros((2, 2))).search_range == pytest.approx(5.0, rel=0.01)


def test_the_share_of_missed_particles_is_that_of_the_gaps() -> None:
    track, frame = np.array([1, 1, 1, 2, 2]), np.array([0, 1, 4, 3, 4])
    assert miss_rate(frame, track) == pytest.approx(2 / 7)
    assert miss_rate(frame[:2], track[:2]) == 0


def test_the_more_is_missed_the_longer_the_memory() -> None:
    assert [choose_memory(missed, 3000) for missed in (0.0, 0.001, 0.05, 0.1, 0.5)] == [1, 1, 2, 3, 5]


def test_a_track_is_cut_where_its_particle_becomes_another() -> None:
    """Doubled, it coalesced; a seventh, it is another or false; at the edge, it is only cut off."""
    areas = [200.0, 205.0, 400.0, 390.0, 55.0, 60.0]
    table = pd.DataFrame({"track": 3, "frame": range(6), "area_px": areas, "border": False})
    assert cut_at_jumps(table, 15.0).tolist() == [0, 0, 0, 0, 1, 1]
    assert cut_at_jumps(table.assign(border=[False] * 4 + [True] * 2), 15.0).tolist() == [0] * 6
    young = table.assign(area_px=[8.0, 25.0, 60.0, 120.0, 180.0, 200.0])
    assert cut_at_jumps(young, 15.0).tolist() == [0] * 6
