"""The truth of a run as tables and labels, in a folder that nobody watches; each line is on the disk at once."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import IO, Any, NamedTuple

from emgen.copilot.simulator.faults import Good
from emgen.copilot.simulator.frame import Frame
from emgen.copilot.simulator.settings import Simulation
from emgen.errors import OutputError
from emgen.particles import write_labels

TRUTH, PARTICLES, FAULTS_TABLE = "truth.csv", "truth_particles.csv", "faults.csv"
FRAME_COLUMNS = (
    "frame", "file", "written_at", "particles", "mean_diameter_px", "median_diameter_px", "mean_diameter_nm",
    "median_diameter_nm", "coverage", "modality", "defocus_px", "dose", "drift_y_px", "drift_x_px", "late_s", "fault",
)  # fmt: skip
PARTICLE_COLUMNS = ("frame", "diameter_px", "border")
FAULT_COLUMNS = ("frame", "file", "kind", "good", "other")


class Truth:
    """``truth.csv``, and where they are asked for ``truth_particles.csv``, labels and ``faults.csv``.

    Raises ``OutputError`` where the folder holds the truth of another run.
    """

    def __init__(self, folder: Path, settings: Simulation) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / TRUTH).exists():
            raise OutputError(
                f"{folder}: holds the truth of an earlier run. Choose another folder, or delete it with its frames."
            )
        self._folder, self._settings = folder, settings
        self._frames = _Table(folder / TRUTH, FRAME_COLUMNS)
        self._particles = _Table(folder / PARTICLES, PARTICLE_COLUMNS) if settings.diameters else None
        self._faults = _Table(folder / FAULTS_TABLE, FAULT_COLUMNS) if settings.faults else None

    def frame(self, frame: Frame, file: str, *, written_at: float, late_s: float, fault: str | None) -> None:
        """``written_at``: unix time when the file was closed. ``fault``: its kind."""
        facts = frame.facts
        means = (facts.mean_diameter, facts.median_diameter)
        nm = [px * facts.pixel_size_nm if facts.pixel_size_nm else "" for px in means]
        seen = [facts.modality, facts.defocus, facts.dose, *facts.drift_2]
        row = [facts.number, file, f"{written_at:.6f}", facts.particles, *means, *nm, facts.coverage, *seen]
        if self._settings.labels:
            write_labels(self._folder, Path(file).stem, frame.label_HW, facts.pixel_size_nm)
        if self._particles:
            pairs = zip(facts.diameter_K, facts.border_K, strict=True)
            self._particles.add([[facts.number, float(diameter), int(border)] for diameter, border in pairs])
        self._frames.add([[*row, late_s, fault or ""]])

    def fault(self, number: int, file: str, kind: str, good: Good, other: str = "") -> None:
        """``other``: the further name under which its bytes come, or come to lie."""
        assert self._faults is not None
        self._faults.add([[number, file, kind, good, other]])

    def close(self) -> None:
        for table in (self._frames, self._particles, self._faults):
            if table:
                table.close()


class _Table:
    """A CSV file that grows."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._file: IO[str] = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self.add([columns])

    def add(self, rows: list[Any]) -> None:
        self._writer.writerows([[_shown(value) for value in row] for row in rows])
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _shown(value: Any) -> Any:
    """NaN is an empty cell."""
    return ("" if value != value else f"{value:.6g}") if isinstance(value, float) else value


class Owed(NamedTuple):
    """What a service owes.

    Attributes
    ----------
    once: number of each frame that is to be answered exactly once, and the names under which its bytes come.
    never: files to be refused, or passed over.
    """

    once: dict[int, tuple[str, ...]]
    never: frozenset[str]


def owed(truth: Path) -> Owed:
    """What a service owes for the run whose truth lies in that folder.

    In neither are frames whose file was deleted so soon that it may be missed.
    """
    faults = _read(truth / FAULTS_TABLE) if (truth / FAULTS_TABLE).exists() else []
    of_frame = {int(row["frame"]): row for row in faults if row["kind"] != "text"}
    once = {}
    for row in _read(truth / TRUTH):
        fault = of_frame.get(int(row["frame"]))
        if fault is None or fault["good"] == "yes":
            once[int(row["frame"])] = (row["file"], *([fault["other"]] if fault and fault["other"] else []))
    return Owed(once, frozenset(row["file"] for row in faults if row["good"] == "no"))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
