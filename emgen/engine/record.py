"""The run folder's ``manifest.json``: what ran, on what, with what, and where each artifact stands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emgen.artifacts import MANIFEST, Artifact, write_json
from emgen.engine.provenance import environment


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step of a run. ``seconds``: what the artifact took to make; ``wall_s``: what this run spent on it."""

    label: str
    slot: str
    key: str
    folder: str
    cached: bool
    plugin: str
    distribution: str
    version: str
    seed: int | None
    simulated: bool
    seconds: float
    wall_s: float


@dataclass
class RunRecord:
    """Written anew after every step, so that an interrupted run is on record too."""

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, StepRecord] = field(default_factory=dict)
    started: str = field(default_factory=lambda: _now())

    def add(self, label: str, artifact: Artifact, *, cached: bool, wall_s: float) -> None:
        recipe = artifact.manifest["recipe"]
        maker = recipe["maker"]
        self.steps[label] = StepRecord(
            label=label,
            slot=artifact.slot,
            key=artifact.key,
            folder=_shown(artifact.folder, self.folder),
            cached=cached,
            plugin=maker["plugin"],
            distribution=maker["distribution"],
            version=maker["version"],
            seed=recipe["seed"],
            simulated=artifact.simulated,
            seconds=float(artifact.manifest["seconds"]),
            wall_s=round(wall_s, 3),
        )
        self.write("running")

    def update(self, facts: Mapping[str, Any]) -> None:
        self.facts.update(facts)
        self.write("running")

    def note(self, text: str) -> None:
        """Something a reader of the report should know."""
        self.update({"notes": [*self.facts.get("notes", []), text]})

    def write(self, status: str, error: BaseException | None = None) -> None:
        """``status`` is running, complete, interrupted or failed."""
        document = {
            "format": 1,
            "status": status,
            "error": None if error is None else str(error),
            "started": self.started,
            "updated": _now(),
            "environment": environment(),
            "simulated": any(step.simulated for step in self.steps.values()),
            **self.facts,
            "steps": [asdict(step) for step in self.steps.values()],
        }
        write_json(self.folder / MANIFEST, document)


def _shown(folder: Path, run_folder: Path) -> str:
    """Relative inside the run folder, so that it may be moved; absolute in a shared store."""
    if folder.resolve().is_relative_to(run_folder.resolve()):
        return Path(os.path.relpath(folder, run_folder)).as_posix()
    return str(folder.resolve())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
