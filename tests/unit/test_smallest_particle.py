"""The size below which a model reports nothing: that of the labels it was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.engine.steps_train import smallest_diameter


def squares(sides: list[int], *, at_border: bool = False) -> np.ndarray:
    """(N, 32, 32): one square an image, in its middle or in its corner."""
    label_NHW = np.zeros((len(sides), 32, 32), np.int32)
    for image_HW, side in zip(label_NHW, sides, strict=True):
        start = 0 if at_border else 4
        image_HW[start : start + side, start : start + side] = 1
    return label_NHW


def test_one_label_in_fifty_is_smaller() -> None:
    label_NHW = squares([2] * 2 + [8] * 198)
    assert smallest_diameter(label_NHW, 100) == pytest.approx(np.sqrt(4 / np.pi) * 8)
    assert smallest_diameter(squares([2] * 20 + [8] * 180), 100) == pytest.approx(np.sqrt(4 / np.pi) * 2)


def test_pieces_of_particles_at_the_border_do_not_count() -> None:
    label_NHW = np.concatenate([squares([8] * 60), squares([2] * 40, at_border=True)])
    assert smallest_diameter(label_NHW, 100) == pytest.approx(np.sqrt(4 / np.pi) * 8)


def test_few_labels_say_nothing() -> None:
    assert smallest_diameter(squares([8] * 20), 100) is None
    assert smallest_diameter(squares([]), 100) is None


def test_labels_of_large_particles_alone_do_not_hide_small_ones() -> None:
    assert smallest_diameter(squares([12] * 200), 14) == 7
    assert smallest_diameter(squares([4] * 200), 14) == pytest.approx(np.sqrt(4 / np.pi) * 4)
