"""Charts of studies, in the manner of ``emgen.report.charts``: each point, its mean, its spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.report.charts import COLOURS as REPORT_COLOURS
from emgen.report.charts import as_svg, drawing
from emgen.study.recall import Bin
from emgen.study.trial import Point

Curves = Sequence[Sequence[Point]]
COLOURS = (*REPORT_COLOURS, "#c0392b", "#3aa6a6", "#7f7f7f", "#a0522d")


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, the same in every chart of a page."""
    return {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}


def curves_chart(
    series: Mapping[str, Curves], ylabel: str, colour: Mapping[str, str], *, xlabel: str = "step", log: bool = False
) -> str:
    """Mean over the seeds of each arm's curves, and the range of the seeds as a band."""
    with drawing(6.4, 3.2) as (figure, axes):
        for name, curves in series.items():
            steps, low, mean, high = _band(curves)
            axes.plot(steps, mean, color=colour[name], linewidth=1.7, label=name)
            axes.fill_between(steps, low, high, color=colour[name], alpha=0.15, linewidth=0)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        if log:
            axes.set_yscale("log")
        axes.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return as_svg(figure)


def dots_chart(groups: Mapping[str, Sequence[float]], xlabel: str, colour: Mapping[str, str]) -> str:
    """A row an arm: a dot a seed, a bar at their mean."""
    finite = {name: [value for value in values if np.isfinite(value)] for name, values in groups.items()}
    shown = {name: values for name, values in finite.items() if values}
    with drawing(6.4, 0.6 + 0.36 * len(shown)) as (figure, axes):
        for row, (name, values) in enumerate(shown.items()):
            axes.plot(values, [row] * len(values), "o", color=colour[name], alpha=0.6, markersize=5)
            axes.plot([np.mean(values)], [row], "|", color=colour[name], markersize=18, markeredgewidth=2.5)
        axes.set(
            xlabel=xlabel, yticks=range(len(shown)), yticklabels=list(shown), ylim=(max(len(shown), 1) - 0.5, -0.5)
        )
        return as_svg(figure)


def forest_chart(effects: Sequence[tuple[str, float, float, float]], xlabel: str) -> str:
    """(name, mean, low, high) of each difference, and where no difference is."""
    with drawing(6.4, 0.6 + 0.36 * len(effects)) as (figure, axes):
        axes.axvline(0, color="#888888", linewidth=1)
        for row, (_, mean, low, high) in enumerate(effects):
            if np.isfinite(low) and np.isfinite(high):
                axes.plot([low, high], [row, row], color=COLOURS[0], linewidth=2.2, solid_capstyle="butt")
            axes.plot([mean], [row], "o", color=COLOURS[0], markersize=6)
        names = [name for name, *_ in effects]
        axes.set(xlabel=xlabel, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        return as_svg(figure)


def lines_chart(
    series: Mapping[str, Sequence[tuple[float, Sequence[float]]]],
    xlabel: str,
    ylabel: str,
    colour: Mapping[str, str],
    *,
    logx: bool = False,
    level: tuple[str, float] | None = None,
) -> str:
    """(x, values of the seeds): their mean and range. ``level``: a horizontal line with its name."""
    with drawing(6.4, 3.0) as (figure, axes):
        for name, points in series.items():
            known = [(x, [v for v in values if np.isfinite(v)]) for x, values in points]
            kept = [(x, np.array(values, float)) for x, values in known if values]
            if not kept:
                continue
            x, mean = [x for x, _ in kept], [values.mean() for _, values in kept]
            reach = [
                [values.mean() - values.min() for _, values in kept],
                [values.max() - values.mean() for _, values in kept],
            ]
            axes.errorbar(x, mean, yerr=reach, color=colour[name], marker="o", markersize=4, capsize=3, label=name)
        if level:
            axes.axhline(level[1], color="#888888", linestyle="--", linewidth=1, label=level[0])
        axes.set(xlabel=xlabel, ylabel=ylabel)
        if logx:
            axes.set_xscale("log")
        axes.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return as_svg(figure)


def scatter_chart(
    groups: Mapping[str, Sequence[Point]],
    xlabel: str,
    ylabel: str,
    colour: Mapping[str, str],
    *,
    diagonal: bool = False,
) -> str:
    """A dot a trial; ``diagonal``: where both are equal."""
    with drawing(6.4, 3.6) as (figure, axes):
        for name, points in groups.items():
            x, y = np.array(points, float).reshape(-1, 2).T
            axes.plot(x, y, "o", color=colour[name], markersize=6, alpha=0.75, label=name)
        if diagonal:
            low, high = axes.get_xlim()
            axes.plot([low, high], [low, high], color="#888888", linestyle="--", linewidth=1)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return as_svg(figure)


def _band(curves: Curves) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Steps where any curve has a point, and least, mean and greatest value there; straight lines between points."""
    steps = np.unique([step for curve in curves for step, _ in curve])
    start = max(min(step for step, _ in curve) for curve in curves)
    end = min(max(step for step, _ in curve) for curve in curves)
    kept = steps[(steps >= start) & (steps <= end)]
    values = np.array([np.interp(kept, *np.array(curve, float).T) for curve in curves])
    return kept, values.min(0), values.mean(0), values.max(0)


def bins_chart(series: Mapping[str, Sequence[Bin]], xlabel: str, colour: Mapping[str, str]) -> str:
    """Recall in bins with its interval; arms stand a little beside each other."""
    with drawing(6.4, 3.2) as (figure, axes):
        for place, (name, bins) in enumerate(series.items()):
            kept = [own for own in bins if own.n]
            x = np.array([own.middle for own in kept]) * (1 + 0.012 * (place - (len(series) - 1) / 2))
            y = np.array([own.recall for own in kept])
            ends = np.array(
                [[own.recall - own.recall_low for own in kept], [own.recall_high - own.recall for own in kept]]
            )
            shared = {"color": colour[name], "marker": "o", "markersize": 4, "capsize": 2, "linewidth": 1.3}
            axes.errorbar(x, y, yerr=np.maximum(ends, 0), label=name, **shared)
        axes.set(xlabel=xlabel, ylabel="recall", ylim=(0, 1.02))
        axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return as_svg(figure)
