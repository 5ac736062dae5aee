"""Charts as inline SVG, legible on a light and on a dark page: axes and text take the page's own colour."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.figures import PLAIN

COLOURS = ("#2f7fc1", "#d9730d", "#2e9d63", "#b5489a", "#8c6d1f", "#6b6bd6")
_PAGE = "#123456"
"""Stands for the page's text colour; the SVG gets ``currentColor`` in its place."""
_STYLE: Any = PLAIN | {
    "font.size": 9,
    "text.color": _PAGE,
    "axes.labelcolor": _PAGE,
    "axes.edgecolor": _PAGE,
    "axes.titlesize": 10,
    "xtick.color": _PAGE,
    "ytick.color": _PAGE,
}
_POINTS = 400
"""A curve on the page is as wide as so many pixels; more points would only make the file larger."""


def loss_chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """Curves over ``step`` of every value that was logged; logarithmic where all are positive and span decades."""
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name != "step"]
    with drawing(6.4, 2.6) as (figure, axes):
        smallest, largest = np.inf, 0.0
        for name, colour in zip(names, _endless(COLOURS), strict=False):
            points = np.array([(row["step"], row[name]) for row in rows if _finite(row.get(name))], float)
            if not len(points):
                continue
            steps, values = points.T
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            marker = "o" if len(values) < 3 else ""  # a line of one point cannot be seen
            axes.plot(steps, _smoothed(values), color=colour, linewidth=1.5, marker=marker, label=name)
            smallest, largest = min(smallest, values.min()), max(largest, values.max())
        if 0 < smallest < largest / 30:
            axes.set_yscale("log")
        axes.set(xlabel="step", ylabel="loss")
        axes.legend(ncols=min(4, max(1, len(names))), loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return as_svg(figure)


def size_chart(sizes: Mapping[str, NDArray[Any]], unit: str) -> str:
    """Distributions of equivalent diameters on common bins, each of area 1."""
    known = {name: values for name, values in sizes.items() if len(values)}
    top = max(float(np.percentile(values, 99.5)) for values in known.values())
    bins = np.linspace(0, top, 36).tolist()
    with drawing(6.4, 2.8) as (figure, axes):
        for (name, values), colour in zip(known.items(), _endless(COLOURS), strict=False):
            shared = {"bins": bins, "density": True, "color": colour}
            axes.hist(values, histtype="stepfilled", alpha=0.15, **shared)
            axes.hist(values, histtype="step", linewidth=1.6, label=f"{name} ({len(values)})", **shared)
        axes.set(xlabel=f"equivalent diameter, {unit}", ylabel="density", xlim=(0, top))
        axes.legend(loc="upper right")
        return as_svg(figure)


def _smoothed(values: NDArray[Any]) -> NDArray[Any]:
    """Running mean over a twentieth of the curve, narrower at its ends."""
    half = len(values) // 40
    if half == 0:
        return values
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    smooth: NDArray[Any] = (total[high] - total[low]) / (high - low)
    return smooth


def thinned(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most about ``_POINTS`` rows, evenly spread, with the last."""
    step = max(1, len(rows) // _POINTS)
    return [*rows[::step], *(rows[-1:] if (len(rows) - 1) % step else [])]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _endless(colours: Sequence[str]) -> Iterator[str]:
    while True:
        yield from colours


@contextmanager
def drawing(width: float, height: float) -> Iterator[tuple[Any, Any]]:
    """A figure of its own, never pyplot's: the caller's plots and backend stay as they are."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        axes.grid(alpha=0.2, color=_PAGE)
        yield figure, axes


def as_svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(_PAGE, "currentColor")
    prefix = "c" + hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    # Ids of several charts on one page must differ, else one chart is clipped by another's frame.
    text = re.sub(r'(id="|url\(#|href="#)', rf"\1{prefix}", text)
    return re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg class="chart" viewBox="\1" role="img">', text, count=1)
