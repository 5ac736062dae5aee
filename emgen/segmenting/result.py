"""What a call has found, and the files for all micrographs: tables, sizes, summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.files import write_json_file
from emgen.particles import size_summary
from emgen.particles.tables import concatenated, write_table
from emgen.sizes import sample_from_table, size_distribution, write_sizes

if TYPE_CHECKING:
    import pandas

    from emgen.sizes import Response, SizeDistribution

SUMMARY = "summary.json"
_JOINED_FROM = 256
"""Tables: so many small ones are made one, as each takes some kilobytes whatever it holds."""


@dataclass(slots=True)
class Segmented:
    """What was written to ``folder``: a record per micrograph, what failed and why, the particles of all, their sizes.

    ``response``: what the model does to sizes, where its run has measured that.
    """

    folder: Path
    model: dict[str, Any] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    tables: list[pandas.DataFrame] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    response: Response | None = None
    sizes: SizeDistribution | None = None

    @property
    def particles(self) -> pandas.DataFrame:
        """One row a particle (``emgen.particles.measure``)."""
        if len(self.tables) > 1:
            self.tables = [concatenated(self.tables)]
        return concatenated(self.tables)

    def add(self, record: dict[str, Any], table: pandas.DataFrame) -> None:
        """One micrograph."""
        self.files.append(record)
        if len(table):
            self.tables.append(table)
        if len(self.tables) >= _JOINED_FROM:
            self.tables = [concatenated(self.tables)]

    def fail(self, path: Path, reason: str) -> None:
        self.failed.append({"input": str(path), "reason": reason})


def in_words(record: dict[str, Any]) -> str:
    """One micrograph in a line."""
    for unit in ("nm", "px"):
        if f"diameter_{unit}" in record:
            return f"{record['particles']} particles, median diameter {record[f'diameter_{unit}']['median']:.3g} {unit}"
    return f"{record['particles']} particles"


def write_tables(result: Segmented) -> None:
    """Particles, sizes and summary of what is done. Raises ``OutputError``."""
    table = result.particles
    written = [*write_table(result.folder, table), *_measure_sizes(result, table)]
    units = sorted({record["native_dtype"] for record in result.files})
    summary = {
        "model": result.model,
        "micrographs": len(result.files),
        "total": size_summary(table),
        "size_distribution": result.sizes.to_dict() if result.sizes else None,
        "notes": [f"mixed bit depths: {', '.join(units)}"] if len(units) > 1 else [],
        "files": result.files,
        "failed": result.failed,
        "written": [*(path.name for path in written), *result.written],
    }
    write_json_file(result.folder / SUMMARY, summary)


def _measure_sizes(result: Segmented, table: pandas.DataFrame) -> list[Path]:
    """The size distribution of all micrographs; the files it was written to."""
    if not result.files:
        return []
    shapes = {record["name"]: (record["shape"][0], record["shape"][1]) for record in result.files}
    pixel_sizes = {record["name"]: record["pixel_size_nm"] for record in result.files}
    factors = {record["name"]: record["scale_factor"] for record in result.files}
    sample = sample_from_table(table, shapes, pixel_sizes, factors)
    result.sizes = size_distribution(sample, result.response)
    return write_sizes(result.sizes, result.folder)
