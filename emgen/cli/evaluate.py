"""``emgen evaluate``: predicted masks against true ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from emgen.scores.masks import Evaluation

_WIDEST = 400
"""Columns of text; the table takes only what it needs."""


@click.command("evaluate")
@click.option("--pred", required=True, type=click.Path(path_type=Path), help="Folder of predicted masks or labels.")
@click.option("--truth", required=True, type=click.Path(path_type=Path), help="Folder of true masks or labels.")
@click.option("--metrics", metavar="NAMES", help="Comma-separated; by default every one that compares predictions.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Also write everything here."
)
@click.pass_context
def command(ctx: click.Context, pred: Path, truth: Path, metrics: str | None, json_file: Path | None) -> None:
    """Score predicted masks against true ones of the same stem: pixels, areas and whole particles.

    A stem is matched by <stem>_labels (instances), <stem>_mask or <stem> (a mask; its connected areas are the
    particles). Ends with status 1 when some could not be scored.
    """
    from rich.console import Console

    from emgen.scores.masks import evaluate_folders

    result = evaluate_folders(pred, truth, _names(metrics))
    if json_file is not None:
        write_result(json_file, result.to_dict())
    if result.images:
        Console(width=_WIDEST).print(_table(result))
    for note in result.notes:
        click.echo(f"Note: {note}.")
    for error in result.errors.values():
        click.echo(f"Not scored: {error}", err=True)
    ctx.exit(1 if result.errors else 0)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _table(result: Evaluation) -> Table:
    """As wide as its contents, headings in several lines: a number that is cut off is worse than a wrapped line."""
    from rich.table import Table

    table = Table("image", box=None)
    for name in result.mean:
        table.add_column(name.replace("_", "\n"), justify="right", vertical="bottom")
    for stem, scores in result.images.items():
        table.add_row(stem, *(f"{scores[name]:.4f}" if name in scores else "–" for name in result.mean))
    table.add_section()
    table.add_row(f"mean of {len(result.images)}", *(f"{value:.4f}" for value in result.mean.values()))
    table.add_row("± sd", *(f"{value:.4f}" for value in result.sd.values()))
    return table


def write_result(path: Path, document: dict[str, object]) -> None:
    """JSON for programs: a number that is not finite becomes null. Raises ``OutputError``."""
    from emgen.errors import OutputError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_finite(document), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}).") from error


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
