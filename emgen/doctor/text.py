"""Findings as lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from emgen.doctor.findings import Finding, some

MARKS = {"error": "ERROR", "warning": "Warning", "note": "Note"}


def lines(findings: Sequence[Finding], width: int = 110) -> Iterator[str]:
    """A paragraph a finding: what, where, how much against which limit, how sure, and the way out."""
    for found in findings:
        yield f"{MARKS[found.severity]}: {found.title}  [{found.check}]"
        if found.names:
            yield from _wrapped("where", some(found.names, 8), width)
        yield from _wrapped("measured", found.measured, width)
        yield from _wrapped("limit", f"{found.limit} (sureness: {found.sureness})", width)
        yield from _wrapped("way out", found.way_out, width)
        yield ""


def summary(count: int, counts: Mapping[str, int]) -> str:
    """
    >>> summary(3, {"error": 1, "warning": 0, "note": 2})
    '3 micrographs examined: 1 error, 0 warnings, 2 notes.'
    """
    found = ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in counts.items())
    return f"{count} micrograph{'' if count == 1 else 's'} examined: {found}."


def one_line(found: Finding) -> str:
    """For the notes of a run."""
    where = f" ({some(found.names)})" if found.names else ""
    return f"{found.title}{where}: {found.measured}"


def _wrapped(title: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=f"  {title:9} ", subsequent_indent=" " * 12)
