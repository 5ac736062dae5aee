"""What is measured, with its units: columns of the particle table, statistics of a size distribution, fitted laws."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
from reference_tables import NOTE, table

from emgen.particles import measure
from emgen.particles.measure import LENGTHS, RING_PX
from emgen.series.over_time import events_table, series_table
from emgen.sizes.distribution import REPLICATES, VARIANTS
from emgen.sizes.fits import LEAST, fit_laws
from emgen.sizes.statistics import LENGTHS as LENGTH_STATISTICS
from emgen.sizes.statistics import MEANINGS

COLUMNS = {
    "image": ("", "the micrograph's name: the file's stem, with `_0000` and so on for the frames of a series"),
    "label": ("", "the particle's value in `<stem>_labels.tif`"),
    "centroid_y": ("px", "row of the centroid, from the top; pixel centres are whole numbers"),
    "centroid_x": ("px", "column of the centroid, from the left"),
    "area": ("px², nm²", "number of pixels, times the area of one"),
    "equivalent_diameter": ("px, nm", "of the circle of equal area, √(4 area / π)"),
    "feret_max": ("px, nm", "largest width of the convex hull"),
    "feret_min": ("px, nm", "least width of the convex hull"),
    "perimeter": ("px, nm", "by Crofton's formula in four directions"),
    "major_axis": ("px, nm", "long axis of the ellipse of equal second moments"),
    "minor_axis": ("px, nm", "its short axis"),
    "bounding_height": ("px, nm", "height of the upright box around it"),
    "bounding_width": ("px, nm", "width of that box"),
    "nearest_neighbour": (
        "px, nm",
        "from its centroid to the nearest other one of the micrograph; empty of a single one",
    ),
    "circularity": ("", "4π area / perimeter², at most 1; 1 is a circle"),
    "eccentricity": ("", "of the ellipse; 0 is a circle"),
    "solidity": ("", "area over that of the convex hull"),
    "orientation": ("deg", "of the major axis against the x axis, counter-clockwise"),
    "border": ("", "whether the micrograph's edge cuts it: then its size is not known"),
    "mean_intensity": (
        "",
        "mean of the micrograph upon it, in its file's own values; of `emgen measure`, with `--images`",
    ),
    "contrast": ("", f"that mean less the mean of a ring of {RING_PX} px around it, other particles left out"),
}
LAWS = {
    "normal": "`mean`, `sd`",
    "log-normal": "`median`; `sigma`, the standard deviation of the natural logarithm",
    "weibull": "`scale`, `shape`",
}


PAGE = """\
# Measurements

What `emgen segment` and `emgen measure` write about particles. scikit-image and SciPy measure; shapes are those of the
pixels, with no smoothing.

## Columns of the particle table

Of `particles.csv` and `particles.parquet`, one row a particle. A column ends in its unit: `area_px` (which counts
pixels), `equivalent_diameter_nm`. Columns in nm are there where the pixel size is known.

{columns}
## Statistics of the size distribution

Of `size_distribution.csv` and `.json`, over equivalent circular diameters, in nm where pixel sizes are known, else in
px. D[p, q] is the moment notation of ISO 9276-2: (Σ dᵖ / Σ dᵠ) to the power 1 / (p − q), each particle weighted as the
variant says.

{statistics}
Each has a 95 % interval, in the columns `_low` and `_high`: a bootstrap of particles within micrographs, {replicates}
replicates; percentiles for quantiles, studentised on the logarithm for the others.

## Variants

{variants}
## Fitted laws

By maximum likelihood over the weighted diameters, of {least} particles and more, the best first.

{laws}
| beside each | what |
| --- | --- |
| `aic`, `delta_aic` | Akaike's information criterion, and how far above that of the best law; above 10 it is out |
| `ks` | largest distance between the fitted and the found cumulative distribution |
| `p` | of so large a distance, were the law true; by parametric bootstrap |

## Tables of a series

What `emgen track` writes. `tracks.csv` and `.parquet` have the columns of the particle table, one row a particle and
frame, and `track`, `frame` and `position_y`, `position_x` (of the centroid, with the stage's drift taken out). In all
three tables `time_s` follows `frame` where the time between frames is known, and lengths are there in nm too where the
pixel size is.

`series.csv`: {series}

`events.csv`: {events}
"""


def measurements_page() -> str:
    parts = {
        "columns": table(("column", "unit", "what"), _columns()),
        "statistics": table(("statistic", "unit", "what"), _statistics()),
        "variants": table(("variant", "border bias", "recall and size bias"), _variants()),
        "laws": table(("law", "parameters"), _laws()),
    }
    parts |= {"series": _said_of_columns(series_table), "events": _said_of_columns(events_table)}
    return NOTE + "\n" + PAGE.format(**parts, replicates=REPLICATES, least=LEAST)


def _said_of_columns(function: Callable[..., object]) -> str:
    """The paragraph of a docstring that begins with ``Columns:``."""
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    (said,) = [text.removeprefix("Columns: ") for text in paragraphs if text.startswith("Columns: ")]
    return " ".join(said.replace("``", "`").split())


def _columns() -> list[tuple[str, ...]]:
    """Checked against a real table: a column that is added or goes fails here."""
    label_HW = np.zeros((12, 12), np.int32)
    label_HW[3:7, 3:8] = 1
    found = list(measure(label_HW, label_HW.astype(np.float32), 0.5, "name").columns)
    written = [name for base, (unit, _) in COLUMNS.items() for name in _names(base, unit)]
    if sorted(found) != sorted(written):
        raise ValueError(f"COLUMNS differ from the table: {sorted(set(found) ^ set(written))}")
    assert all(COLUMNS[length][0] == "px, nm" for length in LENGTHS)
    return [
        (" ".join(f"`{name}`" for name in _names(base, unit)), unit, what) for base, (unit, what) in COLUMNS.items()
    ]


def _names(base: str, unit: str) -> list[str]:
    endings = unit.replace("²", "2").split(", ") if unit else []
    return [f"{base}_{ending.replace('px2', 'px')}" for ending in endings] or [base]


def _statistics() -> list[tuple[str, ...]]:
    return [(f"`{name}`", "nm or px" if name in LENGTH_STATISTICS else "", what) for name, what in MEANINGS.items()]


def _variants() -> list[tuple[str, ...]]:
    say = {True: "taken out", False: "as it is"}
    return [(f"`{name}`", say[border], say[detection]) for name, (border, detection) in VARIANTS.items()]


def _laws() -> list[tuple[str, ...]]:
    """Checked against a fit: a law that is added or a parameter that is renamed fails here."""
    for fit in fit_laws(np.linspace(1, 2, LEAST), np.ones(LEAST)):
        if not all(f"`{name}`" in LAWS[fit.name] for name in fit.parameters):
            raise ValueError(f"LAWS says nothing of {fit.name} {list(fit.parameters)}")
    return [(f"`{name}`", parameters) for name, parameters in LAWS.items()]
