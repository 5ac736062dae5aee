"""Particle sizes: do the sampled masks look like what was measured, and what does the model find?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.artifacts import ZarrStack
from emgen.report.charts import size_chart
from emgen.report.run import Missing, RunFolder
from emgen.report.text import number

_IMAGES = 300
"""Enough for a distribution; a run may have thousands."""
_SOURCES = {
    "rough masks": ("split", "subset1/label"),
    "sampled masks": ("masks", "label"),
    "predicted": ("prediction", "label"),
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """``rows``: name, particles, median, middle half, particles an image."""

    chart: str
    rows: tuple[tuple[str, ...], ...]
    absent: tuple[str, ...]


def size_distributions(run: RunFolder) -> Sizes:
    """At the working scale, where they can be compared. Raises ``Missing`` if there are no masks at all."""
    found: dict[str, list[NDArray[Any]]] = {}
    absent = []
    for name, (slot, array) in _SOURCES.items():
        try:
            found[name] = diameters(run.stack(slot, array))
        except Missing:
            absent.append(name)
    joined = {name: np.concatenate(each) for name, each in found.items()}
    if not any(len(values) for values in joined.values()):
        raise Missing("no masks with particles yet")
    rows = tuple(_row(name, joined[name], found[name]) for name in found)
    return Sizes(size_chart(joined, "px at the working scale"), rows, tuple(absent))


def diameters(label_NHW: ZarrStack) -> list[NDArray[Any]]:
    """Equivalent diameters in pixels of each of at most ``_IMAGES`` images."""
    from emgen.particles import equivalent_diameters

    step = max(1, len(label_NHW) // _IMAGES)
    return [equivalent_diameters(label_NHW[index]) for index in range(0, len(label_NHW), step)]


def _row(name: str, values: NDArray[Any], per_image: list[NDArray[Any]]) -> tuple[str, ...]:
    if not len(values):
        return (name, "0", "–", "–", "0")
    low, middle, high = (number(float(value)) for value in np.percentile(values, (25, 50, 75)))
    mean = number(float(np.mean([len(each) for each in per_image])))
    return (name, f"{len(values):,}", middle, f"{low} … {high}", mean)
