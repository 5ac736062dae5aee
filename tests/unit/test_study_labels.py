"""Which micrographs a study's hand labels are taken of."""

from __future__ import annotations

from emgen.data.window import Window
from emgen.study.labels import _drawn


def windows() -> list[Window]:
    """Two of each of six micrographs."""
    return [Window(index, top, 0, 8, 8) for index in range(6) for top in (0, 8)]


def test_fewer_hand_labels_are_whole_micrographs_and_a_part_of_more() -> None:
    one, three, whole = (_drawn(windows(), count, seed=4) for count in (1, 3, None))
    assert [len(drawn) for drawn in (one, three, whole)] == [2, 6, 12]
    assert set(one) < set(three) < set(whole)
    assert len({window.index for window in three}) == 3


def test_another_seed_draws_other_micrographs() -> None:
    drawn = {frozenset(window.index for window in _drawn(windows(), 2, seed)) for seed in range(8)}
    assert len(drawn) > 2
