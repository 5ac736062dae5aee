"""What the data doctor found at the start of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emgen.doctor.findings import ORDER, some
from emgen.report.run import Missing, RunFolder

FILE = "findings.json"


def findings_part(run: RunFolder) -> list[dict[str, Any]]:
    """Findings on the stack and on its split, the worst first. Raises ``Missing`` where the stack was not examined."""
    steps = [step for step in run.steps if step.slot == "doctor"]
    if not steps:
        off = run.spec.get("data", {}).get("doctor") == "off"
        raise Missing("data.doctor is off" if off else "the stack has not been examined yet")
    found = [entry for step in steps for entry in step.artifact.read(FILE)["findings"]]
    shown = [_shown(entry) for entry in found]
    return sorted(shown, key=lambda entry: ORDER.index(entry["severity"]))


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "where": some(entry["names"], 8)}
