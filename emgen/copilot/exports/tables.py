"""Particles and frames of a session as tables, written frame by frame: no session is too long."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.copilot.answer import read_table
from emgen.copilot.exports.session import Row, Session, iso, time_of
from emgen.files import replacing

if TYPE_CHECKING:
    import pandas
    import pyarrow

ADDED = ("frame", "time", "model")
"""Columns after those of ``emgen.particles.measure``."""
FRAMES = (
    "frame", "name", "time", "state", "reason", "particles", "mean_diameter_px", "median_diameter_px",
    "mean_diameter_nm", "median_diameter_nm", "coverage", "domain_score", "pixel_size_nm", "height", "width",
    "received", "answered", "seconds_to_answer", "model", "model_place", "marked", "remark", "notes", "file", "sha256",
)  # fmt: skip
"""Columns of ``frames.csv``."""
_ROWS = 50_000
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
    columns = [*_measured().columns, *ADDED]
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(columns)
        for row, table in _tables(session):
            added = {"image": harmless(row["name"]), "time": iso(time_of(row))}
            whole = table.assign(**added).reindex(columns=columns)
            whole.to_csv(file, header=False, index=False, float_format="%.6g", lineterminator="\n")


def write_particles_parquet(session: Session, path: Path) -> None:
    """The same with every digit; ``time`` is a timestamp, and what is not known is null."""
    import pyarrow.parquet as pq

    schema = _schema()
    with replacing(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        waiting: list[pandas.DataFrame] = []
        for row, table in _tables(session):
            at = datetime.fromtimestamp(time_of(row), UTC)
            waiting.append(table.assign(time=at).reindex(columns=schema.names))
            if sum(map(len, waiting)) >= _ROWS:
                writer.write_table(_arrow(waiting, schema))
                waiting = []
        if waiting:
            writer.write_table(_arrow(waiting, schema))


def _tables(session: Session) -> Iterator[tuple[Row, pandas.DataFrame]]:
    """Of frames with particles, with ``frame`` and ``model``."""
    for row in session.answered():
        data = session.journal.table(row["id"])
        table = None if data is None else read_table(data, row["name"])
        if table is not None and len(table):
            yield row, table.assign(frame=row["id"], model=session.digest_of(row))


def _measured() -> pandas.DataFrame:
    """A table of no particle, with all columns that there may be."""
    from emgen.particles import measure

    return measure(np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32), 1.0)


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    measured = _measured().drop(columns="image")
    kinds = [(name, pa.from_numpy_dtype(dtype)) for name, dtype in measured.dtypes.items()]
    time = pa.timestamp("us", tz="UTC")
    return pa.schema([("image", pa.string()), *kinds, ("frame", pa.int64()), ("time", time), ("model", pa.string())])


def _arrow(tables: list[pandas.DataFrame], schema: pyarrow.Schema) -> pyarrow.Table:
    import pyarrow as pa

    return pa.concat_tables([pa.Table.from_pandas(table, schema, preserve_index=False) for table in tables])


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
