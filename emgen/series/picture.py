"""The tracks drawn on the last frame: where each particle came from, and where particles coalesced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen import figures

if TYPE_CHECKING:
    from emgen.series.following import Linked
    from emgen.series.read import ReadFrame

WIDTH_MM, TALLEST_MM = 140, 180
CLIPPED = (0.3, 99.7)
COLOURS = "cool"
OUTLINE, RING = "#ffb000", "white"


def draw_tracks(
    last: ReadFrame, linked: Linked, folder: Path, pixel_size_nm: float | None, frame_time_s: float | None
) -> Path:
    """``tracks.png``: the last frame, outlines of its particles, drift-corrected paths coloured by time, and a ring
    where particles coalesced. Of a stage that drifted, what lies outside of the last frame is not shown."""
    height, width = last.label_HW.shape
    tall = min(WIDTH_MM * height / width, TALLEST_MM)
    with figures.figure(tall * width / height + 18, tall + 4, "tracks") as figure:
        axes = figure.subplots()
        _ground(axes, last)
        lines = _paths(axes, linked, frame_time_s)
        _marks(axes, linked)
        _scale_bar(axes, last.label_HW.shape, pixel_size_nm)
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        label = "frame" if frame_time_s is None else "time (s)"
        bar = figure.colorbar(lines, ax=axes, shrink=0.6, pad=0.01, label=label)
        bar.outline.set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            frame = {"frameon": True, "facecolor": "black", "framealpha": 0.65, "edgecolor": "none", "fancybox": False}
            axes.legend(loc="upper right", labelcolor="white", **frame)
        return figures.save(figure, folder / "tracks.png")


def _ground(axes: Any, last: ReadFrame) -> None:
    """The micrograph, or grey particles on black; their outlines."""
    from matplotlib.collections import PolyCollection

    from emgen.writing.outlines import outlines

    grey = {"cmap": "gray", "interpolation": "nearest"}
    if last.image_HW is None:
        axes.imshow(last.label_HW > 0, vmin=0, vmax=2.5, **grey)
    else:
        low, high = np.percentile(last.image_HW, CLIPPED)
        axes.imshow(last.image_HW, vmin=low, vmax=max(high, low + 1e-9), **grey)
    loops = [loop[:, ::-1] - 0.5 for _, found in outlines(last.label_HW) for loop in found]
    axes.add_collection(PolyCollection(loops, facecolors="none", edgecolors=OUTLINE, linewidths=0.5, alpha=0.8))


def _paths(axes: Any, linked: Linked, frame_time_s: float | None) -> Any:
    """Of whole particles: the middle of one that the edge cuts moves as the edge does."""
    from matplotlib.collections import LineCollection

    table = linked.table[~linked.table["border"].astype(bool)].sort_values(["track", "frame"], kind="stable")
    values = table[["track", "frame", "x", "y"]].to_numpy(float)
    places = values[:, 2:] + linked.field.shift_N2[-1, ::-1]
    same = values[1:, 0] == values[:-1, 0]
    segments = list(np.stack([places[:-1], places[1:]], axis=1)[same])
    time = frame_time_s or 1.0
    lines = LineCollection(segments, array=time * values[1:, 1][same], cmap=COLOURS, linewidths=0.9)
    lines.set_clim(0, time * linked.field.last)
    lines.set_path_effects(_halo(1.9))
    return axes.add_collection(lines)


def _marks(axes: Any, linked: Linked) -> None:
    """A ring around what the particles became."""
    shift, label = linked.field.shift_N2[-1], "coalescence"
    angle = np.linspace(0, 2 * np.pi, 90)
    for event in linked.events:
        if event.kind == "coalescence":
            radius = 1.5 * np.sqrt(event.area_after_px / np.pi)
            x, y = event.x + shift[1] + radius * np.cos(angle), event.y + shift[0] + radius * np.sin(angle)
            axes.plot(x, y, color=RING, linewidth=0.9, label=label, path_effects=_halo(1.9))
            label = "_"


def _halo(width: float) -> list[Any]:
    """Dark, so that a line is seen on particles and beside them."""
    from matplotlib.patheffects import Normal, Stroke

    return [Stroke(linewidth=width, foreground="black", alpha=0.7), Normal()]


def _scale_bar(axes: Any, shape_HW: tuple[int, ...], pixel_size_nm: float | None) -> None:
    """White on a dark plate in the lower left corner."""
    from emgen.writing.overlay import BAR_SHARE, length_text, round_length

    size, unit = (1.0, "px") if pixel_size_nm is None else (pixel_size_nm, "nm")
    length = round_length(BAR_SHARE * shape_HW[1] * size)
    long, pad, tall = length / size, 0.015 * shape_HW[1], 0.05 * shape_HW[1]
    left, bottom = 2 * pad, shape_HW[0] - 2 * pad
    plate = {"facecolor": "black", "alpha": 0.65, "linewidth": 0, "zorder": 5}
    axes.fill_between([left - pad, left + long + pad], bottom - tall - pad, bottom + pad, **plate)
    axes.plot([left, left + long], [bottom] * 2, color="white", linewidth=2, solid_capstyle="butt", zorder=6)
    text = {"color": "white", "ha": "center", "va": "bottom", "zorder": 6}
    axes.text(left + long / 2, bottom - 0.3 * pad, length_text(length, unit), **text)
