"""What both charts share. Colours and sizes of type are the page's: the browser looks them up in the style sheet.

In an ECharts option of NiceGUI a key that begins with ``:`` holds JavaScript; nothing from outside ever goes into one.
"""

from __future__ import annotations

from typing import Any

from nicegui import ui

_REM = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
INK, MUTED, LINE, SESSION, FRAME = "ink", "muted", "line", "session", "frame"


def colour(name: str) -> str:
    """JavaScript for a colour of ``style.css``."""
    return f"getComputedStyle(document.body).getPropertyValue('--{name}').trim()"


def rem(size: float) -> str:
    """JavaScript for a length in units of the page's type size."""
    return f"{size} * {_REM}"


def type_of(name: str = MUTED, size: float = 0.82) -> dict[str, Any]:
    """Size, colour and family of a text."""
    return {":fontSize": rem(size), ":color": colour(name), "fontFamily": "system-ui, sans-serif"}


def line_of(name: str, width: float = 1.0, **more: Any) -> dict[str, Any]:
    return {":color": colour(name), ":width": rem(width / 14), **more}


def named(text: str, gap: float) -> dict[str, Any]:
    """An axis's name with its unit, beside the middle of the axis."""
    return {"name": text, "nameLocation": "middle", ":nameGap": rem(gap), "nameTextStyle": type_of()}


def ticks(**more: Any) -> dict[str, Any]:
    return {"show": True, ":length": rem(0.35), "lineStyle": line_of(MUTED), **more}


def tick_labels(**more: Any) -> dict[str, Any]:
    return {"hideOverlap": True, ":margin": rem(0.6), **type_of(), **more}


def value_axis(**more: Any) -> dict[str, Any]:
    return {
        "type": "value",
        "axisLine": {"show": True, "onZero": False, "lineStyle": line_of(MUTED)},
        "axisTick": ticks(),
        "axisLabel": tick_labels(),
        "splitLine": {"show": False},
        **more,
    }


class Chart(ui.echart):
    """One chart for the life of the page; ``show`` changes its option and nothing else."""

    def __init__(self, option: dict[str, Any], label: str) -> None:
        super().__init__(option)
        self.classes("chart").props["role"] = "img"
        self.props["aria-label"] = label
        self._last: dict[str, Any] | None = option

    def show(self, option: dict[str, Any]) -> None:
        if option != self._last:
            self._last = option
            self.props["options"] = option

    def redraw(self) -> None:
        """In other colours, after light has become dark; in other sizes, after the window got another one."""
        if self._last is not None:
            self.props["options"] = dict(self._last)
            self.update()
