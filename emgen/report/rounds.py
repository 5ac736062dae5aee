"""The rounds: what each began with and made, what the micrographs say of it, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emgen.report.pictures import Strip, outlined
from emgen.report.run import Missing, RunFolder, stack_of
from emgen.report.text import number

ROUGH = "evidence of rough masks"


@dataclass(frozen=True, slots=True)
class Rounds:
    """``rows``: round, decision, particles, covered, diameter, masks at fault, missed, gate, score, difference."""

    heading: str
    rows: tuple[tuple[str, ...], ...]
    why: tuple[str, ...]
    strips: tuple[Strip, ...]


def rounds_part(run: RunFolder) -> Rounds:
    """Raises ``Missing`` where the run had one round only, or has not ended its first."""
    rows = [row for row in run.rounds.get("rounds", ()) if isinstance(row, Mapping)]
    if not rows:
        raise Missing("no round has ended yet")
    before = ("rough masks", "–", *_masks(rows[0]["masks_it_began_with"]), "–", "–", "–")
    why = tuple(f"Round {row['round']}: {row['why']}." for row in rows)
    return Rounds(_heading(run.rounds), (before, *map(_row, rows)), why, _strips(run, len(rows)))


def _heading(ledger: Mapping[str, Any]) -> str:
    made, wanted = ledger.get("made", 0), ledger.get("wanted", 0)
    text = f"The model of this run is that of round {ledger.get('accepted', 1)}; {made} of {wanted} rounds were made"
    return f"{text}: {ledger['stopped']}." if ledger.get("stopped") else f"{text}."


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    gate = [number(row["gate"].get(name, {}).get("pass_rate")) for name in ("first", "second")]
    against = row.get("against_the_round_before")
    score, difference = "–", "–"
    if against:
        score = f"{number(against['before'])} → {number(against['score'])}"
        difference = f"{against['difference']:+.3f} ({against['low']:+.3f} … {against['high']:+.3f})"
    return (str(row["round"]), row["status"], *_masks(row["masks_it_made"]), ", ".join(gate), score, difference)


def _masks(told: Mapping[str, Any]) -> tuple[str, ...]:
    rates = told.get("fidelity", {})
    fault = sum(rates.get(name, 0.0) for name in ("erased", "inverted", "shifted"))
    shares = [f"{value:.1%}" for value in (told["coverage"], fault, rates.get("invented", 0.0))]
    return (f"{told['particles']:,.0f}", shares[0], number(told["diameter"]), shares[1], shares[2])


def _strips(run: RunFolder, made: int) -> tuple[Strip, ...]:
    """The same tiles of real micrographs with the outlines of each round's masks."""
    labels = {"Rough masks": ROUGH, "Round 1": "evidence"}
    labels |= {f"Round {n}": f"evidence (round {n})" for n in range(2, made + 1)}
    return tuple(_strip(run, title, label) for title, label in labels.items())


def _strip(run: RunFolder, title: str, label: str) -> Strip:
    try:
        step = run.exactly(label)
        images, labels = stack_of(step, "image"), stack_of(step, "label")
    except Missing as missing:
        return Strip(title, f"missing: {missing}", ())
    return Strip(title, "", tuple(outlined(images[n], labels[n]) for n in range(len(images))))
