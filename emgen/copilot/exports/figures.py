"""The report's charts, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.copilot.exports.scene import mean_range, time_unit
from emgen.figures import BLUE, GREY, ORANGE
from emgen.report.charts import as_svg, drawing

Told = Mapping[str, Any]


def sizes_chart(told: Told) -> str:
    """Of ``Sizes.told``: share of particles per bin with its band, mean and median with their intervals."""
    shown, unit = told["histogram"], told["unit"]
    edge, share, low, high = (100 * np.array(shown[name]) for name in ("edge", "share_B", "low_B", "high_B"))
    edge = edge / 100
    with drawing(6.4, 3.0) as (figure, axes):
        axes.stairs(share, edge, fill=True, color=BLUE, alpha=0.25)
        axes.stairs(share, edge, color=BLUE, linewidth=1.4, label=f"share of {told['particles']:,} particles")
        middle = np.sqrt(edge[1:] * edge[:-1])
        axes.errorbar(
            middle, share, [np.maximum(share - low, 0), np.maximum(high - share, 0)],
            fmt="none", ecolor=GREY, elinewidth=1, label="95 % interval",
        )  # fmt: skip
        for name, colour, style in (("mean", ORANGE, "-"), ("median", ORANGE, ":")):
            _estimate(axes, told[name], name, colour, style)
        axes.set_xscale("log")
        axes.set(xlabel=f"equivalent diameter, {unit}", ylabel="particles, %", xlim=(edge[0], edge[-1]))
        axes.set_ylim(0)
        _plain_ticks(axes)
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.22), ncols=4)
        return as_svg(figure)


def _estimate(axes: Any, estimate: Told, name: str, colour: str, style: str) -> None:
    if estimate["value"] is None:
        return
    axes.axvline(estimate["value"], color=colour, linestyle=style, linewidth=1.4, label=name)
    if estimate["low"] is not None:
        axes.axvspan(estimate["low"], estimate["high"], color=colour, alpha=0.15, linewidth=0)


def _plain_ticks(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def lines(sized: Told, told: Told, unit: str, alarms: Sequence[float], swaps: Sequence[float]) -> list[tuple[str, str]]:
    """(title, chart) of what ``Trend.told`` holds, against time.

    ``sized``: of frames with a size in ``unit``. ``alarms``, ``swaps``: unix time of the first frame of each.
    """
    parts = (
        ("Mean diameter of each frame", f"mean diameter, {unit}", "mean", 1.0),
        ("Particles in each frame", "particles", "particles", 1.0),
        ("Coverage", "area covered, %", "coverage", 100.0),
        ("Distance from what the model was trained on", "distance", "domain", 1.0),
    )
    marks = [(alarms, ORANGE, "-", "alarm"), (swaps, GREY, ":", "another model")]
    return [
        (title, _line(sized if name == "mean" else told, name, label, factor, marks))
        for title, label, name, factor in parts
        if any(value is not None for value in told[name])
    ]


def _line(told: Told, name: str, label: str, factor: float, marks: Sequence[tuple[Any, str, str, str]]) -> str:
    at = np.array(told["at"], float)
    length, time = time_unit(at[-1] - at[0])
    hours = (at - at[0]) / length
    with drawing(6.4, 2.4) as (figure, axes):
        value = factor * _numbers(told[name])
        if name == "mean":
            low, high = _numbers(told["low"]), _numbers(told["high"])
            axes.fill_between(hours, low, high, color=BLUE, alpha=0.2, linewidth=0, label="95 % interval")
            axes.set_ylim(*mean_range(value, low, high))
        axes.plot(hours, value, color=BLUE, linewidth=1.2, marker="o" if len(at) <= 60 else "", markersize=3)
        for times, colour, style, words in marks:
            for count, when in enumerate(times):
                once = words if count == 0 else None
                axes.axvline((when - at[0]) / length, color=colour, linestyle=style, linewidth=1, label=once)
        axes.set(xlabel=f"time, {time}", ylabel=label)
        if name != "mean":
            axes.set_ylim(0)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
        return as_svg(figure)


def _numbers(values: Sequence[float | None]) -> NDArray[Any]:
    return np.array([np.nan if value is None else value for value in values], float)
