"""Particle tables as files. CSV for eyes and spreadsheets, Parquet for programs: it keeps every digit and type."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.errors import OutputError

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
    text = table.to_csv(index=False, float_format="%.6g")
    csv = replace_file(folder / f"{stem}.csv", lambda path: path.write_text(text, encoding="utf-8"))
    parquet = replace_file(folder / f"{stem}.parquet", lambda path: table.to_parquet(path, index=False))
    return csv, parquet


def write_json_file(path: Path, document: dict[str, Any]) -> Path:
    """JSON has no NaN: null. Raises ``OutputError``."""
    text = json.dumps(finite(document), indent=1, allow_nan=False) + "\n"
    return replace_file(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def replace_file(path: Path, write: Callable[[Path], Any]) -> Path:
    """Written under another name first, so that nobody meets half a file. Raises ``OutputError``."""
    partial = path.with_name(path.name + ".partial")
    try:
        write(partial)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({error}). Free some space or choose another folder.") from error
    return path


def make_folder(folder: Path) -> None:
    """Raises ``OutputError`` where results cannot be written there: before anything is computed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / ".emgen-writes-here"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: results cannot be written there ({error}). Choose another folder.") from error


def finite(value: Any) -> Any:
    """The same with every NaN and infinity as ``None``."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
