"""Which state of each GAN's training was kept: the table that it was chosen by, and the same probes at every state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emgen.report.facts import title_of
from emgen.report.meanings import MEANINGS
from emgen.report.pictures import Strip, coloured, grey
from emgen.report.run import Missing, RunFolder, Step, stack_of
from emgen.report.text import duration, number

SLOTS = ("morphology_gan", "contrast_gan")
FILE = "checkpoints.json"
OUT = {"fidelity": "out: labels do not fit", "contrast": "out: particles too strong or too faint"}
"""By the criterion that a state fails in."""


@dataclass(frozen=True, slots=True)
class StateRow:
    """``cells``: value and interval in each criterion; ``verdict``: its mean rank, or why it is out."""

    step: int
    cells: tuple[tuple[str, str], ...]
    verdict: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class StateTable:
    """One GAN. ``columns``: criterion and which way is better; ``remark``: what was compared and what it cost."""

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[StateRow, ...]
    why: str
    remark: str
    strips: tuple[Strip, ...]


def state_tables(run: RunFolder) -> list[StateTable]:
    """Of every GAN of the run. Raises ``Missing`` where none has states to choose from."""
    found = [_table(step) for step in run.steps if step.slot in SLOTS and (step.artifact.folder / FILE).is_file()]
    if not found:
        raise Missing("the states of no GAN were ranked")
    return found


def _table(step: Step) -> StateTable:
    table = step.artifact.read(FILE)
    criteria, states = table["criteria"], table["candidates"]
    rows = tuple(_row(state, criteria) for state in states)
    columns = tuple((_title(each["title"]), each["better"]) for each in criteria)
    why = f"Step {table['chosen']} was kept: {table['why']}."
    return StateTable(title_of(step), columns, rows, why, _remark(step, table), tuple(_strips(step, table)))


def _title(name: str) -> str:
    return MEANINGS[name].title if name in MEANINGS else name


def _row(state: Mapping[str, Any], criteria: list[Mapping[str, Any]]) -> StateRow:
    cells = tuple(_cell(state["measures"][each["name"]], share=each["name"] == "fidelity") for each in criteria)
    verdict = OUT.get(state["out"], "out") if state["out"] else f"mean rank {state['mean_rank']:.2g}"
    return StateRow(state["step"], cells, verdict, state["chosen"])


def _cell(measured: Mapping[str, Any], *, share: bool) -> tuple[str, str]:
    value, low, high = (measured[name] for name in ("value", "low", "high"))
    if low is None:
        return _shown(value, share), ""
    return _shown(value, share), f"{_shown(low, share)} … {_shown(high, share)}"


def _shown(value: float, share: bool) -> str:
    """A share as a percentage, never above 100, though the interval around it is symmetric."""
    return f"{100 * min(value, 1):.1f} %" if share else number(value)


def _remark(step: Step, table: Mapping[str, Any]) -> str:
    spent = sum(state["seconds"] for state in table["candidates"])
    whole = float(step.artifact.manifest.get("seconds", 0))
    said = f"{table['probes']} probes against {table['real']} real crops, 95 % intervals"
    if whole:
        said += f"; the judging took {duration(spent)} of {duration(whole)}"
    if len(table["candidates"]) < table["wanted"]:
        last = table["candidates"][-1]["step"]
        said += f"; {len(table['candidates'])} of {table['wanted']} states came: training ended at step {last}"
    return ". ".join([said, *table["notes"]]) + "."


def _strips(step: Step, table: Mapping[str, Any]) -> list[Strip]:
    masks = stack_of(step, "shown/label")
    strips = [Strip("The labels", "the same probes at every state", tuple(coloured(mask) for mask in masks))]
    for state in table["candidates"]:
        images = stack_of(step, f"shown/{state['step']:06d}")
        note = "kept" if state["chosen"] else ""
        strips.append(Strip(f"Step {state['step']}", note, tuple(grey(image) for image in images)))
    return strips
