"""What is too ragged for a particle, and a rough segmenter without it."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.compact import CompactOnly
from emgen.particles import solidities, without_ragged
from emgen.testing.phantoms import phantom_stack


def angle_and_disc() -> np.ndarray:
    """(64, 64): a right angle, 3, of two narrow arms, and a disc, 7."""
    rows, columns = np.ogrid[:64, :64]
    label_HW = np.zeros((64, 64), np.int32)
    label_HW[8:24, 8:11] = label_HW[21:24, 8:24] = 3
    label_HW[(rows - 44) ** 2 + (columns - 44) ** 2 <= 36] = 7
    return label_HW


def test_a_disc_is_compact_and_an_angle_is_not() -> None:
    ragged, compact = solidities(angle_and_disc())
    assert ragged < 0.6
    assert compact > 0.9


@pytest.mark.parametrize("radius", [1.5, 2, 3, 5])
def test_small_discs_are_not_ragged_for_their_pixels(radius: float) -> None:
    rows, columns = np.ogrid[:16, :16]
    label_HW = ((rows - 8) ** 2 + (columns - 8) ** 2 <= radius**2).astype(np.int32)
    assert solidities(label_HW)[0] > 0.88


def test_what_stays_is_numbered_anew_and_nothing_is_dropped_at_0() -> None:
    label_HW = angle_and_disc()
    left = without_ragged(label_HW, 0.87)
    assert np.array_equal(left, (label_HW == 7).astype(np.int32))
    assert without_ragged(label_HW, 0.0) is label_HW
    assert not without_ragged(np.zeros((8, 8), np.int32), 0.87).any()


def test_particles_of_phantoms_stay() -> None:
    for phantom in phantom_stack(4, (256, 256), seed=0):
        count = len(np.unique(phantom.label_HW)) - 1
        assert without_ragged(phantom.label_HW, 0.87).max() >= 0.97 * count


class Given:
    def __init__(self, made: np.ndarray) -> None:
        self.made = made

    def segment(self, image_NHW: np.ndarray) -> np.ndarray:
        return self.made


def test_a_segmenter_loses_its_ragged_instances() -> None:
    label_NHW = np.stack([angle_and_disc()] * 2)
    made = CompactOnly(Given(label_NHW), 0.87).segment(np.zeros((2, 64, 64), np.float32))
    assert made.dtype == np.int32
    assert np.array_equal(made, label_NHW == 7)


@pytest.mark.parametrize("made", [np.zeros((1, 4, 4)), np.zeros((4, 4), np.int32), np.full((1, 4, 4), -1)])
def test_what_breaks_the_contract_comes_through_for_the_caller_to_refuse(made: np.ndarray) -> None:
    assert CompactOnly(Given(made), 0.87).segment(np.zeros((1, 4, 4), np.float32)) is made
