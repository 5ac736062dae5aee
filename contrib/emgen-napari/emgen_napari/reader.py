"""napari's reader: run folders, folders that `emgen segment` wrote, and label files with their particle table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from emgen_napari.layers import LayerData, calibration, features_of
from emgen_napari.runs import MANIFEST, RunFolder, is_run

LABELS = "_labels.tif"
TABLE, SUMMARY = "particles.csv", "summary.json"

Read = Callable[[Any], list[LayerData]]


def get_reader(path: str | list[str]) -> Read | None:
    """What reads ``path``; ``None`` for what is not emgen's, so that napari asks others."""
    if isinstance(path, list):
        return None
    place = Path(path)
    if place.name == MANIFEST and is_run(place.parent):
        return lambda _: RunFolder.open(place.parent).layers()
    if place.is_dir():
        if is_run(place):
            return lambda _: RunFolder.open(place).layers()
        return (
            (lambda _: read_segmented(place))
            if (place / SUMMARY).is_file() and list(place.glob(f"*{LABELS}"))
            else None
        )
    return (lambda _: [read_labels(place)]) if place.name.endswith(LABELS) and place.is_file() else None


def read_segmented(folder: Path) -> list[LayerData]:
    """Of a folder that ``emgen segment`` wrote: of each micrograph the labels, and it itself where it still is."""
    from emgen.artifacts import read_json
    from emgen.data.opening import open_file, read_frame
    from emgen.errors import DataError
    from emgen.host import load_host

    summary = read_json(folder / SUMMARY)
    records = {record["labels"]: record for record in summary.get("files", []) if "labels" in record}
    made: list[LayerData] = []
    for path in sorted(folder.glob(f"*{LABELS}")):
        record = records.get(path.name, {})
        try:
            source = Path(record.get("source", ""))
            image_HW = read_frame(open_file(source, load_host()), record.get("frame", 0), source).image_HW
            made.append((image_HW, {"name": record["name"], **calibration(record["pixel_size_nm"], 2)}, "image"))
        except (DataError, KeyError, OSError):
            pass  # moved since, or never listed: the labels open without it
        made.append(read_labels(path))
    return made


def read_labels(path: Path) -> LayerData:
    """A label file as ``emgen segment`` writes it, with the rows of its particles beside it as features."""
    from emgen.data.masks import read_labels as read
    from emgen.data.opening import open_file
    from emgen.host import load_host

    host = load_host()
    (frame,) = open_file(path, host)
    settings: dict[str, Any] = {"name": path.stem, **calibration(frame.pixel_size_nm, 2)}
    rows = _rows(path)
    if rows is not None:
        settings["features"] = features_of(rows)
    return read(path, host), settings, "labels"


def _rows(path: Path) -> Any:
    """Rows of the particle table of this micrograph; ``None`` where there is no such table."""
    import pandas as pd

    table = path.parent / TABLE
    if not table.is_file():
        return None
    rows = pd.read_csv(table)
    if not {"image", "label"} <= set(rows.columns):
        return None
    return rows[rows["image"].astype(str) == path.name.removesuffix(LABELS)].reset_index(drop=True)
