"""A table of several trainings, shown at the top of a report: ``comparison.json`` in the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emgen.artifacts import write_json
from emgen.report.run import Missing
from emgen.report.text import number

FILE = "comparison.json"


def write_demo_table(
    run_folder: Path,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str] = (),
) -> Path:
    """Writes the table; each row has ``name`` and a value for each of ``columns``. ``write_report`` shows it.

    Raises ``ValueError`` for a row without a name.
    """
    if any("name" not in row for row in rows):
        raise ValueError("every row of a comparison needs a name")
    path = Path(run_folder) / FILE
    write_json(path, {"title": title, "columns": list(columns), "rows": list(rows), "notes": list(notes)})
    return path


def shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """For the page: numbers as text, and the best of each column. Raises ``Missing`` without rows."""
    rows = [row for row in document.get("rows", ()) if isinstance(row, Mapping)]
    if not rows:
        raise Missing("the comparison has no rows")
    columns = [str(column) for column in document.get("columns", ())]
    return {
        "title": str(document.get("title", "Comparison")),
        "columns": columns,
        "rows": [(str(row.get("name", "–")), [number(row.get(column)) for column in columns]) for row in rows],
        "notes": [str(note) for note in document.get("notes", ())],
    }
