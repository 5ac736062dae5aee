"""Two ways to do the same work, timed in turn: A B A B …, so that a machine whose speed drifts is fair to both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a comparison runs: both do the whole work once and return what ``agree`` compares, or nothing.

    Attributes
    ----------
    agree: of the rival's result and ours a text that says how well they agree, such as "object F1 0.997"; it raises
        ``AssertionError`` where they do not: speed by another result does not count.
    units: in one run, for the time a unit.
    """

    rival: Callable[[], object]
    ours: Callable[[], object]
    agree: Callable[[object, object], str] | None = None
    units: int = 1


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row of the table.

    Attributes
    ----------
    name: short, in the words of the reader. rival: what it is compared with.
    goal: how many times faster than the rival it shall be; under 1: at most so much slower. None: there is none.
    limit_s: seconds it shall take at most, with no regard to the rival.
    prepare: makes the work, in a folder of its own; not timed.
    """

    name: str
    rival: str
    prepare: Callable[[Path], Work]
    goal: float | None = None
    limit_s: float | None = None
    repeats: int = 5


@dataclass(frozen=True)
class Timed:
    """Seconds of each run, the n-th of one directly before the n-th of the other."""

    comparison: Comparison
    rival_s: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)
    agreement: str = ""

    @property
    def ratios(self) -> list[float]:
        """Times faster, pair by pair."""
        return [rival / ours for rival, ours in zip(self.rival_s, self.ours_s, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool | None:
        goals = []
        if self.comparison.goal is not None:
            goals.append(self.ratio >= self.comparison.goal)
        if self.comparison.limit_s is not None:
            goals.append(statistics.median(self.ours_s) <= self.comparison.limit_s)
        return all(goals) if goals else None


def timed(comparison: Comparison, folder: Path) -> Timed:
    """One uncounted run of each first, whose results are compared."""
    work = comparison.prepare(folder)
    first = work.rival(), work.ours()
    agreement = work.agree(*first) if work.agree else ""
    del first
    result = Timed(comparison, agreement=agreement)
    for _ in range(comparison.repeats):
        result.rival_s.append(_seconds(work.rival) / work.units)
        result.ours_s.append(_seconds(work.ours) / work.units)
    return result


def _seconds(run: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
