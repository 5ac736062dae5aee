"""What the data doctor found at the start of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emgen.doctor.findings import ORDER, some
from emgen.report.run import Missing, RunFolder


def findings_part(run: RunFolder) -> list[dict[str, Any]]:
    """Findings on the stack and on its split, the worst first. Raises ``Missing`` where the stack was not examined."""
    told = run.manifest.get("doctor")
    if told is None:
        off = run.spec.get("data", {}).get("doctor") == "off"
        raise Missing("data.doctor is off" if off else "the stack has not been examined yet")
    shown = [_shown(entry) for findings in told.values() for entry in findings]
    return sorted(shown, key=lambda entry: ORDER.index(entry["severity"]))


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "where": some(entry["names"], 8)}
