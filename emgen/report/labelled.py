"""A few real labels: what they gained, and how little is known from so few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emgen.report.meanings import MEANINGS
from emgen.report.run import Missing, RunFolder
from emgen.report.text import duration, number


@dataclass(frozen=True, slots=True)
class Gained:
    """``rows``: score, without labels, with, gain, its interval. ``each``: name, size, particles, diameter, factor."""

    heading: str
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    each: tuple[tuple[str, ...], ...]


def labelled_part(run: RunFolder) -> Gained:
    """Raises ``Missing`` where the gain was not measured yet."""
    told = run.labelled_gain
    if not told:
        raise Missing("the gain has not been measured yet")
    rows = tuple(_row(name, values) for name, values in told.get("scores", {}).items())
    each = tuple(_micrograph(row) for row in told.get("each", ()))
    return Gained(_heading(told), rows, tuple(_notes(told)), each)


def _heading(told: dict[str, Any]) -> str:
    some = "1 labelled micrograph" if told["micrographs"] == 1 else f"{told['micrographs']} labelled micrographs"
    return (
        f"{some} with {told['particles']:,} particles joined the virtual data set; crops of them are "
        f"{told['share']:.0%} of what the downstream task was trained on."
    )


def _row(name: str, values: dict[str, Any]) -> tuple[str, ...]:
    title = MEANINGS[name].title if name in MEANINGS else name.replace("_", " ")
    gain = f"{values['gain']:+.3f} ({values['low']:+.3f} … {values['high']:+.3f})"
    return (title, number(values["without"]), number(values["with"]), gain, _verdict(values))


def _verdict(values: dict[str, Any]) -> str:
    if values["low"] <= 0 <= values["high"]:
        return "no difference is seen"
    return "gained" if (values["gain"] > 0) == (values.get("better", "higher") == "higher") else "lost"


def _notes(told: dict[str, Any]) -> list[str]:
    if not told.get("scores"):
        return ["The gain was not measured (labelled.folds is 0, or the micrograph is too small to be halved)."]
    kept = "Its two halves were kept apart in turn" if told["micrographs"] == 1 else "Each was kept apart once"
    notes = [
        f"{kept}: {told['folds']} models trained with the other labels, and one with none, were scored on labels that "
        f"they had not seen ({told['tiles']} tiles). In brackets: 90 % interval, from resampling {told['resampled']}.",
        f"Measuring this took {duration(told['cost_s'])}; labelled.folds: 0 saves it.",
    ]
    if told["resampled"] == "tiles":
        notes.append(
            "So few micrographs tell little of how others differ: the interval is that of these micrographs, and too "
            "narrow for the material."
        )
    return notes


def _micrograph(row: dict[str, Any]) -> tuple[str, ...]:
    height, width = row["shape_HW"]
    where = "in the stack" if row["in_the_stack"] else "from elsewhere"
    return (
        row["name"],
        f"{width} × {height}",
        f"{row['particles']:,}",
        number(row["diameter"]),
        number(row["factor"]),
        where,
    )
