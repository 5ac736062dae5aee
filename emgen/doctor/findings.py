"""What the doctor finds: the files, what was measured, the limit, how sure it is, and the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
Sureness = Literal["certain", "high", "medium", "low"]
ORDER: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know about a set of micrographs.

    Attributes
    ----------
    check: kebab-case name of the check.
    severity: ``error``: cannot be used as it is, or makes scores untrue; ``warning``: look at it before training;
        ``note``: good to know.
    title: one line. names: the micrographs (or files) concerned, by name. files: their paths.
    measured, limit: what was measured, and from where on it is a finding.
    sureness: how far to trust it. way_out: what to do: leave out, crop, which field of the spec.
    values: the numbers behind ``measured``, for programs.
    """

    check: str
    severity: Severity
    title: str
    names: tuple[str, ...]
    files: tuple[str, ...]
    measured: str
    limit: str
    sureness: Sureness
    way_out: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda found: ORDER.index(found.severity))


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Number of findings of each severity.

    >>> counts([])
    {'error': 0, 'warning': 0, 'note': 0}
    """
    return {severity: sum(found.severity == severity for found in findings) for severity in ORDER}


def some(names: Sequence[str], most: int = 4) -> str:
    """
    >>> some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
