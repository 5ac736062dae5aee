"""What is shown against time, at flat memory: where a line has too many points, two neighbours become their mean."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import numpy as np

NAMES = ("at", "mean", "low", "high", "particles", "coverage", "domain")
MOST = 1000
_RECENT = 1000


class Trend:
    """Points (``NAMES``) in the order of time, at most ``MOST``. ``at``: seconds since 1970.

    Frames that were skipped are answered late, and then stand where they belong.
    """

    def __init__(self) -> None:
        self._points: list[list[float]] = []
        self._open: list[list[float]] = []
        self.merged = 1
        """Frames in one point."""

    def add(self, **values: float | None) -> None:
        self._open.append([float("nan") if values.get(name) is None else float(values[name] or 0) for name in NAMES])
        if len(self._open) >= self.merged:
            self._points.append(_mean(self._open))
            self._open = []
        if len(self._points) >= MOST:
            self._points.sort(key=itemgetter(0))
            self._points = [_mean(self._points[i : i + 2]) for i in range(0, len(self._points), 2)]
            self.merged *= 2

    def told(self) -> dict[str, list[float | None]]:
        """A list per name; ``None`` where a frame has no such value."""
        rows = sorted([*self._points, *([_mean(self._open)] if self._open else [])], key=itemgetter(0))
        columns = zip(*rows, strict=True) if rows else [[] for _ in NAMES]
        return {
            name: [None if value != value else round(value, 6) for value in column]
            for name, column in zip(NAMES, columns, strict=True)
        }


def _mean(rows: list[list[float]]) -> list[float]:
    values = np.array(rows)
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(0)
    return [float(t / n) if n else float("nan") for t, n in zip(total, known.sum(0), strict=True)]


class Latency:
    """Seconds by stage over the last thousand frames of this start."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}

    def add(self, seconds: Mapping[str, float]) -> None:
        for stage, value in seconds.items():
            self._seconds.setdefault(stage, deque(maxlen=_RECENT)).append(value)

    def told(self) -> dict[str, dict[str, Any]]:
        """By stage ``p50``, ``p95``, ``p99``, seconds, and of how many frames."""
        told = {}
        for stage, values in list(self._seconds.items()):  # others add to it meanwhile
            p50, p95, p99 = (round(float(value), 4) for value in np.quantile(values, (0.5, 0.95, 0.99)))
            told[stage] = {"p50": p50, "p95": p95, "p99": p99, "frames": len(values)}
        return told
