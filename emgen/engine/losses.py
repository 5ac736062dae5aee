"""``losses.jsonl`` inside an artifact: one line a logged step, for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

FILE = "losses.jsonl"


class LossLog:
    """Appends as a stage logs. A resumed stage repeats the steps since its checkpoint; each step is kept once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._rows = {int(row.pop("step")): row for row in read_losses(folder)}

    def __enter__(self) -> LossLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """On success, in order and without repetitions."""
        if kind is None and self._rows:
            lines = [json.dumps({"step": step, **row}) for step, row in sorted(self._rows.items())]
            self._path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def add(self, step: int, values: Mapping[str, float]) -> None:
        row = {name: float(value) for name, value in values.items()}
        self._rows[step] = row
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **row}) + "\n")


def read_losses(folder: Path) -> list[dict[str, float]]:
    """The rows of an artifact's log, ``step`` and the values; a line torn by a kill is left out."""
    path = folder / FILE
    if not path.exists():
        return []
    rows = []
    for line in path.read_text("utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            rows.append(row)
    return rows
