"""The figure of a series, one column (89 mm) wide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen import figures
from emgen.figures import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    import pandas

FORMATS = ("png", "svg")
_LONG = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


def draw_series(series: pandas.DataFrame, folder: Path, stem: str = "series") -> list[Path]:
    """``<stem>.png`` and ``.svg`` of a table from ``series_table``: number, mean diameter, coalescence over time."""
    time, label = _time(series)
    with figures.figure(89, 120, stem) as figure:
        panels = figure.subplots(3, 1, sharex=True, height_ratios=[1, 1, 0.9])
        for axes, draw in zip(panels, (_number, _diameter, _coalescence), strict=True):
            draw(axes, time, series)
            axes.margins(x=0.01)
        figures.panel_letters(panels)
        panels[-1].set_xlabel(label)
        return [figures.save(figure, folder / f"{stem}.{suffix}") for suffix in FORMATS]


def _time(series: pandas.DataFrame) -> tuple[Any, str]:
    """In the largest unit in which the series is longer than three."""
    if "time_s" not in series:
        return series["frame"].to_numpy(float), "frame"
    seconds = series["time_s"].to_numpy(float)
    unit, length = [(name, size) for name, size in _LONG if size == 1 or seconds[-1] > 3 * size][-1]
    return seconds / length, f"time ({unit})"


def _number(axes: Any, time: Any, series: pandas.DataFrame) -> None:
    """What is in view all the time is what kinetics are read from; then the other has no band, to keep them apart."""
    common = "particles_in_common_field"
    counted = series[common].notna().any()
    low, high = ("particles", "particles") if counted else ("particles_low", "particles_high")
    _curve(axes, time, series, ("particles", low, high), GREY, "in the field")
    if counted:
        _curve(axes, time, series, (common, f"{common}_low", f"{common}_high"), BLUE, "in view all the time")
    axes.set_ylabel("number of particles")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    axes.legend(loc="upper right", ncols=2)
    axes.yaxis.get_major_locator().set_params(integer=True)


def _diameter(axes: Any, time: Any, series: pandas.DataFrame) -> None:
    unit = "nm" if "mean_diameter_nm" in series else "px"
    names = tuple(f"mean_diameter{part}_{unit}" for part in ("", "_low", "_high"))
    _curve(axes, time, series, names, BLUE, "mean, 95 % interval")
    axes.set_ylabel(f"mean diameter ({unit})")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.18 * (high - low))  # room for the legend
    axes.legend(loc="upper left")


def _coalescence(axes: Any, time: Any, series: pandas.DataFrame) -> None:
    count = series["coalescences"].to_numpy(int)
    total = np.cumsum(count)
    axes.step(time, total, where="post", color=ORANGE, linewidth=1.3)
    happened = count > 0
    axes.plot(time[happened], total[happened], "o", color=ORANGE, markersize=2.5)
    axes.set_ylabel("coalescence events\n(cumulative)")
    axes.set_ylim(0, max(total[-1], 1) * 1.15)
    axes.yaxis.get_major_locator().set_params(integer=True)


def _curve(axes: Any, time: Any, series: pandas.DataFrame, names: tuple[str, ...], colour: str, label: str) -> None:
    value, low, high = (series[name].to_numpy(float) for name in names)
    axes.fill_between(time, low, high, color=colour, alpha=0.2, linewidth=0)
    marker = "o" if len(time) <= 30 else ""
    axes.plot(time, value, color=colour, linewidth=1.2, marker=marker, markersize=2.5, label=label)
