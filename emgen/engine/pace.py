"""How long a step still takes, from how fast it went since this process took it up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Pace:
    """One step's progress. A resumed step begins at its checkpoint, so the rate counts from the first step seen."""

    clock: Callable[[], float] = time.monotonic
    total: int | None = None
    done: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    _first: tuple[float, int] | None = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.done, self.values = step, values
        if self._first is None:
            self._first = (self.clock(), step)

    def seconds_left(self) -> float | None:
        """``None`` until two steps were seen and the total is known."""
        if self._first is None or self.total is None or self.done <= self._first[1]:
            return None
        elapsed = self.clock() - self._first[0]
        return elapsed / (self.done - self._first[1]) * max(0, self.total - self.done)

    def text(self) -> str:
        """``step 120 of 500, 0:02:10 left, generator 0.512``"""
        parts = [f"{self.done} of {self.total}" if self.total else f"{self.done}"] if self.done or self.total else []
        left = self.seconds_left()
        if left is not None:
            parts.append(f"{clock_text(left)} left")
        parts += [f"{name} {value:.4g}" for name, value in list(self.values.items())[:4]]
        return ", ".join(parts)


def clock_text(seconds: float) -> str:
    """
    >>> clock_text(3725)
    '1:02:05'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
