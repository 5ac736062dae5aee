"""An alarm that lasts: one odd frame is nothing, three of five are a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered from frame to frame; a new one follows from each, so that every state can be kept.

    With a rate of false alarms of 0.05 a frame, three of five exceed by chance once in 900 such fives, where frames
    are independent.

    Attributes
    ----------
    raised_by, of: it is raised when so many of the last so many frames exceed, and ends when ``of`` in a row do not.
    recent: the last ``of`` frames by name, and whether each exceeded.
    since: the frame that an alarm counts from, the first of those that raised it; ``None`` while there is none.

    >>> watch = Watch()
    >>> for frame, exceeds in [("a", True), ("b", False), ("c", True), ("d", True)]:
    ...     watch = watch.after(frame, exceeds)
    >>> watch.raised, watch.since
    (True, 'a')
    """

    raised_by: int = 3
    of: int = 5
    recent: tuple[tuple[str, bool], ...] = ()
    since: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.raised_by <= self.of:
            raise ValueError(f"raised_by: {self.raised_by} is not in 1 ... of ({self.of})")

    @property
    def raised(self) -> bool:
        return self.since is not None

    def after(self, frame: str, exceeds: bool) -> Watch:
        """The watch once this frame is seen."""
        recent = (*self.recent, (frame, exceeds))[-self.of :]
        exceeding = [name for name, exceeded in recent if exceeded]
        since = self.since
        if since is None and len(exceeding) >= self.raised_by:
            since = exceeding[0]
        elif len(recent) == self.of and not exceeding:
            since = None
        return replace(self, recent=recent, since=since)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {**asdict(self), "recent": [list(one) for one in self.recent]}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Watch:
        """The inverse of ``to_dict``."""
        recent = tuple((str(frame), bool(exceeded)) for frame, exceeded in kept["recent"])
        return cls(int(kept["raised_by"]), int(kept["of"]), recent, kept["since"])
