"""A study as one page: its question, what came out, tables with intervals, charts, pictures, what it was made with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emgen.engine.provenance import environment
from emgen.errors import OutputError
from emgen.report.text import duration, setting
from emgen.study.plan import Plan
from emgen.study.results import SPEC, Titled
from emgen.study.summary import Summary
from emgen.study.trial import Result

FILE = "report.html"


def write_study_report(out: Path, definition: Titled, plan: Plan, results: Sequence[Result], summary: Summary) -> Path:
    """Writes ``report.html`` into the folder of the study. Raises ``OutputError`` where that cannot be written."""
    page = (
        _templates()
        .get_template("page.html.j2")
        .render(
            title=definition.TITLE,
            question=definition.QUESTION,
            plan=plan,
            summary=summary,
            sections=[section for section in summary.sections if section.tables or section.charts or section.strips],
            tiles=_tiles(plan, results),
            troubles=[result for result in results if result.status != "done"],
            trials=_trial_rows(results),
            facts=_facts(plan),
            spec_text=(out / SPEC).read_text("utf-8"),
        )
    )
    path, partial = out / FILE, out / f"{FILE}.writing"
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}).") from error
    return path


def _templates() -> Any:
    import jinja2

    import emgen.report

    here, shared = Path(__file__).parent, Path(emgen.report.__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([here, shared]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["marked"] = marked
    return environment


def marked(text: str) -> Any:
    """HTML of a sentence in which `code` stands between backticks, everything else escaped."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:  # a single backtick marks nothing
        return escape(text)
    shown = (Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts))
    return Markup("").join(shown)


def _tiles(plan: Plan, results: Sequence[Result]) -> list[tuple[str, str, str]]:
    count = {
        status: sum(r.status == status for r in results) for status in ("done", "skipped", "failed", "interrupted")
    }
    others = ", ".join(f"{number} {status}" for status, number in count.items() if number and status != "done")
    seeds = ", ".join(map(str, plan.seeds))
    material = "phantoms, truth exact" if plan.file.on_phantoms else "own micrographs"
    seconds = sum(result.seconds for result in results)
    return [
        ("Arms", str(len({r.trial.arm for r in results})), material),
        ("Seeds", str(len(plan.seeds)), seeds),
        ("Trials", str(count["done"]), others or "all done"),
        ("Time of the trials", duration(seconds), "what was stored already not counted"),
    ]


def _trial_rows(results: Sequence[Result]) -> list[tuple[str, str, str, str]]:
    return [(r.trial.title, r.status, duration(r.seconds), r.trial.folder) for r in results]


def _facts(plan: Plan) -> list[tuple[str, str]]:
    made = environment()
    return [
        ("Run again with", plan.command),
        ("Seeds", setting(list(plan.seeds))),
        ("Small version (--quick)", setting(plan.quick)),
        ("emgen, Python", f"{made['emgen']}, {made['python']}"),
        ("Platform", str(made["platform"])),
        ("Libraries", setting(made["libraries"])),
    ]
