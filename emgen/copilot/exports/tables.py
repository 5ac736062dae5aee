"""Particles and frames of a session as tables, written frame by frame: no session is too long."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.copilot.exports.session import Row, Session, iso, time_of
from emgen.files import replacing

if TYPE_CHECKING:
    import pyarrow

FRAMES = (
    "frame", "name", "time", "state", "reason", "particles", "mean_diameter_px", "median_diameter_px",
    "mean_diameter_nm", "median_diameter_nm", "coverage", "domain_score", "pixel_size_nm", "height", "width",
    "received", "answered", "seconds_to_answer", "model", "model_place", "marked", "remark", "notes", "file", "sha256",
)  # fmt: skip
"""Columns of ``frames.csv``."""
_ROWS = 20_000
"""In a row group of Parquet."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """A text from outside that no spreadsheet takes for a formula.

    >>> harmless("=1+1"), harmless("area 1.tif")
    ("'=1+1", 'area 1.tif')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_particles_csv(session: Session, path: Path) -> None:
    """One row a particle, six digits; of frames without a pixel size the columns in nm are empty."""
    schema = _schema()
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(schema.names)
        for row, table in _tables(session, schema):
            texts = {"image": harmless(row["name"]), "time": iso(time_of(row)), "model": session.digest_of(row)}
            columns = ([texts[name]] * len(table) if name in texts else _fields(table[name]) for name in schema.names)
            writer.writerows(zip(*columns, strict=True))


def write_particles_parquet(session: Session, path: Path) -> None:
    """The same with every digit; ``time`` is a timestamp, and what is not known is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    with replacing(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        waiting: list[pyarrow.Table] = []
        for _, table in _tables(session, schema):
            waiting.append(table)
            if sum(map(len, waiting)) >= _ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def _tables(session: Session, schema: pyarrow.Schema) -> Iterator[tuple[Row, pyarrow.Table]]:
    """Of frames with particles."""
    import pyarrow as pa

    for row in session.answered():
        data = session.journal.table(row["id"])
        table = None if data is None else pa.ipc.open_stream(data).read_all()
        if table is not None and len(table):
            yield row, _whole(session, row, table, schema)


def _whole(session: Session, row: Row, table: pyarrow.Table, schema: pyarrow.Schema) -> pyarrow.Table:
    """With all columns of the schema; null where there is no value, as measurements have NaN there."""
    import pyarrow as pa

    at = datetime.fromtimestamp(time_of(row), UTC)
    same = {"image": row["name"], "frame": row["id"], "time": at, "model": session.digest_of(row)}
    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name in same:
            columns.append(pa.repeat(pa.scalar(same[name], kind), len(table)))
        elif name in table.column_names:
            columns.append(pa.array(table[name].to_numpy(), kind, from_pandas=True))
        else:
            columns.append(pa.nulls(len(table), kind))
    return pa.table(columns, schema=schema)


def _fields(column: pyarrow.ChunkedArray) -> list[Any]:
    """Floats with six digits, nothing for null."""
    return ["" if value is None else _field(value) for value in column.to_pylist()]


def _schema() -> pyarrow.Schema:
    """Of all columns that there may be."""
    import pyarrow as pa

    from emgen.particles import measure

    measured = measure(np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32), 1.0).drop(columns="image")
    kinds = [(name, pa.from_numpy_dtype(dtype)) for name, dtype in measured.dtypes.items()]
    added = [("frame", pa.int64()), ("time", pa.timestamp("us", tz="UTC")), ("model", pa.string())]
    return pa.schema([("image", pa.string()), *kinds, *added])


def write_frames_csv(session: Session, path: Path) -> None:
    """One row a frame, whatever became of it."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FRAMES)
        for row in session.all_frames():
            fields = _frame(session, row)
            writer.writerow([_field(fields[name]) for name in FRAMES])


def _frame(session: Session, row: Row) -> dict[str, Any]:
    model = session.models.get(row["model"])
    return {
        **row,
        "frame": row["id"],
        "time": iso(time_of(row)),
        "received": iso(row["received_at"]),
        "answered": iso(row["answered_at"]),
        "seconds_to_answer": None if row["answered_at"] is None else max(0.0, row["answered_at"] - time_of(row)),
        "model": session.digest_of(row),
        "model_place": model["place"] if model else "",
        "notes": "; ".join(row["notes"]),
        "file": row["file_name"],
        "sha256": row["digest"],
    }


def _field(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    return f"{value:.6g}" if isinstance(value, float) else value
