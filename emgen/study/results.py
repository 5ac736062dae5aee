"""What a study leaves beside its page: everything as JSON, scores and effect sizes as tables for other programs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from emgen.artifacts import write_json
from emgen.engine.provenance import environment
from emgen.study.plan import Plan
from emgen.study.summary import Summary
from emgen.study.trial import Result

FILE, SCORES_CSV, EFFECTS_CSV, SPEC = "results.json", "results.csv", "effects.csv", "spec.yaml"


class Titled(Protocol):
    TITLE: str
    QUESTION: str


def write_results(out: Path, definition: Titled, plan: Plan, results: Sequence[Result], summary: Summary) -> None:
    """``results.json``, ``results.csv`` (a row a trial), ``effects.csv`` (a row a comparison), ``spec.yaml``."""
    write_json(
        out / FILE,
        {
            "study": plan.study,
            "title": definition.TITLE,
            "question": definition.QUESTION,
            "answers": list(summary.answers),
            "seeds": list(plan.seeds),
            "quick": plan.quick,
            "settings": plan.file.study.model_dump(mode="json"),
            "command": plan.command,
            "environment": environment(),
            "effects": [comparison.to_dict() for comparison in summary.comparisons],
            "trials": [result.to_dict() for result in results],
        },
    )
    _write_csv(out / SCORES_CSV, [_scores_row(result) for result in results])
    _write_csv(out / EFFECTS_CSV, [comparison.to_dict() for comparison in summary.comparisons])
    (out / SPEC).write_text(_spec_text(plan), encoding="utf-8")


def _scores_row(result: Result) -> dict[str, Any]:
    trial = result.trial
    known = {"arm": trial.arm, "seed": trial.seed, **trial.numbers, "status": result.status}
    return {**known, **result.outcome.values, "seconds": round(result.seconds, 1)}


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _spec_text(plan: Plan) -> str:
    import yaml

    tree = {**plan.file.tree, "study": plan.file.study.model_dump(mode="json", exclude_defaults=True)}
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)
