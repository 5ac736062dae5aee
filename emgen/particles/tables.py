"""Particle tables as files. CSV for eyes and spreadsheets, Parquet for programs: it keeps every digit and type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emgen.files import replacing, write_text

if TYPE_CHECKING:
    import pandas

STEM = "particles"


def concatenated(tables: Sequence[pandas.DataFrame]) -> pandas.DataFrame:
    """One table of several; with all columns and no row where none holds a particle."""
    import pandas as pd

    from emgen.particles.measure import measure

    filled = [table for table in tables if len(table)]
    if filled:
        return pd.concat(filled, ignore_index=True)
    return tables[0] if tables else measure(np.zeros((1, 1), np.int32))


def write_table(folder: Path, table: pandas.DataFrame, stem: str = STEM) -> tuple[Path, Path]:
    """``<stem>.csv`` (six digits) and ``<stem>.parquet``. Raises ``OutputError``."""
    parquet = folder / f"{stem}.parquet"
    with replacing(parquet) as partial:
        table.to_parquet(partial, index=False)
    return write_csv(folder / f"{stem}.csv", table), parquet


def write_csv(path: Path, table: pandas.DataFrame) -> Path:
    """Six digits. Raises ``OutputError``."""
    return write_text(path, table.to_csv(index=False, float_format="%.6g"))
