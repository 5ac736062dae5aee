"""``emgen demo``: the whole tandem on phantom micrographs, on any machine, without a download."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

Table = Mapping[str, Mapping[str, float]]


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Where phantoms and run go.",
)
@click.option("--seed", "seeds", type=int, multiple=True, help="Of phantoms and run; give several for a spread. [0]")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(out: Path, seeds: tuple[int, ...], quiet: bool) -> None:
    """Makes phantom micrographs, runs the tandem on them and compares five ways to segment them.

    Takes about five minutes a seed on two CPU cores. Run again, it resumes.
    """
    from emgen.demo import demo
    from emgen.report import write_report

    tables, report = [], None
    for seed in seeds or (0,):
        result = demo(out / f"seed-{seed}", seed=seed, progress=not quiet)
        report = write_report(result.folder)
        tables.append(result.table)
    show(tables)
    click.echo(f"report: {report}")


def show(tables: Sequence[Table]) -> None:
    """One row a way; with several seeds the mean and the standard deviation over them."""
    from rich.console import Console
    from rich.table import Table as Rich

    from emgen.demo import METRICS, ROWS

    table = Rich(title=f"Unseen phantoms, {len(tables)} seed{'s' if len(tables) > 1 else ''}")
    table.add_column("segmentation")
    for column in METRICS:
        table.add_column(column, justify="right")
    for row, title in ROWS.items():
        table.add_row(title, *[_cell([t[row][column] for t in tables]) for column in METRICS])
    Console().print(table)


def _cell(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"
