"""Is what comes in still what the model was trained on? ``emgen.domain``, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emgen.copilot.answer import Answer
from emgen.domain import Reference, Watch


class Alarm:
    """By the ``reference`` of a model; without one there is none, and it is told so.

    ``false_alarms``: share of frames of the model's own domain that may exceed the threshold.
    """

    def __init__(
        self, reference: Reference | None, false_alarms: float, state: Mapping[str, Any] | None = None
    ) -> None:
        self._threshold: float | None = None
        self._rate = false_alarms
        if reference is not None:
            self._threshold, self._rate = threshold_of(reference, false_alarms)
        self._watch = Watch.from_dict(state) if state else Watch()
        self._words: tuple[str, ...] = ()

    @property
    def state(self) -> dict[str, Any]:
        """For the journal."""
        return self._watch.to_dict()

    def add(self, answer: Answer) -> dict[str, Any] | None:
        """The event, where the alarm begins or ends with this frame."""
        if self._threshold is None or answer.domain_score is None:
            return None
        before, exceeds = self._watch.raised, answer.domain_score > self._threshold
        if exceeds:
            self._words = answer.domain_words
        self._watch = self._watch.after(str(answer.frame), exceeds)
        if self._watch.raised == before:
            return None
        return {"frame": answer.frame, **self.told()}

    def told(self) -> dict[str, Any]:
        """As JSON.

        ``watched``: whether there is a reference. ``since``: a frame. ``words``: in what the last frame outside
        differs. ``false_alarms``: the rate that the threshold keeps.
        """
        return {
            "watched": self._threshold is not None,
            "raised": self._watch.raised,
            "since": None if self._watch.since is None else int(self._watch.since),
            "words": list(self._words) if self._watch.raised else [],
            "threshold": self._threshold,
            "false_alarms": self._rate,
        }


def threshold_of(reference: Reference, false_alarms: float) -> tuple[float, float]:
    """The score that is outside, and the rate of false alarms that it keeps.

    That rate is the one asked for, or the smallest that so many training micrographs can carry.
    """
    rate = reference.supported_alpha(false_alarms)
    return reference.threshold(rate), rate
