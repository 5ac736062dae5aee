"""An alarm that lasts: when it is raised, since when, and when it ends."""

from __future__ import annotations

import json

import pytest

from emgen.domain import Watch


def watched(pattern: str, watch: Watch | None = None) -> list[Watch]:
    """The states after each frame; ``x`` exceeds, frames are named by their number."""
    states, watch = [], watch or Watch()
    for number, letter in enumerate(pattern):
        watch = watch.after(str(number), letter == "x")
        states.append(watch)
    return states


def test_three_of_five_raise_it_and_it_counts_from_the_first_of_them() -> None:
    states = watched(".x.x.x")
    assert [state.raised for state in states] == [False] * 5 + [True]
    assert states[-1].since == "1"


def test_two_of_five_again_and_again_do_not() -> None:
    assert not any(state.raised for state in watched("xx...xx...xx..."))


def test_frames_longer_ago_do_not_count() -> None:
    assert not watched("xx....x")[-1].raised


def test_it_ends_when_five_in_a_row_do_not_exceed() -> None:
    states = watched("xxx....x.....")
    assert [state.raised for state in states] == [False] * 2 + [True] * 10 + [False]
    assert states[-2].since == "0"


def test_a_second_alarm_counts_from_its_own_first_frame() -> None:
    assert watched("xxx.....x.xx")[-1].since == "8"


def test_its_state_is_plain_data_and_goes_on_from_there() -> None:
    for after in range(12):
        before = watched("x.xx.....xxx"[: after + 1])[-1]
        again = Watch.from_dict(json.loads(json.dumps(before.to_dict())))
        assert again == before
        assert again.after("next", True) == before.after("next", True)


def test_a_rule_that_can_never_be_met_is_refused() -> None:
    with pytest.raises(ValueError, match="raised_by"):
        Watch(raised_by=6, of=5)
