"""Mean diameter with its band, number and coverage against time, as an ECharts option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emgen.copilot.page.charting import (
    FRAME,
    INK,
    MUTED,
    SESSION,
    colour,
    line_of,
    rem,
    tick_labels,
    ticks,
    type_of,
    value_axis,
)

LABEL = "Mean diameter with its 95 % band, number of particles and coverage against time"
_FEW = 60
"""Points up to which each is drawn as a dot."""
_COLUMNS = ("at", "mean", "low", "width", "particles", "coverage")
Trend = Mapping[str, list[float | None]]
"""``emgen.copilot.trend.Trend.told``."""


def option(trend: Trend, unit: str, looked_at: float | None = None) -> dict[str, Any]:
    """``looked_at``: time of the frame that one looks back at (seconds since 1970); it is marked."""
    names = (f"Mean, {unit}", "Particles", "Coverage, %")
    return {
        "animation": False,
        "dataset": {"source": _source(trend)},
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "tooltip": _tooltip(),
        "grid": [_grid(row) for row in range(3)],
        "xAxis": [_times(row) for row in range(3)],
        "yAxis": [
            value_axis(gridIndex=row, scale=True, splitNumber=2, **_above(name)) for row, name in enumerate(names)
        ],
        "series": [
            _hidden("low", {}),
            _hidden("width", {":color": colour(SESSION), "opacity": 0.22}),
            *(
                _line(name, row, len(trend["at"]), looked_at)
                for row, name in enumerate(("mean", "particles", "coverage"))
            ),
        ],
    }


def _source(trend: Trend) -> dict[str, list[float | None]]:
    """Columns; times in ms, coverage in percent, the band as its lower end and its width."""
    width = [
        None if low is None or high is None else round(high - low, 4)
        for low, high in zip(trend["low"], trend["high"], strict=True)
    ]
    times: list[float | None] = [None if at is None else round(1000 * at) for at in trend["at"]]
    coverage = [None if share is None else round(100 * share, 3) for share in trend["coverage"]]
    given = {name: list(trend[name]) for name in ("mean", "low", "particles")}
    found = {"at": times, "width": width, "coverage": coverage, **given}
    return {name: found[name] for name in _COLUMNS}


def _above(name: str) -> dict[str, Any]:
    """A name over the chart, from the axis on: no line gets there, however low the chart is."""
    style = {**type_of(), "align": "left", "verticalAlign": "bottom"}
    return {"name": name, "nameLocation": "end", ":nameGap": rem(0.35), "nameTextStyle": style}


def _grid(row: int) -> dict[str, Any]:
    """Three of one height, over each other, each with room for its name.

    Of one width too: ECharts would make the one with the times narrower where the last time needs more room, and what
    happened at one time would no longer stand in one line. So they all have that room.
    """
    place = {"top": f"{9 + 30 * row}%", "height": "19%", "outerBoundsMode": "none"}
    return {":left": rem(3.6), ":right": rem(2.2), **place}


def _times(row: int) -> dict[str, Any]:
    return {
        "type": "time",
        "gridIndex": row,
        "axisLine": {"onZero": False, "lineStyle": line_of(MUTED)},
        "axisTick": ticks(show=row == 2),
        "axisLabel": tick_labels(show=row == 2),
        "splitLine": {"show": False},
        "axisPointer": {"label": {"show": False}},
    }


def _tooltip() -> dict[str, Any]:
    return {
        "trigger": "axis",
        "confine": True,
        "textStyle": type_of(INK),
        ":backgroundColor": colour("panel"),
        ":valueFormatter": "(value) => value == null ? '–' : Number(value.toPrecision(4)).toLocaleString('en')",
    }


def _hidden(name: str, area: dict[str, Any]) -> dict[str, Any]:
    """Of the band: a line that is not seen, and the area on top of the one before."""
    drawn = {"areaStyle": area} if area else {}
    return {
        "name": name,
        "type": "line",
        "stack": "band",
        "stackStrategy": "all",
        "encode": {"x": "at", "y": name, "tooltip": []},
        "symbol": "none",
        "silent": True,
        "lineStyle": {"opacity": 0},
        "tooltip": {"show": False},
        **drawn,
    }


def _line(name: str, row: int, points: int, looked_at: float | None) -> dict[str, Any]:
    marked = [{"xAxis": round(1000 * looked_at)}] if looked_at is not None else []
    return {
        "name": {"mean": "Mean diameter", "particles": "Particles", "coverage": "Coverage, %"}[name],
        "type": "line",
        "xAxisIndex": row,
        "yAxisIndex": row,
        "encode": {"x": "at", "y": name, "tooltip": [name]},
        "showSymbol": points <= _FEW,
        ":symbolSize": rem(0.35),
        "lineStyle": line_of(SESSION, 1.5),
        "itemStyle": {":color": colour(SESSION)},
        "markLine": {
            "silent": True,
            "symbol": "none",
            "label": {"show": False},
            "lineStyle": line_of(FRAME, 1.5, type="solid"),
            "data": marked,
        },
    }
