"""The numbers that say how far the ranking's choice is from truth's."""

from __future__ import annotations

import pytest

from emgen.testing.checkpoint_regret import Regret, shown

TRUTH = {10: 0.60, 20: 0.75, 30: 0.80, 40: 0.71}


def test_regret_is_what_the_choice_lacks_to_the_best() -> None:
    found = Regret("contrast_gan", TRUTH, order=[20, 30, 40, 10])
    assert found.of_choice == pytest.approx(0.05)
    assert found.of_last == pytest.approx(0.09)
    assert found.by_lot == pytest.approx(0.80 - 0.715)


def test_the_right_order_has_correlation_one_and_the_reverse_minus_one() -> None:
    assert Regret("contrast_gan", TRUTH, order=[30, 20, 40, 10]).correlation == pytest.approx(1)
    assert Regret("contrast_gan", TRUTH, order=[10, 40, 20, 30]).correlation == pytest.approx(-1)


def test_the_text_names_every_state_and_the_regret_in_points() -> None:
    text = shown([Regret("morphology_gan", TRUTH, order=[30, 20, 40, 10])])
    assert "step 10 60.0, step 20 75.0, step 30 80.0, step 40 71.0" in text
    assert "regret of the choice 0.0, of the last 9.0, by lot 8.5 points; rank correlation 1.00" in text
