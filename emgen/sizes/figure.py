"""The figure of a size distribution, two columns (180 mm) wide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emgen import figures
from emgen.figures import BLUE, GREY, ORANGE
from emgen.sizes.distribution import SizeDistribution, Variant

FORMATS = ("png", "svg", "pdf")
_TITLES = {
    "measured": "as measured",
    "border": "border corrected",
    "detection": "recall and size bias corrected",
    "corrected": "fully corrected",
}


def draw(sizes: SizeDistribution, folder: Path, stem: str = "size_distribution") -> list[Path]:
    """``<stem>.png``, ``.svg`` and ``.pdf``: by number with the best law, and cumulative with its 95 % band.

    Nothing is drawn of fewer than two particles.
    """
    if sizes.particles < 2:
        return []
    with figures.figure(180, 68, stem) as figure:
        panels = figure.subplots(1, 2)
        for axes, draw_panel in zip(panels, (_by_number, _cumulative), strict=True):
            draw_panel(axes, sizes)
            axes.set_xlabel(f"equivalent diameter ({sizes.unit})")
        figures.panel_letters(panels)
        return [figures.save(figure, folder / f"{stem}.{suffix}") for suffix in FORMATS]


def _by_number(axes: Any, sizes: SizeDistribution) -> None:
    best, measured = sizes.best, sizes.variants["measured"]
    edges = _edges(best)
    axes.hist(best.diameter_K, edges, weights=best.weight_K, density=True, color=BLUE, alpha=0.3, edgecolor="white")
    axes.hist(
        measured.diameter_K,
        edges,
        density=True,
        histtype="step",
        color=GREY,
        linewidth=1,
        label=f"{_TITLES['measured']} (n = {sizes.particles})",
    )
    axes.hist([], color=BLUE, alpha=0.3, label=_TITLES[best.name])
    if best.fits:
        law, grid = best.fits[0], np.linspace(edges[0], edges[-1], 300)
        axes.plot(grid, law.pdf(grid), color=ORANGE, linewidth=1.2, label=law.name)
    axes.set_ylabel(f"number density (1/{sizes.unit})")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.8)  # room for the legend and the text over the bars
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, loc="upper right")
    axes.text(0.98, 0.68, _numbers(best, sizes.unit), transform=axes.transAxes, ha="right", va="top", fontsize=6.5)


def _cumulative(axes: Any, sizes: SizeDistribution) -> None:
    best, measured = sizes.best, sizes.variants["measured"]
    axes.plot(measured.grid_G, 100 * measured.cumulative_G, color=GREY, linewidth=1, label=_TITLES["measured"])
    axes.plot(best.grid_G, 100 * best.cumulative_G, color=BLUE, linewidth=1.4, label=_TITLES[best.name])
    axes.fill_between(
        best.grid_G, 100 * best.low_G, 100 * best.high_G, color=BLUE, alpha=0.2, linewidth=0, label="95 % interval"
    )
    for name, share in (("d10", 10), ("d50", 50), ("d90", 90)):
        value = best.estimates[name].value
        axes.plot([0, value, value], [share, share, 0], color="black", linewidth=0.5, linestyle=":")
        axes.annotate(f"D{share}", (value, 1), xytext=(2, 1), textcoords="offset points", fontsize=6.5)
    axes.set_ylabel("particles below (%)")
    axes.set_ylim(0, 100)
    axes.set_xlim(0, best.grid_G[-1])
    axes.legend(loc="lower right")


def _numbers(variant: Variant, unit: str) -> str:
    texts = []
    for name, symbol in (("mean", "mean"), ("sd", "s.d."), ("mean_area", "Sauter mean")):
        one = variant.estimates[name]
        texts.append(f"{symbol} {one.value:.3g} {unit} ({one.low:.3g} to {one.high:.3g})")
    return "\n".join(texts)


def _edges(variant: Variant) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Bins after Freedman and Diaconis, between 8 and 40 of them."""
    d = variant.diameter_K
    low, high = 0.95 * d.min(), float(np.quantile(d, 0.998)) * 1.05
    width = 2 * (np.quantile(d, 0.75) - np.quantile(d, 0.25)) / len(d) ** (1 / 3)
    number = int(np.clip((high - low) / width, 8, 40)) if width > 0 else 8
    return np.linspace(low, high, number + 1)
