"""A followed series as files: tables for programs, a summary, figures for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.files import write_json_file
from emgen.particles.measure import LENGTHS
from emgen.particles.tables import write_csv, write_table
from emgen.series.following import Followed, Linked, Seen, Settings
from emgen.series.over_time import count_events, events_table, series_table
from emgen.series.sources import Sources

if TYPE_CHECKING:
    import pandas

TRACKS, SERIES, EVENTS, SUMMARY = "tracks", "series", "events", "summary.json"


def write_followed(
    folder: Path, sources: Sources, seen: Seen, linked: Linked, settings: Settings, pixel_size_nm: float | None
) -> Followed:
    """``tracks.csv`` and ``.parquet``, ``series.csv``, ``events.csv``, ``summary.json``, ``series.png`` and ``.svg``,
    ``tracks.png``. Raises ``OutputError``."""
    from emgen.series.figure import draw_series
    from emgen.series.picture import draw_tracks

    names = [frame.name for frame in sources.frames]
    tracks = _tracks(linked.table)
    series = series_table(linked.table, linked.events, linked.field, names)
    series["drift_measured_from"] = ["", *seen.drift_by[1:]]
    events = events_table(linked.events, linked.field, names)
    for table in (tracks, series, events):
        _in_units(table, pixel_size_nm, settings.frame_time_s)
    summary = _summary(sources, seen, linked, settings, pixel_size_nm, series)
    write_table(folder, tracks, TRACKS)
    for name, table in ((SERIES, series), (EVENTS, events)):
        write_csv(folder / f"{name}.csv", table)
    draw_series(series, folder)
    if seen.last is not None:
        draw_tracks(seen.last, linked, folder, pixel_size_nm, settings.frame_time_s)
    write_json_file(folder / SUMMARY, summary)
    return Followed(folder, tracks, series, events, summary)


def _tracks(table: pandas.DataFrame) -> pandas.DataFrame:
    """Track, frame and drift-corrected position first, then what ``emgen.particles.measure`` says."""
    first = {"track": table["track"], "frame": table["frame"]}
    positions = {"position_y_px": table["y"], "position_x_px": table["x"]}
    rest = table.drop(columns=["track", "frame", "y", "x"])
    ordered = rest.assign(**positions)
    for place, (name, values) in enumerate(first.items()):
        ordered.insert(place, name, values)
    return ordered.sort_values(["track", "frame"], kind="stable", ignore_index=True)


def _in_units(table: pandas.DataFrame, pixel_size_nm: float | None, frame_time_s: float | None) -> None:
    """Adds ``time_s``, and every length and area in nm, where these are known."""
    if frame_time_s is not None:
        table.insert(list(table).index("frame") + 1, "time_s", table["frame"] * frame_time_s)
    if pixel_size_nm is None:
        return
    image_only = {f"{name}_px" for name in ("centroid_y", "centroid_x", "y", "x")}
    for column in [name for name in table.columns if name.endswith("_px") and name not in image_only]:
        stem = column.removesuffix("_px")
        if "area" in stem:
            table[f"{stem}_nm2"] = table[column] * pixel_size_nm**2
        elif stem in LENGTHS or "diameter" in stem or stem.startswith(("position", "drift")):
            table[f"{stem}_nm"] = table[column] * pixel_size_nm


def _summary(
    sources: Sources,
    seen: Seen,
    linked: Linked,
    settings: Settings,
    pixel_size_nm: float | None,
    series: pandas.DataFrame,
) -> dict[str, Any]:
    height, width = linked.field.shape_HW
    first, last = (series.iloc[index] for index in (0, -1))
    unit = "px" if pixel_size_nm is None else "nm"
    ends = {
        "particles": [int(first["particles"]), int(last["particles"])],
        f"mean_diameter_{unit}": [float(first[f"mean_diameter_{unit}"]), float(last[f"mean_diameter_{unit}"])],
    }
    return {
        "frames": len(sources.frames),
        "shape": [height, width],
        "pixel_size_nm": pixel_size_nm,
        "frame_time_s": settings.frame_time_s,
        "particles": len(linked.table),
        "tracks": int(linked.table["track"].nunique()),
        "first_and_last_frame": ends,
        "events": count_events(linked.events),
        "search": _search(linked, settings),
        "drift": _drift(seen, linked, settings),
        "micrographs": sum(frame.image is not None for frame in sources.frames),
        "notes": _notes(sources, seen, linked, settings),
        "sources": [
            {"frame": index, "name": frame.name, "labels": str(frame.labels.path), "page": frame.labels.frame}
            for index, frame in enumerate(sources.frames)
        ],
    }


def _search(linked: Linked, settings: Settings) -> dict[str, Any]:
    """What the links were made with, and where that comes from."""
    reach = linked.reach
    return {
        "range_px": round(reach.search_range, 3),
        "range_from": "given" if settings.search_range_px is not None else "chosen from the data",
        "median_diameter_px": round(reach.diameter, 3),
        "motion_between_frames_px": round(reach.motion, 3),
        "nearest_neighbour_px": round(reach.neighbour, 3),
        "memory_frames": linked.memory,
        "memory_from": "given" if settings.memory is not None else "chosen from the data",
        "missed_detections": round(linked.missed, 5),
    }


def _drift(seen: Seen, linked: Linked, settings: Settings) -> dict[str, Any]:
    steps = np.hypot(*np.diff(linked.field.shift_N2, axis=0).T)
    return {
        "from": settings.drift,
        "frames_by": {by: seen.drift_by[1:].count(by) for by in ("particles", "images", "nothing")},
        "total_px": np.round(linked.field.shift_N2[-1], 3).tolist(),
        "largest_step_px": round(float(steps.max()), 3),
    }


def _notes(sources: Sources, seen: Seen, linked: Linked, settings: Settings) -> list[str]:
    notes = list(sources.notes)
    blind = seen.drift_by[1:].count("nothing")
    if blind and settings.drift != "none":
        notes.append(f"drift could not be measured for {blind} frames, which are taken to lie where the last one did")
    if linked.field.common() is None:
        notes.append("no tenth of the field is in view in all frames: numbers are of changing places")
    if linked.reach.motion > linked.reach.neighbour / 2:
        notes.append("particles move further from frame to frame than half their distance: links are guesses")
    return notes
