"""Puts the report together: one HTML file that needs nothing beside it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emgen.artifacts import MANIFEST
from emgen.errors import OutputError
from emgen.report import comparison, facts, gallery
from emgen.report.charts import loss_chart, thinned
from emgen.report.checkpoints import state_tables
from emgen.report.doctor import findings_part
from emgen.report.fidelity import fidelity_part
from emgen.report.labelled import labelled_part
from emgen.report.rounds import rounds_part
from emgen.report.run import Missing, RunFolder
from emgen.report.scores import score_table
from emgen.report.sizes import size_distributions

FILE = "report.html"
log = logging.getLogger(__name__)


def write_report(run_folder: Path | str) -> Path:
    """(Re)writes ``report.html`` from what lies in the run folder, of a run that is under way or broke off as well.

    A part that is missing or unreadable is shown as missing, with the reason. Raises ``OutputError`` where there is no
    run, or the file cannot be written.
    """
    folder = Path(run_folder)
    if not (folder / MANIFEST).is_file():
        raise OutputError(f"{folder}: no run there ({MANIFEST} is missing). Give the folder that `emgen run` wrote.")
    page = _render(RunFolder(folder))
    path, partial = folder / FILE, folder / f"{FILE}.writing"
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}).") from error
    return path


def _render(run: RunFolder) -> str:
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.tests["gap"] = lambda part: isinstance(part, Gap)
    return templates.get_template("page.html.j2").render(parts=_parts(run), run=run, title=_title(run))


def _title(run: RunFolder) -> str:
    return str(run.manifest.get("name") or run.folder.resolve().name)


def _parts(run: RunFolder) -> dict[str, Any]:
    """Every part of the page by name; a part that could not be made is a ``Gap``."""
    makers: dict[str, Callable[[], Any]] = {
        "tiles": lambda: facts.tiles(run),
        "comparison": lambda: comparison.shown(run.comparison),
        "generations": lambda: gallery.generations(run),
        "fidelity": lambda: fidelity_part(run),
        "rough": lambda: gallery.rough_masks(run),
        "held_out": lambda: gallery.held_out(run),
        "sizes": lambda: size_distributions(run),
        "losses": lambda: _losses(run),
        "states": lambda: state_tables(run),
        "scores": lambda: score_table(run.scores),
        "rounds": lambda: rounds_part(run),
        "labelled": lambda: labelled_part(run),
        "doctor": lambda: findings_part(run),
        "data": lambda: facts.data_table(run),
        "micrographs": lambda: facts.micrograph_table(run),
        "settings": lambda: facts.stage_settings(run),
        "provenance": lambda: facts.provenance(run),
        "steps": lambda: facts.step_table(run),
    }
    return {name: _part(name, make) for name, make in makers.items()}


class Gap(str):
    """Why a part of the report is not there."""


def _part(name: str, make: Callable[[], Any]) -> Any:
    """A damaged artifact must not keep the rest of the report from being read, so its error becomes text."""
    try:
        return make()
    except Missing as missing:
        return Gap(str(missing))
    except Exception as error:
        log.warning("part %s of the report cannot be made", name, exc_info=True)
        return Gap(f"cannot be read ({type(error).__name__}: {error})")


def _losses(run: RunFolder) -> list[tuple[str, str]]:
    """(title, chart) of every step that logged losses. Raises ``Missing`` when none did."""
    from emgen.engine.losses import read_losses

    found = []
    for step in run.steps:
        rows = read_losses(step.artifact.folder)
        if step.artifact.manifest.get("kind") == "model" and any(len(row) > 1 for row in rows):
            found.append((facts.title_of(step), loss_chart(thinned(rows))))
    if not found:
        raise Missing("no stage has logged a loss")
    return found
