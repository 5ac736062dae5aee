"""A size distribution as files: numbers for programs, a table for people, a figure for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.files import write_json_file
from emgen.particles.tables import write_csv
from emgen.sizes.distribution import SizeDistribution
from emgen.sizes.figure import draw
from emgen.sizes.statistics import LENGTHS, MEANINGS

if TYPE_CHECKING:
    import pandas

STEM = "size_distribution"


def write_sizes(sizes: SizeDistribution, folder: Path) -> list[Path]:
    """``size_distribution.json``, ``.csv`` and the figure as ``.png``, ``.svg``, ``.pdf``. Raises ``OutputError``."""
    document = write_json_file(folder / f"{STEM}.json", sizes.to_dict())
    table = write_csv(folder / f"{STEM}.csv", sizes_table(sizes))
    return [document, table, *draw(sizes, folder, STEM)]


def sizes_table(sizes: SizeDistribution) -> pandas.DataFrame:
    """One row a statistic; of each variant the value and the ends of its 95 % interval, side by side.

    Columns: ``statistic``, ``unit``, for each variant ``<variant>``, ``<variant>_low`` and ``<variant>_high``, and
    ``meaning``.
    """
    import pandas as pd

    rows = []
    for name, meaning in MEANINGS.items():
        row: dict[str, Any] = {"statistic": name, "unit": sizes.unit if name in LENGTHS else ""}
        for variant in sizes.variants.values():
            one = variant.estimates[name]
            row |= {variant.name: one.value, f"{variant.name}_low": one.low, f"{variant.name}_high": one.high}
        rows.append(row | {"meaning": meaning})
    return pd.DataFrame(rows)


def in_words(sizes: SizeDistribution) -> str:
    """One line for a terminal.

    The best variant: number-weighted mean and its interval, standard deviation, median; which corrections are in it.
    """
    best, unit = sizes.best, sizes.unit
    mean, sd, median = (best.estimates[name] for name in ("mean", "sd", "d50"))
    corrected = "border, recall and size bias corrected" if best.name == "corrected" else "border corrected"
    return (
        f"mean diameter {mean.value:.3g} {unit} (95 % {mean.low:.3g} to {mean.high:.3g}), s.d. {sd.value:.3g}, "
        f"median {median.value:.3g} {unit}; {sizes.particles} whole particles, {corrected}"
    )
