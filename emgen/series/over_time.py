"""The series as one row a frame: how many particles, how large, what happened, where the stage was."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.series.events import KINDS, Event, Field

if TYPE_CHECKING:
    import pandas

RESAMPLES = 2000
_CHUNK = 1_000_000
"""Draws at a time: memory stays small however many particles a frame holds."""
TOTALS = {"coalescence": "coalescences", "appearance": "appearances", "disappearance": "disappearances"}


def series_table(
    table: pandas.DataFrame, events: Sequence[Event], field: Field, names: Sequence[str]
) -> pandas.DataFrame:
    """One row a frame, also for those without particles.

    Columns: ``frame``, ``image``; ``particles`` found, ``cut_by_the_edge`` of them, ``particles_low`` and ``_high``;
    ``missed`` (their tracks go on after a gap); ``particles_in_common_field`` (of what all frames show, found and
    missed; empty where that is less than a tenth of a frame) with its ``_low`` and ``_high``;
    ``mean_diameter_px`` (equivalent, of whole particles), ``mean_diameter_low_px``, ``mean_diameter_high_px``,
    ``sd_diameter_px``; ``coalescences``, ``appearances``, ``disappearances`` that have happened in this frame;
    ``drift_y_px``, ``drift_x_px`` since the first frame.

    Intervals are 95 %: of a count by Poisson's law (exact, Garwood 1936), of a mean by the bootstrap over the particles
    of the frame. They say how far another place of the same specimen would differ, not how well this one was counted.
    """
    import pandas as pd

    frames = len(names)
    result: dict[str, Any] = {"frame": np.arange(frames), "image": list(names)}
    frame = table["frame"].to_numpy(np.int64)
    found = np.bincount(frame, minlength=frames)
    result["particles"] = found
    result["cut_by_the_edge"] = np.bincount(frame[table["border"].to_numpy(bool)], minlength=frames)
    result["particles_low"], result["particles_high"] = count_interval(found)
    gaps = _gaps(table, field)
    result["missed"] = np.bincount(gaps[:, 0].astype(int), minlength=frames)
    result |= _common(table, gaps, field)
    result |= _diameters(table, frames)
    for kind, column in TOTALS.items():
        happened = np.array([event.frame for event in events if event.kind == kind], int)
        result[column] = np.bincount(happened, minlength=frames)
    result["drift_y_px"], result["drift_x_px"] = field.shift_N2.T
    return pd.DataFrame(result)


def events_table(events: Sequence[Event], field: Field, names: Sequence[str]) -> pandas.DataFrame:
    """One row an event.

    Columns: ``kind``, ``frame``, ``image``, ``parents`` (track numbers, separated by spaces), ``child``; where:
    ``y_px``, ``x_px`` in that frame's image, ``position_y_px``, ``position_x_px`` drift-corrected; ``area_before_px``,
    ``area_after_px``.
    """
    import pandas as pd

    frame = np.array([event.frame for event in events], int)
    place = np.array([(event.y, event.x) for event in events], float).reshape(-1, 2)
    image = place + field.shift_N2[frame]
    columns = {
        "kind": pd.Series([event.kind for event in events], dtype=object),
        "frame": frame,
        "image": pd.Series([names[index] for index in frame], dtype=object),
        "parents": pd.Series([" ".join(map(str, event.parents)) for event in events], dtype=object),
        "child": pd.array([event.child for event in events], dtype="Int64"),
        "y_px": image[:, 0],
        "x_px": image[:, 1],
        "position_y_px": place[:, 0],
        "position_x_px": place[:, 1],
        "area_before_px": np.array([event.area_before_px for event in events], float),
        "area_after_px": np.array([event.area_after_px for event in events], float),
    }
    return pd.DataFrame(columns)


def count_events(events: Sequence[Event]) -> dict[str, int]:
    return {kind: sum(event.kind == kind for event in events) for kind in KINDS}


def count_interval(count: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % interval of a Poisson mean of which ``count`` was seen.

    >>> [round(float(end), 3) for end in count_interval(10)]
    [4.795, 18.39]
    """
    from scipy.stats import chi2

    seen = np.asarray(count, float)
    low = np.where(seen > 0, chi2.ppf(0.025, 2 * np.maximum(seen, 1)) / 2, 0.0)
    return np.asarray(low, float), np.asarray(chi2.ppf(0.975, 2 * seen + 2) / 2, float)


def mean_interval(values: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """95 % percentile interval of the mean by resampling; NaN of fewer than two values."""
    count = len(values)
    if count < 2:
        return float("nan"), float("nan")
    rows = max(1, _CHUNK // count)
    means = [
        values[rng.integers(count, size=(min(rows, RESAMPLES - start), count))].mean(axis=1)
        for start in range(0, RESAMPLES, rows)
    ]
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(low), float(high)


def _diameters(table: pandas.DataFrame, frames: int) -> dict[str, NDArray[np.float64]]:
    whole = table[~table["border"].astype(bool)]
    of, diameter = whole["frame"].to_numpy(int), whole["equivalent_diameter_px"].to_numpy(float)
    columns = np.full((4, frames), np.nan)
    for frame in np.unique(of).tolist():
        own = diameter[of == frame]
        low, high = mean_interval(own, np.random.default_rng([0, frame]))
        columns[:, frame] = own.mean(), low, high, own.std(ddof=1) if len(own) > 1 else np.nan
    names = ("mean_diameter_px", "mean_diameter_low_px", "mean_diameter_high_px", "sd_diameter_px")
    return dict(zip(names, columns, strict=True))


def _gaps(table: pandas.DataFrame, field: Field) -> NDArray[np.float64]:
    """(G, 3) frame and place (y, x) of every particle missed between two frames, by straight lines; in the field."""
    rows = table.sort_values(["track", "frame"], kind="stable")
    values = rows[["track", "frame", "y", "x"]].to_numpy(float)
    found = []
    for first, second in pairwise(values):
        for frame in range(int(first[1]) + 1, int(second[1])) if first[0] == second[0] else ():
            share = (frame - first[1]) / (second[1] - first[1])
            place = first[2:] + share * (second[2:] - first[2:])
            if not field.near_edge(place, frame, 0.0):
                found.append((frame, *place))
    return np.array(found, float).reshape(-1, 3)


def _common(table: pandas.DataFrame, gaps_G3: NDArray[np.float64], field: Field) -> dict[str, NDArray[np.float64]]:
    area, frames = field.common(), len(field.shift_N2)
    counted = np.full(frames, np.nan)
    if area is not None:
        rows = np.concatenate([table[["frame", "y", "x"]].to_numpy(float), gaps_G3])
        top, left, bottom, right = area
        inside = (rows[:, 1] >= top) & (rows[:, 1] < bottom) & (rows[:, 2] >= left) & (rows[:, 2] < right)
        counted = np.bincount(rows[inside, 0].astype(int), minlength=frames).astype(float)
    low, high = count_interval(counted) if area is not None else (counted, counted)
    name = "particles_in_common_field"
    return {name: counted, f"{name}_low": low, f"{name}_high": high}
