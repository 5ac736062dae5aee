"""The size distributions of this frame and of the session, with their 95 % bands, as an ECharts option."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from emgen.copilot.page.charting import FRAME, SESSION, colour, named, rem, tick_labels, ticks, value_axis

LABEL = "Size distributions of this frame and of the session, each with its 95 % band"
_TICKS_A_DECADE = (1, 2, 3, 5)
_BIN = """(params, api) => {
  const at = (x, y) => api.coord([api.value(x), api.value(y)]);
  const [left, top] = at(0, 3), [right, bottom] = at(1, 2), before = at(0, 5), level = at(0, 4);
  const shape = {x: left, y: top, width: right - left, height: bottom - top};
  const line = {points: [before, level, [right, level[1]]]};
  return {type: 'group', children: [
    {type: 'rect', shape, style: {fill: COLOUR, opacity: 0.22}},
    {type: 'polyline', shape: line, z2: 9, style: {stroke: COLOUR, lineWidth: WIDTH, fill: 'none', lineCap: 'square'}},
  ]};
}"""
"""Of a bin its band, and its share with the step that leads to it: ECharts' own step lines round off small steps."""

Told = Mapping[str, Any] | None
"""``emgen.copilot.sizes.Sizes.told``."""


def option(frame: Told, session: Told) -> dict[str, Any]:
    """Shares of particles, percent, over the equivalent diameter; the axis is logarithmic.

    Both are drawn where they have one unit. A frame without a pixel size in a session in nm is drawn alone.
    """
    frame, session = _filled(frame), _filled(session)
    if frame and session and frame["unit"] != session["unit"]:
        session = None
    unit = (frame or session or {"unit": "nm"})["unit"]
    low, high = _ends([told["histogram"]["edge"] for told in (frame, session) if told])
    return {
        "animation": False,
        "grid": {":left": rem(3.6), ":right": rem(1.2), ":top": rem(0.7), ":bottom": rem(2.9)},
        "xAxis": value_axis(
            **named(f"Equivalent diameter, {unit}", 1.7),
            min=low,
            max=high,
            axisTick=ticks(customValues=_decades(low, high)),
            axisLabel=tick_labels(
                customValues=_decades(low, high),
                **{":formatter": "(value) => String(Number((10 ** value).toPrecision(2)))"},
            ),
        ),
        "yAxis": value_axis(**named("Particles, %", 2.4), min=0, splitNumber=4),
        "series": [_series("Session", session, SESSION, 2.0), _series("This frame", frame, FRAME, 1.6)],
    }


def _filled(told: Told) -> Told:
    return told if told and told["histogram"] else None


def _ends(edges: Sequence[Sequence[float]]) -> tuple[float, float]:
    """log10 of the axis's ends."""
    if not edges:
        return 0.0, 2.0
    return math.log10(min(edge[0] for edge in edges)), math.log10(max(edge[-1] for edge in edges))


def _decades(low: float, high: float) -> list[float]:
    """log10 of 1, 2, 3 and 5 times powers of ten; of the powers alone where the axis is long."""
    steps = _TICKS_A_DECADE if high - low < 2.5 else (1,)
    decades = range(math.floor(low), math.ceil(high) + 1)
    found = [decade + math.log10(step) for decade in decades for step in steps]
    return [round(tick, 6) for tick in found if low <= tick <= high]


def _series(name: str, told: Told, named_colour: str, width: float) -> dict[str, Any]:
    """Of a bin: its edges, band, share, and the share before it."""
    histogram = told["histogram"] if told else {"edge": [], "share_B": [], "low_B": [], "high_B": []}
    edge = [round(math.log10(value), 5) for value in histogram["edge"]]
    share, low, high = ([round(100 * value, 3) for value in histogram[part]] for part in ("share_B", "low_B", "high_B"))
    bins = zip(edge[:-1], edge[1:], low, high, share, [0.0, *share][: len(share)], strict=True)
    drawn = _BIN.replace("COLOUR", colour(named_colour)).replace("WIDTH", rem(width / 14))
    return {
        "name": name,
        "type": "custom",
        "data": [list(bin_) for bin_ in bins],
        "clip": True,
        "silent": True,
        "encode": {"x": [0, 1], "y": [2, 3, 4]},
        ":renderItem": drawn,
    }
