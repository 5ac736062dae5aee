"""The two plots of the video: the size distribution as it grows, the mean diameter against time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.copilot.exports.canvas import Canvas, area, line, paler, rgb, steps, write
from emgen.copilot.sizes import Estimate, Histogram
from emgen.figures import BLUE, GREY, ORANGE
from emgen.writing.overlay import round_length

INK, SOFT, FAINT = rgb("#1d2126"), rgb("#5f6873"), rgb("#e3e6ea")
_SMALL = 14
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axes:
    """A rectangle of the canvas (px) and the range of numbers that it shows; ``logarithmic``: of x."""

    left: int
    top: int
    right: int
    bottom: int
    x: tuple[float, float]
    y: tuple[float, float]
    logarithmic: bool = False

    def places(self, x_N: Sequence[float] | Array, y_N: Sequence[float] | Array) -> Array:
        """(N, 2) px of points."""
        x, (low, high) = np.asarray(x_N, float), self.x
        if self.logarithmic:
            x, low, high = np.log(x), math.log(low), math.log(high)
        share_x = (x - low) / (high - low)
        share_y = (np.asarray(y_N, float) - self.y[0]) / (self.y[1] - self.y[0])
        return np.stack(
            [self.left + share_x * (self.right - self.left), self.bottom - share_y * (self.bottom - self.top)], axis=1
        )

    def draw(self, canvas: Canvas, x_label: str, y_label: str) -> None:
        """Ground, ticks and labels."""
        for value in ticks(*self.x, logarithmic=self.logarithmic):
            x = float(self.places([value], [self.y[0]])[0, 0])
            line(canvas, np.array([(x, self.bottom), (x, self.bottom + 5)]), SOFT)
            write(canvas, f"{value:g}", x, self.bottom + 8, _SMALL, SOFT, align=0.5)
        for value in ticks(*self.y, wanted=4):
            y = float(self.places([self.x[0]], [value])[0, 1])
            line(canvas, np.array([(self.left, y), (self.right, y)]), FAINT)
            write(canvas, f"{value:g}", self.left - 8, y - 10, _SMALL, SOFT, align=1)
        line(canvas, np.array([(self.left, self.bottom), (self.right, self.bottom)]), SOFT)
        write(canvas, x_label, (self.left + self.right) / 2, self.bottom + 28, _SMALL, INK, align=0.5)
        write(canvas, y_label, self.left, self.top - 26, _SMALL, INK)


def ticks(low: float, high: float, *, wanted: int = 5, logarithmic: bool = False) -> list[float]:
    """Round numbers between the two.

    >>> ticks(0, 100), ticks(3, 40, logarithmic=True)
    ([0.0, 20.0, 40.0, 60.0, 80.0, 100.0], [5.0, 10.0, 20.0])
    """
    if logarithmic:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        return [value for value in found if low <= value <= high]
    step = round_length((high - low) / wanted * 1.5)
    return [round(k * step, 12) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def draw_sizes(canvas: Canvas, axes: Axes, shown: Histogram, particles: int, mean: Estimate) -> None:
    """Particles per bin with the band of their shares, and the mean with its interval."""
    count_B, low_B, high_B = (np.array(part) * particles for part in (shown.share_B, shown.low_B, shown.high_B))
    ground = axes.y[0]
    corners = axes.places(*steps(shown.edge, count_B.tolist()).T)
    foot = axes.places([shown.edge[-1], shown.edge[0]], [ground, ground])
    area(canvas, np.vstack([corners, foot]), paler(rgb(BLUE), 0.55))
    line(canvas, corners, rgb(BLUE), 2)
    middle = np.sqrt(np.array(shown.edge[1:]) * np.array(shown.edge[:-1]))
    for x, low, high in zip(middle, low_B, np.minimum(high_B, axes.y[1]), strict=True):
        if high > low:
            line(canvas, axes.places([x, x], [low, high]), rgb(GREY))
    if mean.value is not None:
        line(canvas, axes.places([mean.value] * 2, axes.y), rgb(ORANGE), 2)


def draw_means(canvas: Canvas, axes: Axes, at_N: Array, mean_N: Array, low_N: Array, high_N: Array) -> None:
    """A point a frame with its interval; frames without a whole particle leave a gap in the line."""
    inside = (at_N >= axes.x[0]) & (at_N <= axes.x[1])
    at, mean, low, high = (values[inside] for values in (at_N, mean_N, low_N, high_N))
    known = ~np.isnan(mean)
    for run in np.split(np.arange(len(at)), np.flatnonzero(np.diff(known.astype(int))) + 1):
        if len(run) and known[run[0]]:
            _draw_run(canvas, axes, at[run], mean[run], low[run], high[run])


def _draw_run(canvas: Canvas, axes: Axes, at_N: Array, mean_N: Array, low_N: Array, high_N: Array) -> None:
    low, high = (np.clip(np.where(np.isnan(band), mean_N, band), *axes.y) for band in (low_N, high_N))
    over, under = axes.places(at_N, high), axes.places(at_N, low)
    area(canvas, np.vstack([over, under[::-1]]), paler(rgb(BLUE), 0.7))
    points = axes.places(at_N, mean_N)
    line(canvas, points, rgb(BLUE), 2)
    if len(points) <= 60:
        for x, y in points:
            dot = np.array([(x + 3 * math.cos(a), y + 3 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 9)])
            area(canvas, dot, rgb(BLUE))
