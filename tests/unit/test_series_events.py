"""Events: what is coalescence, what is only a particle missed, gone, or out of the field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from emgen.series.coalescence import area_noise, find_coalescences, tracks_of
from emgen.series.events import Event, Field, find_events, separate
from emgen.testing.phantoms.series import phantom_series
from emgen.testing.series_scores import ROUGH, Tally, follow_phantom, score_followed

FRAMES, REACH, MEMORY = 20, 8.0, 1
Row = tuple[int, int, float, float, float]


def seen(track: int, frames: range, y: float, x: float, area: float) -> list[Row]:
    return [(track, frame, y, x, area) for frame in frames]


def table(*rows: Sequence[Row], noise: float = 0.01, seed: int = 0) -> pd.DataFrame:
    """Areas vary by the share ``noise``; none is cut by the edge."""
    found = pd.DataFrame([row for some in rows for row in some], columns=["track", "frame", "y", "x", "area_px"])
    found["area_px"] *= np.exp(noise * np.random.default_rng(seed).standard_normal(len(found)))
    found["border"] = False
    return found


def events(rows: pd.DataFrame, shift_N2: np.ndarray | None = None) -> list[Event]:
    """Of a field of 200 x 300 px; ``entry`` and ``exit`` too."""
    view = Field((200, 300), np.zeros((FRAMES, 2)) if shift_N2 is None else shift_N2)
    coalescences = separate(rows, find_coalescences(tracks_of(rows), REACH, MEMORY, FRAMES - 1))
    return find_events(rows, coalescences, view, REACH, MEMORY)


def kinds(found: Sequence[Event]) -> list[tuple[str, int]]:
    return [(event.kind, event.frame) for event in found]


ALWAYS = range(FRAMES)
PAIR = (seen(1, range(10), 100, 100, 300.0), seen(2, range(10), 100, 118, 200.0))


def merged(power: float) -> float:
    """Area of what two of 300 and 200 px become: 1 the sum, 1.5 spheres of the same volume."""
    return float((300**power + 200**power) ** (1 / power))


@pytest.mark.parametrize("power", [1.0, 1.5], ids=["area kept", "volume kept"])
def test_two_that_become_one_of_their_summed_area_or_volume_coalesced(power: float) -> None:
    rows = table(*PAIR, seen(1, range(10, FRAMES), 100, 107, merged(power)))
    (event,) = events(rows)
    assert (event.kind, event.frame, event.parents) == ("coalescence", 10, (1, 2))
    assert event.child not in (1, 2)
    assert (event.area_before_px, event.area_after_px) == pytest.approx((500, merged(power)), rel=0.02)
    assert rows.groupby("track")["frame"].agg(["min", "max"]).to_numpy().tolist() == [[0, 9], [0, 9], [10, 19]]


def test_it_may_begin_a_track_of_its_own_too() -> None:
    (event,) = events(table(*PAIR, seen(7, range(10, FRAMES), 100, 107, merged(1.5))))
    assert (event.kind, event.frame, event.parents, event.child) == ("coalescence", 10, (1, 2), 7)


def test_one_that_vanishes_beside_another_that_does_not_grow_disappeared() -> None:
    rows = table(seen(1, ALWAYS, 100, 100, 300.0), seen(2, range(10), 100, 118, 200.0))
    assert kinds(events(rows)) == [("disappearance", 10)]


def test_one_that_comes_back_was_only_missed() -> None:
    rows = table(seen(1, ALWAYS, 100, 100, 300.0), seen(2, [*range(10), *range(11, FRAMES)], 100, 118, 200.0))
    assert events(rows) == []


def test_one_that_grows_far_from_another_that_vanishes_did_not_take_it_up() -> None:
    rows = table(
        seen(1, range(10), 100, 100, 300.0),
        seen(1, range(10, FRAMES), 100, 100, 450.0),
        seen(2, range(10), 100, 160, 200.0),
    )
    assert kinds(events(rows)) == [("disappearance", 10)]


def test_more_than_both_had_is_not_what_they_became() -> None:
    assert ("coalescence", 10) not in kinds(events(table(*PAIR, seen(1, range(10, FRAMES), 100, 107, 800.0))))


def test_a_particle_missed_just_before_still_coalesced_in_the_frame_in_which_the_other_grew() -> None:
    early = seen(2, range(9), 100, 118, 200.0)
    (event,) = events(table(PAIR[0], early, seen(1, range(10, FRAMES), 100, 107, merged(1.5))))
    assert (event.kind, event.frame, event.parents) == ("coalescence", 10, (1, 2))


def test_three_may_become_one() -> None:
    third = seen(3, range(10), 100, 84, 150.0)
    area = float((300**1.5 + 200**1.5 + 150**1.5) ** (2 / 3))
    (event,) = events(table(*PAIR, third, seen(1, range(10, FRAMES), 100, 101, area)))
    assert (event.kind, event.parents) == ("coalescence", (1, 2, 3))


def test_what_coalesced_may_coalesce_again() -> None:
    third = seen(3, range(15), 100, 84, 150.0)
    again = float((300**1.5 + 200**1.5 + 150**1.5) ** (2 / 3))
    after = (seen(1, range(10, 15), 100, 107, merged(1.5)), seen(1, range(15, FRAMES), 100, 103, again))
    first, second = events(table(*PAIR, third, *after))
    assert (first.frame, first.parents, second.frame) == (10, (1, 2), 15)
    assert second.parents == tuple(sorted((3, first.child)))


def test_one_that_the_stage_carries_out_of_the_field_did_not_disappear_nor_its_opposite_appear() -> None:
    shift_N2 = np.outer(np.arange(FRAMES), (0.0, -10.0))
    leaving = seen(1, range(8), 100, 90, 300.0)
    coming = seen(2, range(8, FRAMES), 100, 370, 300.0)
    assert kinds(events(table(leaving, coming), shift_N2)) == [("entry", 8), ("exit", 8)]


def test_a_particle_that_is_born_and_one_that_dissolves_are_told() -> None:
    rows = table(seen(1, range(6, FRAMES), 100, 100, 100.0), seen(2, range(12), 60, 200, 100.0))
    born, gone = events(rows)
    assert (born.kind, born.frame, born.child, born.parents) == ("appearance", 6, 1, ())
    assert (gone.kind, gone.frame, gone.child, gone.parents) == ("disappearance", 12, None, (2,))


@pytest.mark.parametrize(
    "frames",
    [range(1, FRAMES), range(FRAMES - 1), range(8, 10)],
    ids=["missed in the first frame?", "missed in the last frame?", "seen in two frames only"],
)
def test_nothing_is_said_of_what_may_be_a_fault_of_the_labels(frames: range) -> None:
    assert events(table(seen(1, frames, 100, 100, 100.0))) == []


def test_the_noise_of_outlines_is_told_by_the_series_itself() -> None:
    rng = np.random.default_rng(0)
    rows = table(*[seen(track, ALWAYS, 10.0 * track, 100, 200.0) for track in range(20)], noise=0.0)
    diameter = np.sqrt(4 / np.pi * rows["area_px"]) + rng.normal(0, 0.4, len(rows))
    rows["area_px"] = np.pi / 4 * diameter**2
    assert area_noise(tracks_of(rows)) == pytest.approx(0.4, rel=0.15)
    assert area_noise([]) == 0


@pytest.fixture(scope="module")
def phantom():
    return phantom_series(
        seed=21, shape_HW=(320, 320), particles=60, diameter=13.0, frames=24, coalescences=16, drift=9.0
    )


@pytest.mark.parametrize(("faults", "links", "events"), [({}, 0.999, 0.9), (ROUGH, 0.98, 0.6)], ids=["exact", "rough"])
def test_a_series_of_known_truth_is_followed(phantom, tmp_path, faults, links: float, events: float) -> None:
    """Larger samples are in docs/explanation/time.md; here the least that a change may leave."""
    scores = score_followed(follow_phantom(phantom, faults, tmp_path), phantom)
    assert min(scores.links.precision, scores.links.recall) >= links
    coalescence = scores.events["coalescence"]
    assert coalescence.hit >= 5
    assert coalescence.recall >= events
    assert coalescence.precision >= 0.75
    assert scores.drift_px < 1.0


def test_scores_see_wrong_links(phantom, tmp_path) -> None:
    followed = follow_phantom(phantom, {}, tmp_path)
    right = score_followed(followed, phantom).links
    rng = np.random.default_rng(0)
    followed.tracks["track"] = rng.permutation(followed.tracks["track"].to_numpy())
    wrong = score_followed(followed, phantom).links
    assert right.precision > 0.99
    assert wrong.precision < 0.1
    assert Tally(3, 1, 2) + Tally(1, 0, 0) == Tally(4, 1, 2)
